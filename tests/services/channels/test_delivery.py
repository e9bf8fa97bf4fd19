"""Webhooks deliver: in order, once more until it is acknowledged, and each on its own."""

from __future__ import annotations

import asyncio
import json
import tracemalloc

import msgspec
import pytest

from lamplighter.clock import MICROSECONDS, SystemClock
from lamplighter.services.channels.delivery import pause_after
from lamplighter.storage.database import Database
from tests.api.toy import ADMIN
from tests.contract import check
from tests.outbound.receivers import PATIENCE, Request, Script, hang_up, ok, receiving, stall, status
from tests.services.channels.hooked import HOUR, SOON, hook, messages, numbered, only_sqlite, paths, settled, until
from tests.services.channels.served import (
    CALLBACK,
    OTHER,
    callers,
    deregistered,
    finished,
    notified,
    registered,
    serving,
)


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
    async with serving(database, outbound={"timeout": 1.0}, **SOON) as served, receiving() as receiver:
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
