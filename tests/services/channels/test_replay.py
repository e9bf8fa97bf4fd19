"""A channel goes on from another place: a time, a position, the oldest or the newest there is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import msgspec
import pytest

from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.clock import MICROSECONDS, to_rfc3339
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.replay import REPLAYED
from lamplighter.services.channels.store import Channel
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN
from tests.outbound.receivers import PATIENCE, Receiver, Request, ok, receiving, stall
from tests.services.channels.killable import Child
from tests.services.channels.served import (
    CALLBACK,
    PULL,
    SOCKET,
    Served,
    ShiftedClock,
    callers,
    collect,
    events_of,
    finished,
    frame,
    notified,
    now,
    registered,
    serving,
)
from tests.services.channels.test_named import (
    CHANNELS,
    WEBSOCKET,
    arrived,
    got,
    hook,
    numbered,
    opened,
    paths,
    put,
    shown,
)

HOUR = 3600.0
UIDS = {"serialization": {"type": "v2", "cfg": {"include_uid": True}}}


def at(number: int, seconds: float) -> Event:
    """One that happened so long ago."""
    return msgspec.structs.replace(notified(number), time=now() - round(seconds * MICROSECONDS))


def ago(seconds: float) -> str:
    return to_rfc3339(now() - round(seconds * MICROSECONDS))


async def replay(served: Served, name: str, from_: str) -> httpx2.Response:
    return await served.call("POST", f"{CHANNELS}/{name}/replay", json={"from": from_})


async def replayed(served: Served, name: str, from_: str) -> dict[str, Any]:
    answer = await replay(served, name, from_)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def items(socket: Any, number: int) -> list[str]:
    return [item["path"] for item in await collect(socket, number)]


async def test_an_open_socket_gets_again_what_happened_since_a_time(database: Database) -> None:
    async with serving(database) as served:
        await put(served, "lamp", WEBSOCKET)
        async with opened(served, "lamp") as socket:
            await served.happen(at(1, 300), at(2, 200), at(3, 100), at(4, 50))
            assert await items(socket, 4) == numbered(1, 2, 3, 4)
            answer = await replayed(served, "lamp", ago(150))
            assert answer["queue_size"] == 2
            assert answer["first_event_at"] > ago(150)
            assert await items(socket, 2) == numbered(3, 4)
            await served.happen(notified(5))
            assert await items(socket, 1) == numbered(5)


async def test_a_uid_is_a_position_and_what_follows_it_comes_again(database: Database) -> None:
    async with serving(database) as served:
        await put(served, "lamp", {**WEBSOCKET, **UIDS})
        async with opened(served, "lamp") as socket:
            await served.happen(*(notified(number) for number in range(5)))
            uids = [item["uid"] for item in await collect(socket, 5)]
            answer = await replayed(served, "lamp", uids[1])
            assert (answer["position"], answer["queue_size"]) == (uids[1], 3)
            assert [item["uid"] for item in await collect(socket, 3)] == uids[2:]
            await shown(served, "lamp", queue_size=0)


async def test_the_channel_without_a_name_is_replayed_as_default_also_to_before_its_registration(
    database: Database,
) -> None:
    async with serving(database) as served:
        await served.happen(at(1, 60), registered(), finished("a"))
        await served.registered()
        async with served.socket() as socket:
            assert list(await frame(socket)) == ["async-responses"]
            await replayed(served, "default", "earliest")
            assert [list(await frame(socket))[0] for _ in range(3)] == [
                "notifications",
                "registrations",
                "async-responses",
            ]


async def test_a_new_channel_begins_where_it_is_told_and_a_changed_one_stays(database: Database) -> None:
    async with serving(database) as served:
        await served.happen(at(1, 300), at(2, 200), at(3, 100))
        await put(served, "lamp", {**WEBSOCKET, "from": ago(250)})
        async with opened(served, "lamp") as socket:
            assert await items(socket, 2) == numbered(2, 3)
        assert (await put(served, "lamp", {**WEBSOCKET, "from": "earliest"})).status_code == 200
        await served.happen(notified(4))
        async with opened(served, "lamp") as socket:
            assert await items(socket, 1) == numbered(4)


async def test_what_waits_is_skipped_to_the_latest(database: Database) -> None:
    async with serving(database) as served:
        await put(served, "lamp", WEBSOCKET)
        await served.happen(notified(1), notified(2))
        answer = await replayed(served, "lamp", "latest")
        assert (answer["queue_size"], answer["first_event_at"]) == (0, None)
        await served.happen(notified(3))
        async with opened(served, "lamp") as socket:
            assert await items(socket, 1) == numbered(3)


async def test_a_webhook_is_sent_again_what_it_acknowledged(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await hook(served, receiver, "lamp")
        await served.happen(at(1, 300), at(2, 200), at(3, 100))
        await arrived(receiver, numbered(1, 2, 3))
        await shown(served, "lamp", queue_size=0)
        receiver.requests.clear()
        await replayed(served, "lamp", ago(250))
        await arrived(receiver, numbered(2, 3))
        (told,) = await events_of(served, REPLAYED)
        assert (told["id"], told["name"]) == ("subject", "lamp") and len(told["position"]) == 32


async def test_an_open_poll_gets_what_comes_again(database: Database) -> None:
    async with serving(database, long_poll=30.0) as served:
        poll = asyncio.create_task(served.call("GET", PULL))
        async with asyncio.timeout(PATIENCE):
            while not served.channels.polls._open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await served.happen(at(1, 60))
        assert (await poll).json()["notifications"][0]["path"] == "/3303/0/1"
        poll = asyncio.create_task(served.call("GET", PULL))
        async with asyncio.timeout(PATIENCE):
            while not served.channels.polls._open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await replayed(served, "default", "earliest")
        assert (await poll).json()["notifications"][0]["path"] == "/3303/0/1"


async def test_an_acknowledgement_under_way_does_not_undo_a_replay(database: Database) -> None:
    gate = asyncio.Event()

    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await ok(request, writer)

    async with serving(database) as served, receiving() as receiver:
        await hook(served, receiver, "lamp")
        await served.happen(at(1, 300), at(2, 200))
        await arrived(receiver, numbered(1, 2))
        await shown(served, "lamp", queue_size=0)
        receiver.script = late
        receiver.requests.clear()
        await served.happen(at(3, 100))
        await receiver.got(1)
        await replayed(served, "lamp", ago(250))
        gate.set()
        await arrived(receiver, numbered(3, 2, 3))
        await shown(served, "lamp", queue_size=0)


async def test_whoever_read_before_a_replay_moves_no_cursor_after_it(database: Database) -> None:
    async with serving(database, look=3600.0) as served:
        await put(served, "lamp", WEBSOCKET)
        await served.happen(notified(1), notified(2))
        channels = served.channels
        before = await channels._store.get(ACCOUNT, "subject", "lamp")
        assert before is not None
        answer = await replayed(served, "lamp", "earliest")
        far = Place.of(await served.log.end())

        async def cursor() -> str:
            row = await channels._store.get(ACCOUNT, "subject", "lamp")
            assert row is not None
            return row.cursor.uid

        await channels._store.advance(before, far)
        assert not await channels._webhooks.delivered(before, far, None, "", now())
        await channels._webhooks.move([(before, far)], "")
        assert not await channels._webhooks.discard(before, far, (), None)
        assert await cursor() == answer["position"]
        after = await channels._store.get(ACCOUNT, "subject", "lamp")
        assert isinstance(after, Channel) and after.turn == before.turn + 1
        await channels._store.advance(after, far)
        assert await cursor() == far.uid


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_replay_ends_the_pause_of_a_webhook_that_fails(database: Database) -> None:
    async with serving(database, pause=lambda failures: HOUR, outbound={"timeout": 1.0}) as served:
        async with receiving() as receiver:
            await hook(served, receiver, "lamp")
            receiver.script = stall
            await served.happen(notified(1))
            await shown(served, "lamp", state="failing")
            receiver.script = ok
            receiver.requests.clear()
            await replayed(served, "lamp", "earliest")
            await arrived(receiver, numbered(1))
            await shown(served, "lamp", state="delivering")


async def test_a_time_before_what_is_kept_is_refused_with_how_far_it_goes_back(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits={"unconnected": 1e9}) as served:
        await put(served, "lamp", {**WEBSOCKET, **UIDS})
        async with opened(served, "lamp") as socket:
            await served.happen(notified(1), notified(2))
            uid = (await collect(socket, 2))[0]["uid"]
        refused = await replay(served, "lamp", ago(25 * HOUR))
        assert (refused.status_code, refused.json()["type"]) == (400, "validation_error")
        (fault,) = refused.json()["fields"]
        assert fault["name"] == "from" and ago(24 * HOUR)[:13] in fault["message"] and "earliest" in fault["message"]
        clock.shift = 25 * HOUR
        await served.channels._sweeper.sweep()
        gone = await replay(served, "lamp", uid)
        assert gone.status_code == 400 and "goes back to" in gone.json()["message"]
        assert (await replayed(served, "lamp", "earliest"))["queue_size"] == 0


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("from_", ["", "soon", "2101-01-01T00:00:00Z", "7" * 32, "f" * 32, "2026-11-22T07:00:00+02:00"])
async def test_what_is_no_place_is_refused(database: Database, from_: str) -> None:
    async with serving(database) as served:
        await put(served, "lamp", WEBSOCKET)
        before = await got(served, "lamp")
        answer = await replay(served, "lamp", from_)
        assert (answer.status_code, [each["name"] for each in answer.json()["fields"]]) == (400, ["from"])
        assert await got(served, "lamp") == before
        assert (await replay(served, "absent", "earliest")).status_code == 404


async def test_a_replay_asked_of_one_process_moves_what_is_open_in_another(two: tuple[Served, Served]) -> None:
    asked, other = two
    async with receiving() as receiver:
        await put(asked, "live", WEBSOCKET)
        await hook(asked, receiver, "hook")
        async with opened(other, "live") as socket:
            await asked.happen(at(1, 300), at(2, 200))
            assert await items(socket, 2) == numbered(1, 2)
            await arrived(receiver, numbered(1, 2))
            await shown(asked, "hook", queue_size=0)
            receiver.requests.clear()
            for name in ("live", "hook"):
                assert (await replayed(asked, name, ago(250)))["queue_size"] == 1
            assert await items(socket, 1) == numbered(2)
            await arrived(receiver, numbered(2))


async def test_a_process_without_word_of_the_bus_follows_a_replay_by_the_log(
    open_database: Any, database: Database
) -> None:
    other = open_database()
    await other.start()
    async with serving(database, process="one", look=0.05) as one, receiving() as receiver:
        await hook(one, receiver, "hook")
        await one.happen(at(1, 300))
        await arrived(receiver, numbered(1))
        await shown(one, "hook", queue_size=0)
        receiver.requests.clear()
        async with serving(other, bus=LocalBus(), process="two", known=one.callers) as two:
            await replayed(two, "hook", "earliest")
            await arrived(receiver, numbered(1))
    await other.close()


async def test_a_replay_outlives_the_process_that_it_was_asked_of(database: Database) -> None:
    """The one process of an installation is killed once it has answered."""
    child = Child("one")
    await child.start(database)
    bearer = {"Authorization": f"Bearer {ADMIN}"}
    writer = Served(database, LocalBus(), callers(), 5.0, 1.0)
    async with receiving() as receiver, httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{child.port}"
        body = {"type": "webhook", "webhook": {"url": receiver.url()}}
        assert (await client.put(f"{url}{CHANNELS}/lamp", headers=bearer, json=body)).status_code == 201
        receiver.requests.clear()
        await writer.happen(*(at(number, 300 - number) for number in range(50)))
        async with asyncio.timeout(PATIENCE), receiver.arrived:
            await receiver.arrived.wait_for(lambda: "/3303/0/49" in paths(receiver))
        async with asyncio.timeout(PATIENCE):
            while (await client.get(f"{url}{CHANNELS}/lamp", headers=bearer)).json()["queue_size"]:
                pass
        receiver.script = stall
        answer = await client.post(f"{url}{CHANNELS}/lamp/replay", headers=bearer, json={"from": "earliest"})
        assert answer.json()["queue_size"] == 50
        await child.kill()
        receiver.script = ok
        receiver.requests.clear()
        await child.start(database)
        async with asyncio.timeout(3 * PATIENCE), receiver.arrived:
            await receiver.arrived.wait_for(lambda: "/3303/0/49" in paths(receiver))
        assert list(dict.fromkeys(paths(receiver))) == numbered(*range(50))
    await child.kill()
    await writer.outbound.close()


def notes(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in receiver.requests]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_webhook_of_the_public_api_is_replayed_as_default(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        assert (await served.call("PUT", CALLBACK, json={"url": receiver.url()})).status_code == 204
        receiver.requests.clear()
        await served.happen(notified(1))
        await arrived(receiver, numbered(1))
        await replayed(served, "default", "earliest")
        await arrived(receiver, numbered(1, 1))
        assert [list(each) for each in notes(receiver)] == [["notifications"]] * 2
        assert (await served.call("GET", SOCKET)).status_code == 404
