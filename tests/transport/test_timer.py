from __future__ import annotations

import asyncio

from lamplighter.transport.timer import Timer


class Loop:
    """As much of an event loop as a timer uses, with the time in the hands of the test."""

    def __init__(self) -> None:
        self.handles: list[tuple[float, Timer, asyncio.TimerHandle]] = []
        self.armed: list[float] = []

    def call_at(self, when: float, call):  # type: ignore[no-untyped-def]
        self.armed.append(when)
        self.handle = Handle(when, call)
        return self.handle


class Handle:
    def __init__(self, when: float, call) -> None:  # type: ignore[no-untyped-def]
        self.when, self.call, self.cancelled = when, call, False

    def cancel(self) -> None:
        self.cancelled = True


def timer() -> tuple[Loop, list[float], Timer]:
    loop, called = Loop(), []
    return loop, called, Timer(loop, called.append)  # type: ignore[arg-type]


def test_it_calls_when_the_moment_has_come() -> None:
    loop, called, one = timer()
    one.set(5.0)
    loop.handle.call()
    assert called == [5.0]


def test_a_later_moment_costs_no_new_handle_until_the_first_fires() -> None:
    loop, called, one = timer()
    one.set(5.0)
    one.set(7.0)
    assert loop.armed == [5.0]
    loop.handle.call()
    assert called == [] and loop.armed == [5.0, 7.0]
    loop.handle.call()
    assert called == [7.0]


def test_an_earlier_moment_replaces_the_handle() -> None:
    loop, called, one = timer()
    one.set(5.0)
    first = loop.handle
    one.set(3.0)
    assert first.cancelled and loop.armed == [5.0, 3.0]


def test_no_moment_stops_it() -> None:
    loop, called, one = timer()
    one.set(5.0)
    one.set(None)
    assert loop.handle.cancelled
