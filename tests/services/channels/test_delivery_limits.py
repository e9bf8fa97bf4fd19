"""What becomes of a webhook that fails, and of what waits for it for too long or is too much."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from lamplighter.clock import MICROSECONDS
from lamplighter.services.channels.retention import DISCARDED, REMOVED
from lamplighter.storage.database import Database
from tests.outbound.receivers import PATIENCE, ok, receiving, status
from tests.services.channels.hooked import HOUR, SOON, hook, numbered, paths, settled, until
from tests.services.channels.served import (
    CALLBACK,
    ShiftedClock,
    events_of,
    notified,
    serving,
)


async def test_a_webhook_that_has_failed_for_a_day_is_removed_and_an_event_says_so(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, **SOON) as served, receiving() as receiver:
        await hook(served, receiver)
        receiver.script = status(503)
        await served.happen(notified(1))
        await settled(served, lambda row: row.failures >= 1)
        clock.shift = 23.9 * HOUR
        failures = (await settled(served, lambda row: row.failures >= 2)).failures
        await settled(served, lambda row: row.failures > failures)
        clock.shift = 24.1 * HOUR
        async with asyncio.timeout(PATIENCE):
            while (await served.call("GET", CALLBACK)).status_code != 404:
                pass
        (removed,) = await events_of(served, REMOVED)
        assert (removed["id"], removed["mechanism"]) == ("subject", "CALLBACK")
        assert "503" in removed["reason"]


async def test_what_waited_too_long_is_discarded_counted_and_told(database: Database) -> None:
    clock = ShiftedClock()
    patient: dict[str, Any] = {"limits": {"failing": 1e9}, "pause": lambda failures: HOUR}
    async with serving(database, clock=clock, **patient) as served, receiving() as receiver:
        await hook(served, receiver)
        receiver.script = status(500)
        await served.happen(notified(1), notified(2))
        await settled(served, lambda row: row.failures == 1)
        clock.shift = 24.1 * HOUR
        await served.happen(*(msgspec.structs.replace(notified(number), time=clock.now()) for number in (3, 4)))
        await served.channels._sweeper.sweep()
        await settled(served, lambda row: row.discarded == 2)
        (told,) = await events_of(served, DISCARDED)
        assert (told["id"], told["number"]) == ("subject", 2)
        receiver.script = ok
        await hook(served, receiver)
        await until(receiver, lambda: len(paths(receiver.requests)) == 2)
        assert paths(receiver.requests) == numbered((3, 4))


async def test_the_log_keeps_what_has_not_been_counted(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock) as served:
        await served.happen(notified(1), notified(2))
        await served.channels._sweeper.sweep()
        clock.shift = 25 * HOUR
        oldest = clock.now() - round(24 * HOUR * MICROSECONDS)
        assert await served.log.prune(oldest) == 0
        await served.channels._sweeper.sweep()
        await served.log.commit("channels", await served.log.end())
        assert await served.log.prune(oldest) == 2


async def test_over_the_size_of_the_queue_the_oldest_go(database: Database) -> None:
    limits = {"queue_bytes": 800_000}
    async with receiving() as receiver:
        async with serving(database, limits=limits, pause=lambda failures: HOUR, process="one") as served:
            await hook(served, receiver)
            receiver.script = status(500)
            await served.happen(notified(0))
            await settled(served, lambda row: row.failures == 1)
            for start in range(1, 2001, 100):
                await served.happen(*(notified(number, payload="x" * 700) for number in range(start, start + 100)))
        receiver.script = ok
        receiver.requests.clear()
        async with serving(database, limits=limits, process="one") as served:
            await served.call("PUT", CALLBACK, json={"url": receiver.url()})
            await until(receiver, lambda: "/3303/0/2000" in paths(receiver.requests))
            kept = len(paths(receiver.requests))
            assert 1 <= kept <= 800 and paths(receiver.requests) == numbered(range(2001 - kept, 2001))
            row = await settled(served, lambda row: row.discarded > 0)
            assert row.discarded == 2001 - kept
            assert [told["number"] for told in await events_of(served, DISCARDED)] == [2001 - kept]
