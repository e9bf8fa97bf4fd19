"""Channels whose clients are gone, and events that nobody fetched."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from lamplighter.clock import MICROSECONDS
from lamplighter.services.channels.retention import DISCARDED, REMOVED
from lamplighter.storage.database import Database
from tests.services.channels.served import (
    PULL,
    SOCKET,
    Served,
    ShiftedClock,
    close_code,
    collect,
    events_of,
    notified,
    serving,
    until,
)

HOUR = 3600.0
CHANNEL = "/v2/notification/channel"


async def there(served: Served) -> bool:
    return (await served.call("GET", CHANNEL)).status_code == 200


async def noted(served: Served, since: int) -> None:
    """Until the channel's client has been seen since that time."""
    async with asyncio.timeout(10):
        while True:
            row = await served.channels._store.get(*_subject())
            if row is not None and row.seen_at >= since:
                return
            await asyncio.sleep(0.01)


async def sweep(served: Served) -> None:
    await served.channels._sweeper.sweep()


async def test_a_websocket_channel_goes_after_a_day_without_a_connection(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock) as served:
        await served.registered()
        clock.shift = 23.9 * HOUR
        await sweep(served)
        assert await there(served)
        clock.shift = 24.1 * HOUR
        await sweep(served)
        assert not await there(served)
        (told,) = await events_of(served, REMOVED)
        assert (told["id"], told["mechanism"]) == ("subject", "WEB_SOCKET")
        async with served.socket() as socket:
            assert await close_code(socket) == 1011


async def test_a_day_without_a_connection_begins_when_the_last_one_ended(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, look=0.02) as served:
        await served.registered()
        async with served.socket() as socket:
            clock.shift = 30 * HOUR
            await served.happen(notified(1))
            await collect(socket, 1)
            await noted(served, clock.now() - round(HOUR * MICROSECONDS))
            await sweep(served)
            assert await there(served)
        async with asyncio.timeout(10):
            while (await served.call("GET", SOCKET)).json()["status"] != "disconnected":
                pass
        await until(lambda: not served.channels.sockets._open)
        clock.shift = 53 * HOUR
        await sweep(served)
        assert await there(served)
        clock.shift = 55 * HOUR
        await sweep(served)
        assert not await there(served)


async def test_a_long_poll_channel_goes_after_ten_minutes_without_a_poll(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, long_poll=0.01) as served:
        await served.call("GET", PULL)
        for minutes in (9, 18, 27):
            clock.shift = minutes * 60.0
            await sweep(served)
            assert await there(served)
            await served.call("GET", PULL)
        clock.shift = 27 * 60 + 660.0 + 1
        await sweep(served)
        assert not await there(served)
        assert (await events_of(served, REMOVED))[0]["mechanism"] == "LONG_POLLING"
        assert (await served.registered()).status_code == 201


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_time_in_which_the_server_was_away_is_held_against_nobody(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, long_poll=0.01) as served:
        await served.call("GET", PULL)
    clock.shift = 30 * HOUR
    async with serving(database, clock=clock, long_poll=0.01) as served:
        await sweep(served)
        assert await there(served)
        clock.shift += 660.0 + 1
        await sweep(served)
        assert not await there(served)


async def test_what_waited_a_day_for_a_connection_is_dropped_and_told(database: Database) -> None:
    clock = ShiftedClock()
    limits: dict[str, Any] = {"unconnected": 1e9}
    async with serving(database, clock=clock, limits=limits) as served:
        await served.registered()
        await served.happen(*(notified(number) for number in range(3)))
        clock.shift = 12 * HOUR
        await served.happen(*(_at(notified(number), clock) for number in range(3, 5)))
        clock.shift = 25 * HOUR
        async with served.socket() as socket:
            found = await collect(socket, 2)
        assert [each["path"] for each in found] == ["/3303/0/3", "/3303/0/4"]
        (told,) = await events_of(served, DISCARDED)
        assert (told["id"], told["mechanism"], told["number"]) == ("subject", "WEB_SOCKET", 3)


async def test_a_channel_that_was_swept_and_read_counts_nothing_twice(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits={"unconnected": 1e9}) as served:
        await served.registered()
        await served.happen(*(notified(number) for number in range(3)))
        clock.shift = 25 * HOUR
        for _ in range(2):
            await sweep(served)
        async with served.socket() as socket:
            await served.happen(_at(notified(9), clock))
            assert (await collect(socket, 1))[0]["path"] == "/3303/0/9"
        assert [told["number"] for told in await events_of(served, DISCARDED)] == [3]
        row = await served.channels._store.get(*_subject())
        assert row is not None and row.discarded == 3


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_deleting_drops_the_count_with_the_channel(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits={"unconnected": 1e9}) as served:
        await served.registered()
        await served.happen(notified(1))
        clock.shift = 25 * HOUR
        await sweep(served)
        await served.call("DELETE", SOCKET)
        await served.registered()
        row = await served.channels._store.get(*_subject())
        assert row is not None and row.discarded == 0


def _subject() -> tuple[str, str]:
    return "0" * 31 + "1", "subject"


def _at(event: Any, clock: ShiftedClock) -> Any:
    return msgspec.structs.replace(event, time=clock.now())
