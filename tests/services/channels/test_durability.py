"""What survives: results without a channel, restarts, kills, other processes, and subjects that end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from lamplighter.bus.event import Recorded
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import EventLog
from lamplighter.services.access.events import happened
from lamplighter.services.channels.model import Serialization
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN
from tests.services.channels.killable import Child
from tests.services.channels.served import (
    OTHER_APP,
    PULL,
    SECOND_KEY,
    SOCKET,
    Served,
    callers,
    close_code,
    collect,
    finished,
    frame,
    notified,
    now,
    registered,
    serving,
    until,
)

HOUR = 3600 * 1_000_000


async def test_results_from_before_the_channel_wait_a_day_and_nothing_else_does(database: Database) -> None:
    async with serving(database) as served:
        await served.happen(
            finished("too old", time=now() - 25 * HOUR),
            finished("yesterday", time=now() - 23 * HOUR),
            registered(),
            notified(1),
            finished("another's", subject="elsewhere"),
            *(finished(f"many {number}") for number in range(250)),
        )
        await served.registered()
        await served.happen(notified(2))
        async with served.socket() as socket:
            found = await collect(socket, 252)
            assert [each.get("id") for each in found[:-1]] == [
                "yesterday",
                *(f"many {number}" for number in range(250)),
            ]
            assert found[-1]["path"] == "/3303/0/2"


async def test_a_result_is_delivered_by_the_next_channel_but_never_again(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        await served.happen(finished("first"))
        async with served.socket() as socket:
            await collect(socket, 1)
        await served.happen(finished("second"), notified(1))
        await served.call("DELETE", SOCKET)
        await served.happen(finished("third"), notified(2))
        poll = asyncio.create_task(served.call("GET", PULL))
        answer = (await poll).json()
        assert [each["id"] for each in answer["async-responses"]] == ["second", "third"]
        await served.call("DELETE", PULL)
        await served.registered()
        assert (await served.call("GET", SOCKET)).json()["queue_size"] == 0


async def test_nothing_is_lost_by_a_restart_and_nothing_sent_twice(open_database: Callable[[], Database]) -> None:
    found = []
    for run in range(3):
        database = open_database()
        await database.start()
        async with serving(database) as served:
            assert (await served.registered()).status_code == (200 if run else 201)
            await served.happen(*(notified(10 * run + number) for number in range(10)))
            if run != 1:
                async with served.socket() as socket:
                    found += await collect(socket, 10 if run == 0 else 20)
        await database.close()
    assert [each["path"] for each in found] == [f"/3303/0/{number}" for number in range(30)]


async def test_what_was_answered_to_a_poll_is_not_answered_again_after_a_restart(
    open_database: Callable[[], Database],
) -> None:
    found = []
    for run in range(3):
        database = open_database()
        await database.start()
        async with serving(database, long_poll=0.05) as served:
            if run == 0:
                assert (await served.call("GET", PULL)).status_code == 204
            await served.happen(notified(2 * run), notified(2 * run + 1))
            found += (await served.call("GET", PULL)).json()["notifications"]
        await database.close()
    assert [each["path"] for each in found] == [f"/3303/0/{number}" for number in range(6)]


async def test_a_frame_that_was_not_settled_before_a_kill_comes_again(open_database: Callable[[], Database]) -> None:
    killed, database = open_database(), open_database()
    await killed.start()
    await database.start()
    async with serving(killed, look=60.0) as served, serving(database) as restarted:
        await served.registered()
        await served.happen(*(notified(number) for number in range(5)))
        async with served.socket() as socket:
            assert len(await collect(socket, 5)) == 5
            # The first process is as good as dead from here: the other knows only what is on disk.
            async with restarted.socket() as after:
                assert [each["path"] for each in await collect(after, 5)] == [f"/3303/0/{n}" for n in range(5)]
    await killed.close()
    await database.close()


async def test_of_what_happens_around_a_kill_everything_arrives_in_order(database: Database) -> None:
    child, received = Child(), list[int]()
    await child.start(database)
    writer = Served(database, LocalBus(), callers(), 5.0, 1.0)
    await writer.channels.register(writer.callers.known[ADMIN], "WEB_SOCKET", Serialization())
    for run in range(2):
        writer.port = child.port
        messages: list[dict[str, Any]] = []
        async with writer.socket() as socket:
            for number in range(60 * run, 60 * run + 60):
                await writer.happen(notified(number))
                if number == 40:
                    messages.append(await frame(socket))
                    await child.kill()
            with contextlib.suppress(ConnectionClosed):
                while run == 0 or messages[-1:] == [] or last(messages) < 119:
                    messages.append(await frame(socket))
        numbers = [number_of(item) for message in messages for item in message["notifications"]]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "in order and without a gap"
        received += numbers
        if run == 0:
            await child.start(database)
    await child.kill()
    assert set(received) == set(range(120))


def number_of(item: dict[str, Any]) -> int:
    return int(item["path"].rpartition("/")[2])


def last(messages: list[dict[str, Any]]) -> int:
    return number_of(messages[-1]["notifications"][-1])


async def test_frames_are_settled_while_the_connection_lasts(database: Database) -> None:
    async with serving(database, look=0.02) as served:
        await served.registered()
        await served.happen(*(notified(number) for number in range(5)))
        async with served.socket() as socket:
            await collect(socket, 5)
            (connection,) = [each for group in served.channels.sockets._open.values() for each in group]
            await until(lambda: connection.channel.cursor == connection.sent)
            stored = await served.channels.channel(served.callers.known[ADMIN])
            assert stored.cursor == connection.sent


async def test_a_connection_in_another_process_replaces_goes_on_exactly_and_is_seen(
    two: tuple[Served, Served],
) -> None:
    first, second = two
    await first.registered()
    async with first.socket() as older:
        await first.happen(*(notified(number) for number in range(5)))
        assert len(await collect(older, 5)) == 5
        assert (await second.call("GET", SOCKET)).json()["status"] == "connected"
        async with second.socket(SECOND_KEY) as newer:
            assert await close_code(older) == 1001
            await first.happen(notified(5))
            assert (await frame(newer))["notifications"][0]["path"] == "/3303/0/5"
            assert (await first.call("DELETE", SOCKET)).status_code == 204
            assert await close_code(newer) == 1000


async def test_a_poll_in_another_process_ends_when_the_channel_is_deleted(two: tuple[Served, Served]) -> None:
    first, second = two
    polls = [asyncio.create_task(each.call("GET", PULL)) for each in two]
    await until(lambda: all(each.channels.polls._open for each in two))
    assert (await first.call("DELETE", PULL)).text == "REMOVED"
    assert [each.status_code for each in await asyncio.gather(*polls)] == [410, 410]
    await second.registered()


@pytest.mark.parametrize("kind", ["ApplicationDeactivated", "ApplicationDeleted", "ApiKeyDeleted"])
async def test_a_subject_that_ends_takes_its_channel_with_it(database: Database, kind: str) -> None:
    async with serving(database) as served:
        await served.registered()
        await served.registered(OTHER_APP)
        async with served.socket() as socket:
            await served.happen(happened(kind, ACCOUNT, "subject", now()))
            assert await close_code(socket) == 1000
        assert (await served.call("GET", SOCKET)).status_code == 404
        assert (await served.call("GET", SOCKET, OTHER_APP)).status_code == 200


async def test_a_subject_that_ended_while_no_process_ran_is_noticed_later(
    open_database: Callable[[], Database],
) -> None:
    database = open_database()
    await database.start()
    async with serving(database) as served:
        await served.registered()
    async with serving(database) as served:
        await served.happen(happened("ApplicationDeleted", ACCOUNT, "subject", now()))
        async with asyncio.timeout(10):
            while (await served.call("GET", SOCKET)).status_code != 404:
                pass
    await database.close()


async def test_64_channels_share_what_they_read(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    known = callers()
    keys = ["ak_2" + f"{number:0107}" for number in range(64)]
    for number, key in enumerate(keys):
        known.known[key] = known.known[ADMIN].__replace__(credential_id=key, subject_id=f"s{number}")
    async with serving(database, known=known, look=1.0) as served:
        reads = 0
        read = EventLog.read

        async def counted(log: EventLog, position: str, limit: int) -> list[Recorded]:
            nonlocal reads
            reads += 1
            return await read(log, position, limit)

        for key in keys:
            await served.channels.register(known.known[key], "WEB_SOCKET", Serialization())
        async with contextlib.AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(served.socket(key)) for key in keys]
            monkeypatch.setattr(EventLog, "read", counted)
            for number in range(4):
                subjects = tuple(f"s{each}" for each in range(64))
                await served.happen(*(notified(10 * number + each, subjects=subjects) for each in range(10)))
                for each in opened:
                    assert len(await collect(each, 10)) == 10
            monkeypatch.undo()
        assert reads < 64, "each channel read the log for itself"
