"""How a serving process collects its garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from lamplighter.roles import interpreter


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_was_there_at_the_start_is_not_looked_at_again() -> None:
    before = gc.get_freeze_count()
    interpreter.settle()
    assert gc.get_freeze_count() > before


def test_a_request_does_not_set_the_collector_off() -> None:
    interpreter.settle()
    assert gc.get_threshold()[0] == interpreter.YOUNG
    assert gc.isenabled()


def test_what_refers_to_itself_is_collected_all_the_same() -> None:
    interpreter.settle()
    collected: list[str] = []

    class Loop:
        def __del__(self) -> None:
            collected.append("loop")

    loop = Loop()
    loop.itself = loop  # type: ignore[attr-defined]
    del loop
    kept = [[] for _ in range(interpreter.YOUNG + 1)]
    assert collected and kept
