"""Event streams over real sockets: what they tell, where they go on, and what ends them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamplighter.api.stream import ENDING
from lamplighter.services.channels import event_stream, event_streams
from lamplighter.services.channels.place import Place
from lamplighter.storage.database import Database
from tests.api.streaming import PATIENCE
from tests.api.toy import ACCOUNT, ADMIN
from tests.services.channels.killable import Child
from tests.services.channels.served import (
    DEVICE,
    OTHER_APP,
    SECOND_KEY,
    Served,
    ShiftedClock,
    callers,
    deregistered,
    finished,
    notified,
    registered,
    serving,
    until,
)
from tests.services.channels.sse import EVENTS, events

NAMED = "/v2/notification/channels/page/events"


async def named(served: Served, name: str = "page") -> None:
    """Register an event stream of ADMIN's application."""
    answer = await served.call("PUT", f"/v2/notification/channels/{name}", json={"type": "event-stream"})
    assert answer.status_code == 201, answer.text


async def state(served: Served, name: str = "page") -> dict[str, Any]:
    """How it stands, as its application is told."""
    shown: dict[str, Any] = (await served.call("GET", f"/v2/notification/channels/{name}")).json()
    return shown


async def cursor(served: Served, name: str = "page") -> Place:
    found = await served.channels._store.get(ACCOUNT, "subject", name)
    assert found is not None
    return found.cursor


async def test_whoever_watches_is_told_what_happens_from_then_on(database: Database) -> None:
    async with serving(database) as served:
        await served.happen(notified(1))
        async with events(served.port) as stream:
            assert stream.retry == event_stream.RETRY
            await served.happen(registered(), notified(2), notified(3), notified(4, subjects=("elsewhere",)))
            await served.happen(finished("done"), deregistered())
            first = await stream.told()
            assert (first.kind, first.items[0]["ep"]) == ("registrations", DEVICE)
            assert [each["path"] for each in await stream.items(2)] == ["/3303/0/2", "/3303/0/3"]
            assert [each["id"] for each in await stream.items(1)] == ["done"]
            last = await stream.told()
            assert (last.kind, last.items) == ("de-registrations", [DEVICE])
            assert Place.of_uid(last.id) > Place.of_uid(first.id)


async def test_a_watcher_chooses_what_each_notification_says(database: Database) -> None:
    async with serving(database) as served:
        path = (
            f"{EVENTS}?include_uid=true&include_timestamp=true&include_original_ep=true&deregistrations_as_object=true"
        )
        async with events(served.port, path) as stream:
            await served.happen(notified(1), deregistered())
            told = await stream.told()
            (item,) = told.items
            assert (item["uid"], item["original-ep"]) == (told.id, "lamp") and item["timestamp"] > 1e12
            assert (await stream.told()).items[0]["ep"] == DEVICE


