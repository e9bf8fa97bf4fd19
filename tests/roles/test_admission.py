"""A storm of registrations: who is served, who waits, and who comes back when."""

from __future__ import annotations

import asyncio

from lamplighter.roles import admission
from lamplighter.roles.admission import RegistrationLine
from tests.services.channels.served import until


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_so_many_register_at_once_and_the_others_wait_in_line() -> None:
    line, under_way, done = RegistrationLine(Clock()), 0, asyncio.Event()

    async def register() -> None:
        nonlocal under_way
        async with line.place():
            under_way += 1
            await done.wait()

    tasks = [asyncio.create_task(register()) for _ in range(admission.AT_ONCE + 10)]
    await until(lambda: len(line) == len(tasks))
    assert under_way == admission.AT_ONCE
    assert not line.is_full
    done.set()
    await asyncio.gather(*tasks)
    assert (under_way, len(line)) == (len(tasks), 0)


async def test_devices_that_are_put_off_get_turns_one_after_another_and_none_later_than_the_latest() -> None:
    clock = Clock()
    line = RegistrationLine(clock)
    turns = [line.seconds_until_turn() for _ in range(100_000)]
    assert turns[0] == admission.SOONEST
    assert turns == sorted(turns)
    assert turns[10_000] == admission.SOONEST + 10_000 * admission.PACE * admission.PRESS
    assert turns[-1] < admission.LATEST
    more = [line.seconds_until_turn() for _ in range(100_000)]
    assert max(more) == admission.LATEST and more[-1] < turns[-1]  # they have begun anew
    clock.now += 2 * admission.LATEST
    assert line.seconds_until_turn() == admission.SOONEST


async def test_turns_follow_the_pace_at_which_devices_were_registered() -> None:
    clock = Clock()
    line = RegistrationLine(clock)

    async def register() -> None:
        async with line.place():
            await asyncio.sleep(0)
            clock.now += 0.1

    await asyncio.gather(*(register() for _ in range(500)))
    turns = [line.seconds_until_turn() for _ in range(100)]
    assert 5 * admission.PRESS < turns[-1] - turns[0] <= 10 * admission.PRESS
