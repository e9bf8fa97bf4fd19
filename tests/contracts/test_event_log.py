"""The log of events: in order, nothing lost, nothing passed over, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import sqlalchemy as sa

from lamplighter.bus.bus import Bus
from lamplighter.bus.consumer import Consumer
from lamplighter.bus.event import Event, Recorded
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.bus.nats import NatsBus
from lamplighter.bus.outbox import append
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests.servers import NatsServer, PostgresServer

_SLOW = Query(sa.text("SELECT 1"))
"""One more round trip: time for another transaction to commit first."""


@pytest.fixture(params=["local", "nats"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    chosen: Bus = LocalBus() if request.param == "local" else NatsBus(request.getfixturevalue("nats").url)
    await chosen.start()
    yield chosen
    await chosen.close()


@pytest.fixture
def log(database: Database) -> EventLog:
    return EventLog(database, LocalBus())


def event(number: int, time: int = 1) -> Event:
    return Event(
        kind="LampLit", account_id="a", device_id=f"d{number}", time=time, data={"number": number, "é": [None]}
    )


async def happen(database: Database, *numbers: int, time: int = 1) -> None:
    async with database.transaction() as tx:
        await append(tx, *(event(number, time) for number in numbers))


def numbers_of(events: Sequence[Recorded]) -> list[int]:
    return [recorded.event.data["number"] for recorded in events]


class Follower:
    """A handler that remembers, and lets a test wait."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self._more = asyncio.Event()

    async def __call__(self, events: Sequence[Recorded]) -> None:
        self.seen += numbers_of(events)
        self._more.set()

    async def wait_for(self, number: int) -> list[int]:
        async with asyncio.timeout(20):
            while number not in self.seen:
                self._more.clear()
                await self._more.wait()
        return self.seen


async def test_events_are_read_as_they_were_written(database: Database, log: EventLog) -> None:
    await happen(database, 1, 2)
    await happen(database, 3)
    found = await log.read(START, 10)
    assert [recorded.event for recorded in found] == [event(1), event(2), event(3)]
    assert numbers_of(await log.read(found[0].position, 1)) == [2]
    assert await log.read(found[-1].position, 10) == []


async def test_an_event_of_a_transaction_that_failed_did_not_happen(database: Database, log: EventLog) -> None:
    with pytest.raises(ValueError):
        async with database.transaction() as tx:
            await append(tx, event(1))
            raise ValueError
    await happen(database, 2)
    assert numbers_of(await log.read(START, 10)) == [2]


async def test_the_end_lies_behind_what_happened_and_before_what_comes(database: Database, log: EventLog) -> None:
    await happen(database, 1)
    end = await log.end()
    await happen(database, 2)
    assert numbers_of(await log.read(end, 10)) == [2]


async def test_a_place_is_found_by_its_time(database: Database, log: EventLog) -> None:
    minute = 60_000_000
    assert await log.before(0) == await log.end()
    for number in range(1, 40):
        await happen(database, number, time=number * 2 * minute)
    await happen(database, 40, time=78 * minute + 1)
    for number in range(1, 40):
        for time in (number * 2 * minute, (number * 2 - 1) * minute):
            assert numbers_of(await log.read(await log.before(time), 1)) == [number]
    assert await log.before(100 * minute) == await log.end()
    assert numbers_of(await log.read(await log.before(0), 100)) == list(range(1, 41))


async def test_a_place_by_its_time_lies_before_what_happened_then_and_was_noted_later(
    database: Database, log: EventLog
) -> None:
    second = 1_000_000
    for number, time in enumerate((100, 200, 230, 210, 190, 240, 300)):
        await happen(database, number, time=time * second)
    assert numbers_of(await log.read(await log.before(205 * second), 10)) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_place_by_its_time_lies_before_what_is_not_committed_yet(database: Database, log: EventLog) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        async with database.transaction() as tx:
            await append(tx, event(1, 100))
            await tx.fetch_one(_SLOW)
            begun.set()
            await go_on.wait()

    writing = asyncio.create_task(late())
    await begun.wait()
    await happen(database, 2, time=100)
    place = await log.before(100)
    go_on.set()
    await writing
    assert sorted(numbers_of(await log.read(place, 10))) == [1, 2]


async def test_something_that_is_no_position_is_refused(log: EventLog) -> None:
    for wrong in ("", "1", "a.b", "1.-2"):
        with pytest.raises(ValueError, match="not a position"):
            await log.read(wrong, 1)


async def test_a_cursor_is_kept_and_never_goes_back(database: Database, log: EventLog) -> None:
    await happen(database, 1, 2, 3)
    first, second, _ = await log.read(START, 3)
    assert await log.cursor("me") is None
    await log.commit("me", second.position)
    await log.commit("me", first.position)
    assert await log.cursor("me") == second.position
    async with database.transaction() as tx:
        await log.commit("other", first.position, tx)
    assert await log.cursor("other") == first.position
    await log.forget("me")
    assert await log.cursor("me") is None


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_no_cursor_passes_a_transaction_still_open(database: Database, log: EventLog) -> None:
    async with database.transaction() as slow:
        await append(slow, event(1))
        await slow.fetch_all(_SLOW)  # written, and not committed
        await happen(database, 2)
        assert numbers_of(await log.read(START, 10)) == []
        end = await log.end()
    found = await log.read(START, 10)
    assert numbers_of(found) == [1, 2]
    assert numbers_of(await log.read(end, 10)) == [1, 2]