async def test_all_who_watch_are_told_everything_beside_the_registered_channel(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        async with (
            served.socket() as socket,
            events(served.port) as first,
            events(served.port, key=SECOND_KEY) as second,
            events(served.port, key=OTHER_APP) as other,
        ):
            await served.happen(notified(1), notified(2, subjects=("elsewhere",)))
            assert [each["path"] for each in await first.items(1)] == ["/3303/0/1"]
            assert [each["path"] for each in await second.items(1)] == ["/3303/0/1"]
            assert [each["path"] for each in await other.items(1)] == ["/3303/0/2"]
            assert "/3303/0/1" in await socket.recv()


async def test_a_watcher_who_comes_back_goes_on_behind_its_last_event(database: Database) -> None:
    async with serving(database) as served:
        async with events(served.port) as stream:
            await served.happen(notified(1), registered(), notified(2))
            await stream.told()
            seen = stream.last
        await served.happen(notified(3))
        async with events(served.port, last=seen) as stream:
            assert (await stream.told()).kind == "registrations"
            assert [each["path"] for each in await stream.items(2)] == ["/3303/0/2", "/3303/0/3"]


async def test_a_watcher_who_was_told_nothing_comes_back_to_where_it_began(database: Database) -> None:
    async with serving(database) as served:
        async with events(served.port) as stream:
            began = stream.last
        await served.happen(notified(1))
        async with events(served.port, last=began) as stream:
            assert [each["path"] for each in await stream.items(1)] == ["/3303/0/1"]


async def test_a_position_that_never_was_is_no_position(database: Database) -> None:
    async with serving(database) as served:
        async with events(served.port, last=Place(10**12, 10**12).uid) as stream:
            await served.happen(notified(1))
            assert [each["path"] for each in await stream.items(1)] == ["/3303/0/1"]
        async with events(served.port, last="") as stream:
            await served.happen(notified(2))
            assert [each["path"] for each in await stream.items(1)] == ["/3303/0/2"]
        for wrong in ("17", "f" * 32, "0.1"):
            answer = await served.client.request(
                "GET", EVENTS, headers={"Authorization": f"Bearer {ADMIN}", "Last-Event-ID": wrong}
            )
            assert (answer.status_code, answer.json()["fields"][0]["name"]) == (400, "Last-Event-ID")


async def test_a_watcher_can_begin_earlier(database: Database) -> None:
    async with serving(database) as served:
        await served.happen(notified(1, subjects=("elsewhere",)), notified(2), notified(3))
        async with events(served.port, f"{EVENTS}?from=earliest") as stream:
            first = await stream.told()
            assert [each["path"] for each in first.items] == ["/3303/0/2", "/3303/0/3"]
        async with events(served.port, f"{EVENTS}?from={stream.last}") as again:
            assert again.last == stream.last
        for wrong in ("yesterday", "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"):
            answer = await served.call("GET", f"{EVENTS}?from={wrong}")
            assert (answer.status_code, answer.json()["fields"][0]["name"]) == (400, "from")


async def test_who_was_away_for_too_long_is_told_that_something_is_lost(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits={"unconnected": 1e9}) as served:
        await named(served)
        async with events(served.port) as watching, events(served.port, NAMED) as stream:
            await served.happen(notified(1))
            await watching.items(1)
            await stream.items(1)
            await _until_cursor(served, stream.last)
        await served.happen(notified(2))
        clock.shift = 25 * 3600
        await served.channels._sweeper.sweep()
        await served.happen(finished("young", time=clock.now()))
        for path, last, count in ((EVENTS, watching.last, None), (NAMED, stream.last, 1)):
            async with events(served.port, path, last=last) as again:
                told = await again.told()
                assert (told.kind, told.items[0]["reason"]) == ("notifications-discarded", "age")
                assert told.items[0]["count"] == count
                assert [each["id"] for each in await again.items(1)] == ["young"]


async def test_a_registered_stream_is_told_what_limits_took_while_nobody_read_it(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits={"unconnected": 1e9}) as served:
        await named(served)
        await served.happen(notified(1), notified(2))
        clock.shift = 25 * 3600
        await served.happen(finished("young", time=clock.now()))
        async with events(served.port, NAMED) as stream:
            told = await stream.told()
            assert (told.kind, told.items[0]["count"]) == ("notifications-discarded", 2)
            assert [each["id"] for each in await stream.items(1)] == ["young"]
            await _until_cursor(served, stream.last)
        async with events(served.port, NAMED) as stream:  # told once, and taken
            await served.happen(finished("younger", time=clock.now()))
            assert [each["id"] for each in await stream.items(1)] == ["younger"]


async def test_an_open_stream_follows_a_replay_of_its_channel(database: Database) -> None:
    async with serving(database) as served:
        await served.happen(notified(1), notified(2))
        await named(served)
        async with events(served.port, NAMED) as stream:
            await served.happen(notified(3))
            await stream.items(1)
            answer = await served.call("POST", "/v2/notification/channels/page/replay", json={"from": "earliest"})
            assert answer.status_code == 200, answer.text
            assert [each["path"] for each in await stream.items(3)] == ["/3303/0/1", "/3303/0/2", "/3303/0/3"]


async def test_a_registered_stream_keeps_what_happens_while_nobody_reads_it(database: Database) -> None:
    async with serving(database) as served:
        await named(served)
        await served.happen(notified(1), notified(2))
        async with events(served.port, NAMED) as stream:
            assert [each["path"] for each in await stream.items(2)] == ["/3303/0/1", "/3303/0/2"]
            await _until_cursor(served, stream.last)
        await served.happen(notified(3))
        async with events(served.port, NAMED) as stream:
            assert [each["path"] for each in await stream.items(1)] == ["/3303/0/3"]


async def test_a_registered_stream_is_told_again_from_where_its_client_says(database: Database) -> None:
    async with serving(database) as served:
        for name in ("page", "second"):
            await named(served, name)
        await served.happen(notified(1), registered(), notified(2), deregistered(), notified(3))
        async with events(served.port, NAMED) as stream:
            first = await stream.told()
            await stream.items(4)
            last = stream.last
        async with events(served.port, NAMED, last=first.id) as stream:
            assert (await stream.told()).kind == "registrations"
        async with events(served.port, NAMED.replace("page", "second"), last=last):
            assert (await cursor(served, "second")).uid == last  # what a client says that it has, it has


async def test_several_streams_of_one_channel_are_all_told_everything(database: Database) -> None:
    async with serving(database, look=0.02) as served:
        await named(served)
        assert (await state(served))["state"] == "disconnected"
        async with events(served.port, NAMED) as first:
            async with events(served.port, NAMED) as second:
                await served.happen(notified(1))
                for stream in (first, second):
                    assert [each["path"] for each in await stream.items(1)] == ["/3303/0/1"]
                shown = await state(served)
                assert (shown["state"], shown["queue_size"]) == ("connected", 0)
            async with asyncio.timeout(PATIENCE):  # the one that the channel's row named has gone
                while (await state(served))["state"] != "connected":
                    pass
        async with asyncio.timeout(PATIENCE):
            while (await state(served))["state"] != "disconnected":
                pass


async def test_a_stream_that_is_not_registered_is_not_found(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        for method in ("GET", "HEAD"):
            answer = await served.call(method, NAMED)
            assert answer.status_code == 404
        assert (await served.call("GET", NAMED)).json()["type"] == "not_found"
        await named(served)
        assert (await served.call("HEAD", NAMED)).headers["content-type"] == "text/event-stream"
        assert (await served.call("GET", NAMED, OTHER_APP)).status_code == 404


async def test_signs_of_life_carry_the_position_past_what_is_for_others(database: Database) -> None:
    async with serving(database, stream_beat=0.02) as served, events(served.port) as stream:
        began = stream.last
        await served.happen(notified(1, subjects=("elsewhere",)))
        async with asyncio.timeout(PATIENCE):
            while stream.last == began:
                block = await stream.block()
                assert block is not None and not block.kind
        assert "" in stream.comments


async def test_a_stream_ends_when_its_channel_is_deleted(database: Database) -> None:
    async with serving(database) as served:
        await named(served)
        async with events(served.port, NAMED) as stream:
            assert (await served.call("DELETE", "/v2/notification/channels/page")).status_code == 204
            await stream.end()
            assert stream.comments == [event_stream.DELETED]


async def test_a_stream_ends_when_its_key_is_revoked(database: Database) -> None:
    known = callers()
    async with serving(database, known=known, look=60.0) as served, events(served.port, key=SECOND_KEY) as stream:
        del known.known[SECOND_KEY]
        served.bus.publish("access.revoked", ACCOUNT.encode())
        await stream.end()
        assert stream.comments == [event_stream.REVOKED]


async def test_a_server_that_stops_ends_its_streams_at_once_and_leaves_their_cursors(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await named(served)
        await served.happen(notified(1))
        async with events(served.port, NAMED) as stream, events(served.port) as watching:
            await stream.items(1)
            await asyncio.wait_for(served.close(), ENDING - 1)
            await stream.end()
            await watching.end()
            assert (await cursor(served)).uid >= stream.last


async def test_more_streams_than_one_application_may_have_are_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "MOST", 1)
    async with serving(database) as served:
        async with events(served.port):
            answer = await served.call("GET", EVENTS)
            assert (answer.status_code, answer.json()["type"]) == (429, "rate_limit_exceeded")
            assert answer.headers["retry-after"] == "1"
        await until(lambda: not served.channels.event_streams._open)
        async with events(served.port):
            pass


async def test_after_a_kill_of_the_server_a_client_goes_on_behind_its_last_event(database: Database) -> None:
    async with serving(database) as served:
        await named(served)
        child = Child()
        await child.start(database)
        async with events(child.port) as watching, events(child.port, NAMED) as stream:
            await served.happen(*(notified(number) for number in range(20)))
            await stream.items(20)
            await watching.items(20)
            await child.kill()
            await served.happen(*(notified(number) for number in range(20, 40)))
        expected = [f"/3303/0/{number}" for number in range(20, 40)]
        async with events(served.port, last=watching.last) as again:
            assert [each["path"] for each in await again.items(20)] == expected
        async with events(served.port, NAMED, last=stream.last) as again:
            assert [each["path"] for each in await again.items(20)] == expected


async def test_one_who_does_not_read_delays_no_other_and_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "STALLED", 1.0)
    async with serving(database) as served:
        await named(served)
        async with events(served.port, NAMED) as slow, events(served.port) as quick:
            slow.client.pause()
            large = "A" * 500_000
            for number in range(40):
                await served.happen(notified(number, payload=large))
                assert [each["path"] for each in await quick.items(1)] == [f"/3303/0/{number}"]
            await until(lambda: not _open_on_channel(served))
            assert (await cursor(served)).uid < quick.last
        monkeypatch.undo()
        async with events(served.port, NAMED) as again:  # what it has not taken comes again
            while (await again.told()).items[-1]["path"] != "/3303/0/39":
                pass


def _open_on_channel(served: Served) -> int:
    streams = [each for group in served.channels.event_streams._open.values() for each in group]
    return sum(each.channel.name == "page" for each in streams)


async def _until_cursor(served: Served, place: str) -> None:
    """Wait until what the client has is known on the disk."""
    async with asyncio.timeout(PATIENCE):
        while (await cursor(served)).uid < place:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
