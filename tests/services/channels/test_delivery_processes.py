"""Webhooks are delivered by one process at a time, whichever ends, restarts or is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx2

from lamplighter.bus.local import LocalBus
from lamplighter.storage.database import Database
from tests.api.toy import ADMIN
from tests.outbound.receivers import PATIENCE, ok, receiving, status
from tests.services.channels.hooked import SOON, hook, numbered, only_sqlite, paths, settled, until
from tests.services.channels.killable import Child
from tests.services.channels.served import (
    CALLBACK,
    Served,
    callers,
    notified,
    serving,
)


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


async def test_what_two_processes_are_told_is_delivered_once_in_order_and_each_follows_what_the_other_is_asked(
    two: tuple[Served, Served],
) -> None:
    first, second = two
    async with receiving() as old, receiving() as new:
        await hook(first, old)
        for number in range(20):
            await two[number % 2].happen(notified(number))
        await until(old, lambda: "/3303/0/19" in paths(old.requests))
        assert paths(old.requests) == numbered(range(20))
        await hook(second, new)
        await second.happen(notified(20))
        await until(new, lambda: paths(new.requests) == ["/3303/0/20"])
        for served in two:
            assert (await served.call("GET", CALLBACK)).json()["url"] == new.url()
        assert (await first.call("DELETE", CALLBACK)).status_code == 204
        assert (await second.call("GET", CALLBACK)).status_code == 404
        assert paths(old.requests) == numbered(range(20))