async def test_a_reader_beside_many_writers_misses_nothing_and_sees_nothing_twice(
    database: Database, log: EventLog
) -> None:
    seen: list[int] = []

    async def read() -> None:
        position = START
        while len(seen) < 120:
            found = await log.read(position, 7)
            seen.extend(numbers_of(found))
            position = found[-1].position if found else position

    async def write(start: int) -> None:
        for number in range(start, start + 15):
            async with database.transaction() as tx:
                await append(tx, event(number))
                if number % 4 == 0:
                    await tx.fetch_all(_SLOW)

    async with asyncio.timeout(30):
        await asyncio.gather(read(), *(write(start) for start in range(0, 120, 15)))
    assert sorted(seen) == list(range(120))


async def test_pruning_keeps_what_is_young_and_names_the_cursor_that_keeps_more(
    database: Database, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    await happen(database, *range(5), time=100)
    await happen(database, 5, time=300)
    third = (await log.read(START, 3))[-1].position
    await log.commit("slow", third)
    assert await log.prune(before=200) == 3
    assert await log.behind(before=200) == ["slow"]
    assert await log.behind(before=100) == []
    assert "'slow'" in caplog.text
    assert numbers_of(await log.read(START, 10)) == [3, 4, 5]
    await log.forget("slow")
    assert await log.prune(before=200) == 2
    assert numbers_of(await log.read(START, 10)) == [5]


async def test_pruning_takes_more_than_one_transaction_can(database: Database, log: EventLog) -> None:
    await happen(database, *range(1500), time=100)
    assert await log.prune(before=200) == 1500
    await happen(database, 1)
    assert numbers_of(await log.read(START, 10)) == [1]


async def test_a_consumer_sees_everything_in_order_and_is_woken(database: Database, bus: Bus) -> None:
    log, follower = EventLog(database, bus), Follower()
    await happen(database, 0)
    consumer = Consumer(log, "c", follower, batch=2, poll=1000)
    await consumer.start()
    for number in range(1, 10):
        await happen(database, number)
    assert await follower.wait_for(9) == list(range(10))
    await consumer.close()


async def test_a_consumer_from_the_end_sees_only_what_happens_then(database: Database, bus: Bus) -> None:
    log, follower = EventLog(database, bus), Follower()
    await happen(database, 1)
    consumer = Consumer(log, "c", follower, poll=1000, from_end=True)
    await consumer.start()
    await happen(database, 2)
    assert await follower.wait_for(2) == [2]
    await consumer.close()


async def test_a_consumer_goes_on_where_it_was(database: Database, log: EventLog) -> None:
    first, second = Follower(), Follower()
    consumer = Consumer(log, "c", first, poll=0.01)
    await consumer.start()
    await happen(database, 1)
    await first.wait_for(1)
    await consumer.close()
    await happen(database, 2)
    consumer = Consumer(log, "c", second, poll=0.01)
    await consumer.start()
    await second.wait_for(2)
    await consumer.close()
    assert second.seen in ([2], [1, 2])  # at least once


async def test_a_handler_that_fails_is_given_the_same_again(
    database: Database, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower()
    failures = iter([ValueError("first"), ValueError("second")])

    async def fails_twice(events: Sequence[Recorded]) -> None:
        for failure in failures:
            raise failure
        await follower(events)

    consumer = Consumer(log, "c", fails_twice, poll=0.01)
    await consumer.start()
    await happen(database, 1)
    assert await follower.wait_for(1) == [1]
    await consumer.close()
    assert "could not treat an event" in caplog.text


async def test_nothing_is_lost_while_nats_is_away(database: Database, nats: NatsServer) -> None:
    bus = NatsBus(nats.url)
    await bus.start()
    log, follower = EventLog(database, bus), Follower()
    consumer = Consumer(log, "c", follower, poll=0.05)
    await consumer.start()
    await happen(database, 1)
    await follower.wait_for(1)
    nats.stop()
    await happen(database, 2)
    await follower.wait_for(2)
    nats.start()
    await happen(database, 3)
    assert await follower.wait_for(3) == [1, 2, 3]
    await consumer.close()
    await bus.close()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_consumer_outlives_a_restart_of_postgresql(
    database: Database, log: EventLog, postgres: PostgresServer
) -> None:
    follower = Follower()
    consumer = Consumer(log, "c", follower, poll=0.02)
    await consumer.start()
    await happen(database, 1)
    await follower.wait_for(1)
    postgres.stop(crash=True)
    postgres.start()
    await happen(database, 2)
    await follower.wait_for(2)
    await consumer.close()
    assert sorted(set(follower.seen)) == [1, 2]
