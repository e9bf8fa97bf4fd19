"""Webhooks deliver: in order, once more until it is acknowledged, each on its own, by one process at a time."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
import msgspec
import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.clock import MICROSECONDS, SystemClock
from lamplighter.services.channels.delivery import pause_after
from lamplighter.services.channels.retention import DISCARDED, REMOVED
from lamplighter.services.channels.store import Channel
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN
from tests.contract import check
from tests.outbound.receivers import PATIENCE, Receiver, Request, Script, hang_up, ok, receiving, stall, status
from tests.services.channels.killable import Child
from tests.services.channels.served import (
    CALLBACK,
    OTHER,
    Served,
    ShiftedClock,
    callers,
    deregistered,
    events_of,
    finished,
    notified,
    registered,
    serving,
)

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
SOON: dict[str, Any] = {"pause": lambda failures: 0.02}
HOUR = 3600.0


async def hook(served: Served, receiver: Receiver, key: str = ADMIN, **more: Any) -> None:
    """Register a webhook, and forget its probe."""
    answer = await served.call("PUT", CALLBACK, key, json={"url": receiver.url(), **more})
    assert answer.status_code == 204, answer.text
    receiver.requests.clear()


def messages(requests: Iterable[Request]) -> list[dict[str, list[Any]]]:
    return [json.loads(each.body) for each in requests]


def paths(requests: Iterable[Request]) -> list[str]:
    """The paths of all notifications, in the order they came."""
    return [item["path"] for message in messages(requests) for item in message.get("notifications", ())]


def numbered(numbers: Iterable[int]) -> list[str]:
    return [f"/3303/0/{number}" for number in numbers]


async def until(receiver: Receiver, true: Callable[[], bool]) -> None:
    """Wait until requests that arrived make it so."""
    async with asyncio.timeout(PATIENCE), receiver.arrived:
        await receiver.arrived.wait_for(true)


async def settled(served: Served, true: Callable[[Channel], bool]) -> Channel:
    """Wait until the row of the webhook is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            row = await served.channels._store.get(ACCOUNT, "subject")
            if row is not None and true(row):
                return row
            await asyncio.sleep(0.01)


async def test_what_happens_is_put_to_the_receiver_in_order_with_its_headers(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await hook(served, receiver, headers={"authorization": "lamp"})
        for number in range(0, 30, 3):
            await served.happen(*(notified(each) for each in range(number, number + 3)))
        await until(receiver, lambda: len(paths(receiver.requests)) == 30)
        assert paths(receiver.requests) == numbered(range(30))
        for request in receiver.requests:
            assert (request.method, request.headers["authorization"]) == ("PUT", "lamp")
            assert "webhook-signature" not in request.headers
            check("longPollNotifications", 200, json.loads(request.body))
        assert receiver.connections <= 2


async def test_a_message_has_one_kind_and_at_most_as_many_items_as_asked_for(database: Database) -> None:
    gate = asyncio.Event()

    async def first_late(request: Request, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await ok(request, writer)

    async with serving(database) as served, receiving() as receiver:
        cfg = {"include_uid": True, "deregistrations_as_object": "true"}
        await hook(served, receiver, serialization={"type": "v2", "max_chunk_size": "100", "cfg": cfg})
        receiver.script = first_late
        await served.happen(registered())
        await receiver.got(1)
        await served.happen(*(notified(number) for number in range(250)), deregistered(), finished("a"))
        gate.set()
        await receiver.got(6)
        found = [(list(each)[0], len(list(each.values())[0])) for each in messages(receiver.requests)]
        assert found == [
            ("registrations", 1),
            ("notifications", 100),
            ("notifications", 100),
            ("notifications", 50),
            ("de-registrations", 1),
            ("async-responses", 1),
        ]
        assert messages(receiver.requests)[4]["de-registrations"][0]["ep"]


@only_sqlite
async def test_one_message_is_under_way_at_a_time(database: Database) -> None:
    under_way: list[int] = []

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        under_way.append(under_way[-1] + 1 if under_way else 1)
        await asyncio.sleep(0.02)
        under_way.append(under_way[-1] - 1)
        await ok(request, writer)

    async with serving(database) as served, receiving() as receiver:
        await hook(served, receiver)
        receiver.script = slow
        for number in range(10):
            await served.happen(notified(number))
            await asyncio.sleep(0.01)
        await until(receiver, lambda: len(paths(receiver.requests)) == 10)
        assert max(under_way) == 1


@only_sqlite
@pytest.mark.parametrize(
    "script",
    [status(201), status(202), status(302, "Location: /"), status(404), status(500), hang_up, stall],
    ids=["201", "202", "302", "404", "500", "closed", "silent"],
)
async def test_what_is_not_acknowledged_comes_again_until_it_is(database: Database, script: Script) -> None:
    async with serving(database, outbound={"timeout": 0.2}, **SOON) as served, receiving() as receiver:
        await hook(served, receiver)
        receiver.script = script
        await served.happen(notified(1), notified(2))
        await receiver.got(3)
        assert {each.body for each in receiver.requests} == {receiver.requests[0].body}
        row = await settled(served, lambda row: row.failures >= 2)
        assert row.failing_since is not None and row.delivered_at is None
        receiver.script = ok
        tried = len(receiver.requests)
        await served.happen(notified(3))
        await until(receiver, lambda: paths(receiver.requests[tried:])[-1:] == ["/3303/0/3"])
        row = await settled(served, lambda row: row.failures == 0)
        assert row.failing_since is None and row.delivered_at is not None
        assert paths(receiver.requests[-2:])[-3:] == numbered((1, 2, 3))


def test_pauses_double_from_one_second_to_two_minutes() -> None:
    assert [pause_after(failures) for failures in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert pause_after(10_000) == 120


@only_sqlite
async def test_the_pause_counts_from_the_time_out_and_not_from_the_request(database: Database) -> None:
    clock = SystemClock()
    async with serving(database, outbound={"timeout": 0.5}, clock=clock) as served, receiving() as receiver:
        await hook(served, receiver)
        receiver.script = stall
        await served.happen(notified(1))
        await receiver.got(1)
        arrived = clock.now()
        row = await settled(served, lambda row: row.failures == 1)
        assert row.retry_at >= arrived + 1.4 * MICROSECONDS


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


@only_sqlite
async def test_a_new_registration_ends_the_pause(database: Database) -> None:
    async with serving(database, pause=lambda failures: HOUR) as served, receiving() as old, receiving() as new:
        await hook(served, old)
        old.script = status(500)
        await served.happen(notified(1))
        await settled(served, lambda row: row.failures == 1)
        await hook(served, new)
        await until(new, lambda: paths(new.requests) == ["/3303/0/1"])
        assert len(old.requests) == 1


@only_sqlite
async def test_a_webhook_that_is_deleted_gets_nothing_more_and_its_queue_is_dropped(database: Database) -> None:
    async with serving(database, **SOON) as served, receiving() as receiver:
        await hook(served, receiver)
        receiver.script = status(500)
        await served.happen(notified(1))
        await receiver.got(1)
        assert (await served.call("DELETE", CALLBACK)).status_code == 204
        receiver.script = ok
        await hook(served, receiver)
        await served.happen(notified(2))
        await until(receiver, lambda: paths(receiver.requests) == ["/3303/0/2"])


@only_sqlite
async def test_each_webhook_gets_what_is_its_own(database: Database) -> None:
    known = callers()
    async with serving(database, known=known) as served, receiving() as mine, receiving() as foreign:
        await hook(served, mine)
        await hook(served, foreign, OTHER)
        account = known.known[OTHER].account_id
        await served.happen(notified(1), notified(2, subjects=("elsewhere",)), notified(3, account=account))
        await served.happen(registered(account=account), notified(4))
        await until(foreign, lambda: len(foreign.requests) == 1)
        await until(mine, lambda: len(paths(mine.requests)) == 2)
        assert paths(mine.requests) == numbered((1, 4))
        assert list(messages(foreign.requests)[0]) == ["registrations"]


@only_sqlite
async def test_silent_receivers_delay_nobody_else(database: Database) -> None:
    """More of them than there are places for requests."""
    known = callers()
    keys = [f"ak_2{number:0107}" for number in range(30)]
    for number, key in enumerate(keys):
        known.known[key] = msgspec.structs.replace(known.known[ADMIN], subject_id=f"s{number}", credential_id=key)
    outbound = {"connections": 8, "connections_host": 8, "timeout": 5.0}
    async with serving(database, known=known, outbound=outbound) as served, receiving() as dead, receiving() as alive:
        for key in keys:
            await hook(served, dead, key)
        await hook(served, alive)
        dead.script = hang_up
        await served.happen(registered())
        deliveries = served.channels._courier._deliveries
        await until(dead, lambda: sum(each.channel.failures > 0 for each in deliveries.values()) == len(keys))
        dead.script = stall
        dead.requests.clear()
        await dead.got(4)
        began = asyncio.get_running_loop().time()
        for number in range(20):
            await served.happen(notified(number))
        await until(alive, lambda: len(paths(alive.requests)) == 20)
        assert asyncio.get_running_loop().time() - began < 5.0
        assert len(dead.requests) <= 4


async def test_a_process_that_was_silent_and_forgotten_goes_on(database: Database) -> None:
    async with serving(database, process="one", beat=0.05) as served, receiving() as receiver:
        await hook(served, receiver)
        await settled(served, lambda row: row.holder == "one")
        await served.channels._webhooks.forget_couriers(2**62)
        courier = served.channels._courier
        async with asyncio.timeout(PATIENCE):
            while not await served.channels._webhooks.live("one", courier._life, courier._until()):
                pass
        await served.happen(notified(1))
        await until(receiver, lambda: paths(receiver.requests) == ["/3303/0/1"])
        assert courier.sending


@only_sqlite
async def test_a_process_whose_name_another_has_taken_sends_no_more(database: Database) -> None:
    async with serving(database, process="one", beat=0.05) as served, receiving() as receiver:
        await hook(served, receiver)
        await settled(served, lambda row: row.holder == "one")
        await served.channels._webhooks.come("one", "another life", 2**62)
        async with asyncio.timeout(PATIENCE):
            while served.channels._courier.sending:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await served.happen(notified(1))
        async with serving(database, process="one") as other:
            await until(receiver, lambda: paths(receiver.requests) == ["/3303/0/1"])
            await settled(other, lambda row: row.delivered_at is not None)
            assert not served.channels._courier.sending and len(receiver.requests) == 1


@only_sqlite
async def test_all_dead_receivers_together_hold_no_more_messages_than_there_are_requests(database: Database) -> None:
    """40 webhooks, each with a message of half a megabyte at its head: 20 MB, if each kept its own."""
    known = callers()
    subjects = tuple(f"s{number}" for number in range(40))
    keys = [f"ak_2{number:0107}" for number in range(len(subjects))]
    for key, subject_id in zip(keys, subjects, strict=True):
        known.known[key] = msgspec.structs.replace(known.known[ADMIN], subject_id=subject_id, credential_id=key)
    outbound = {"connections": 4}
    async with serving(database, known=known, outbound=outbound, pause=lambda failures: HOUR) as served:
        async with receiving() as dead:
            for key in keys:
                await hook(served, dead, key)
            dead.script = _forgetful
            tracemalloc.start()
            try:
                await served.happen(
                    *(notified(number, payload="x" * 10_000, subjects=subjects) for number in range(100))
                )
                deliveries = served.channels._courier._deliveries
                async with asyncio.timeout(3 * PATIENCE):
                    while not all(each.channel.failures for each in deliveries.values()):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                now_used, most_used = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert len(deliveries) == 40
            assert now_used < 8e6 and most_used < 18e6, (now_used, most_used)


async def _forgetful(request: Request, writer: asyncio.StreamWriter) -> None:
    """Refuse, and keep nothing of what came."""
    assert len(request.body) > 500_000
    request.body = b""
    await status(500)(request, writer)


async def test_nothing_is_lost_by_a_restart_and_what_was_acknowledged_is_not_sent_again(
    open_database: Callable[[], Database],
) -> None:
    async with receiving() as receiver:
        for run in range(3):
            database = open_database()
            await database.start()
            async with serving(database, process="one", **SOON) as served:
                if run == 0:
                    await hook(served, receiver)
                receiver.script = status(500) if run == 1 else ok
                await served.happen(*(notified(10 * run + number) for number in range(10)))
                if run == 1:
                    await until(receiver, lambda: "/3303/0/19" in paths(receiver.requests))
                    receiver.requests.clear()
                else:
                    last = f"/3303/0/{10 * run + 9}"
                    await until(receiver, lambda last=last: last in paths(receiver.requests))  # type: ignore[misc]
                    if run == 0:
                        await settled(served, lambda row: row.delivered_at is not None)
                        assert paths(receiver.requests) == numbered(range(10))
                        receiver.requests.clear()
            await database.close()
        assert paths(receiver.requests)[:10] == numbered(range(10, 20))
        assert paths(receiver.requests)[-10:] == numbered(range(20, 30))


async def test_of_several_processes_one_delivers_and_another_goes_on_when_it_ends(
    open_database: Callable[[], Database],
) -> None:
    first_database, second_database = open_database(), open_database()
    await first_database.start()
    await second_database.start()
    bus = LocalBus()
    async with receiving() as receiver:
        async with serving(second_database, bus=bus, process="two", beat=0.1, look=0.02) as second:
            async with serving(first_database, bus=LocalBus(), process="one", beat=0.1, look=0.02) as first:
                await hook(first, receiver)
                await settled(first, lambda row: row.holder is not None)
                for number in range(20):
                    await (first if number % 2 else second).happen(notified(number))
                await until(receiver, lambda: "/3303/0/19" in paths(receiver.requests))
                holder = (await settled(first, lambda row: row.holder is not None)).holder
                assert Counter(paths(receiver.requests)) == Counter(numbered(range(20)))
                assert paths(receiver.requests) == numbered(range(20))
            await second.happen(notified(20))
            await until(receiver, lambda: "/3303/0/20" in paths(receiver.requests))
            assert (await settled(second, lambda row: row.holder == "two")).holder == "two"
            assert holder in ("one", "two")
    await first_database.close()
    await second_database.close()


async def test_of_what_happens_around_kills_everything_comes_in_order(database: Database) -> None:
    """Two processes; the one that has the webhook is killed three times, and comes back."""
    children = {name: Child(name) for name in ("one", "two")}
    for child in children.values():
        await child.start(database)
    writer = Served(database, LocalBus(), callers(), 5.0, 1.0)
    async with receiving() as receiver, httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{children['one'].port}{CALLBACK}"
        bearer = {"Authorization": f"Bearer {ADMIN}"}
        assert (await client.put(url, headers=bearer, json={"url": receiver.url()})).status_code == 204
        for run in range(4):
            for number in range(60 * run, 60 * run + 60, 3):
                await writer.happen(*(notified(each) for each in range(number, number + 3)))
                if run < 3 and number == 60 * run + 30:
                    holder = (await settled(writer, lambda row: row.holder in children)).holder
                    assert holder is not None
                    await until(receiver, lambda run=run: len(paths(receiver.requests)) > 60 * run)  # type: ignore[misc]
                    await children[holder].kill()
                    await children[holder].start(database)
            await until(receiver, lambda run=run: f"/3303/0/{60 * run + 59}" in paths(receiver.requests))  # type: ignore[misc]
        assert list(dict.fromkeys(paths(receiver.requests))) == numbered(range(240))
        repeated = sum(number - 1 for number in Counter(paths(receiver.requests)).values())
        assert repeated <= 3 * 60, "only what was under way when its process was killed"
    for child in children.values():
        await child.kill()
    await writer.outbound.close()


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
