"""The websocket channel over a real server: registering, delivering, and every way in which a connection ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from lamplighter.services.channels.connection import Presented
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.tail import KEPT_BYTES
from lamplighter.storage.database import Database
from tests.api.toy import ADMIN, API_KEY, OTHER, TOKEN
from tests.contract import check
from tests.services.channels.served import (
    CONNECT,
    DEVICE,
    OTHER_APP,
    PULL,
    SECOND_KEY,
    SOCKET,
    close_code,
    collect,
    deregistered,
    finished,
    frame,
    notified,
    registered,
    serving,
    until,
)

CHANNEL = "/v2/notification/channel"


async def test_a_channel_is_registered_changed_shown_and_deleted(database: Database) -> None:
    async with serving(database) as served:
        assert (await served.call("GET", CHANNEL)).json()["type"] == "not_found"
        assert (await served.call("GET", SOCKET)).status_code == 404
        first = await served.registered()
        assert first.status_code == 201
        check("registerWebsocket", 201, first.json())
        assert (first.json()["status"], first.json()["queue_size"]) == ("disconnected", 0)
        again = await served.registered(body={"serialization": {"type": "v2", "max_chunk_size": "100"}})
        assert again.status_code == 200
        check("registerWebsocket", 200, again.json())
        assert again.json()["serialization"]["max_chunk_size"] == 100
        shown = await served.call("GET", SOCKET)
        check("getWebsocket", 200, shown.json())
        assert shown.json()["serialization"] == again.json()["serialization"]
        kind = await served.call("GET", CHANNEL)
        check("getChannelMetadata", 200, kind.json())
        assert kind.json() == {"delivery_mechanism": "WEB_SOCKET"}
        gone = await served.call("DELETE", SOCKET)
        assert (gone.status_code, gone.content) == (204, b"")
        assert (await served.call("DELETE", SOCKET)).status_code == 404
        assert (await served.call("GET", CHANNEL)).status_code == 404


@pytest.mark.parametrize(
    ("serialization", "fields"),
    [
        ({}, ["serialization.type"]),
        ({"type": "v1"}, ["serialization.type"]),
        ({"type": "v2", "max_chunk_size": 99}, ["serialization.max_chunk_size"]),
        ({"type": "v2", "max_chunk_size": "10001"}, ["serialization.max_chunk_size"]),
        (
            {"type": "v2", "max_chunk_size": "many", "cfg": {"include_uid": "yes"}},
            ["serialization.max_chunk_size", "serialization.cfg.include_uid"],
        ),
        ({"type": "v2", "cfg": {"include_uid": 1}}, ["serialization.cfg.include_uid"]),
    ],
)
@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_all_faults_of_a_serialization_are_named(
    database: Database, serialization: dict[str, Any], fields: list[str]
) -> None:
    async with serving(database) as served:
        answer = await served.registered(body={"serialization": serialization})
        assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
        assert [each["name"] for each in answer.json()["fields"]] == fields
        assert (await served.call("GET", SOCKET)).status_code == 404


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_channels_are_for_keys_and_a_user_token_is_refused_everywhere(database: Database) -> None:
    async with serving(database) as served:
        for method, path in (
            ("PUT", SOCKET),
            ("GET", SOCKET),
            ("DELETE", SOCKET),
            ("GET", PULL),
            ("DELETE", PULL),
            ("GET", CHANNEL),
            ("GET", "/v2/notification/callback"),
        ):
            answer = await served.call(method, path, TOKEN)
            assert (answer.status_code, answer.json()["type"]) == (403, "access_denied"), path
        with pytest.raises(InvalidStatus) as refused:
            async with served.socket(TOKEN):
                pass
        assert refused.value.response.status_code == 403


async def test_a_subject_has_one_channel_whichever_of_its_keys_asks(database: Database) -> None:
    async with serving(database) as served:
        assert (await served.registered(ADMIN)).status_code == 201
        assert (await served.registered(SECOND_KEY)).status_code == 200
        assert (await served.registered(OTHER_APP)).status_code == 201
        assert (await served.registered(OTHER)).status_code == 201
        answers = await asyncio.gather(*(served.registered(API_KEY) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}, "the toy's API key is of the same subject"
        refused = await served.call("GET", PULL)
        assert (refused.status_code, refused.json()["type"]) == (400, "bad_request")
        assert "DELETE /v2/notification/websocket" in refused.json()["message"]


@pytest.mark.parametrize("by_header", [True, False])
async def test_events_queued_since_registration_come_in_order_one_kind_a_message(
    database: Database, by_header: bool
) -> None:
    async with serving(database) as served:
        await served.happen(registered(), notified(0))
        await served.registered()
        await served.happen(registered(), notified(1), notified(2), notified(3, subjects=("elsewhere",)))
        await served.happen(deregistered(), registered("b" * 32, account="f" * 32))
        async with served.socket(by_header=by_header) as socket:
            assert socket.subprotocol == "wss"
            found = [await frame(socket) for _ in range(3)]
            for message in found:
                check("longPollNotifications", 200, message)
            assert [list(message) for message in found] == [["registrations"], ["notifications"], ["de-registrations"]]
            assert [each["path"] for each in found[1]["notifications"]] == ["/3303/0/1", "/3303/0/2"]
            assert found[2] == {"de-registrations": [DEVICE]}
            await served.happen(finished("later"))
            assert (await frame(socket))["async-responses"][0]["id"] == "later"


async def test_an_event_is_sent_as_soon_as_it_is_committed(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        async with served.socket() as socket:
            for number in range(20):
                await served.happen(notified(number))
                assert (await frame(socket))["notifications"][0]["path"] == f"/3303/0/{number}"


async def test_the_queue_is_counted_and_the_state_shown(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        await served.happen(*(notified(number) for number in range(7)), notified(9, subjects=("elsewhere",)))
        assert (await served.call("GET", SOCKET)).json()["queue_size"] == 7
        async with served.socket() as socket:
            await collect(socket, 7)
            shown = (await served.call("GET", SOCKET)).json()
            assert (shown["status"], shown["queue_size"]) == ("connected", 0)
        await until_disconnected(served)
        shown = (await served.call("GET", SOCKET)).json()
        assert (shown["status"], shown["queue_size"]) == ("disconnected", 0)


async def until_disconnected(served: Any) -> None:
    async with asyncio.timeout(10):
        while (await served.call("GET", SOCKET)).json()["status"] != "disconnected":
            pass


async def test_a_client_that_comes_back_goes_on_where_it_was(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        await served.happen(*(notified(number) for number in range(5)))
        async with served.socket() as socket:
            await collect(socket, 5)
        await until_disconnected(served)
        await served.happen(*(notified(number) for number in range(5, 9)))
        async with served.socket() as socket:
            assert [each["path"] for each in await collect(socket, 4)] == [
                f"/3303/0/{number}" for number in range(5, 9)
            ]


async def test_without_a_channel_the_connection_is_closed_with_1011(database: Database) -> None:
    async with serving(database) as served:
        async with served.socket() as socket:
            assert await close_code(socket) == 1011
        await served.call("DELETE", PULL)


async def test_deleting_the_channel_closes_with_1000(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        async with served.socket() as socket:
            assert (await served.call("DELETE", SOCKET)).status_code == 204
            assert await close_code(socket) == 1000


async def test_a_newer_connection_closes_the_older_with_1001(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        async with served.socket() as older, served.socket(SECOND_KEY) as newer:
            assert await close_code(older) == 1001
            await served.happen(notified(1))
            assert (await frame(newer))["notifications"]


async def test_of_many_that_connect_at_once_one_stays(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        keys = [ADMIN, SECOND_KEY, API_KEY] * 2
        sockets = [served.socket(key) for key in keys]
        opened = await asyncio.gather(*(each.__aenter__() for each in sockets), return_exceptions=True)
        won = [each for each in opened if not isinstance(each, BaseException)]
        assert all(each.response.status_code == 429 for each in opened if isinstance(each, InvalidStatus))
        left = {asyncio.ensure_future(each.wait_closed()): each for each in won}
        while len(left) > 1:
            done, _ = await asyncio.wait(left, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert done
            assert {left.pop(each).close_code for each in done} == {1001}
        await served.happen(notified(1))
        (last,) = left.values()
        assert (await frame(last))["notifications"]
        await last.close()
        for each in left:
            await each


async def test_a_revoked_key_closes_with_1008(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        async with served.socket() as socket, served.socket(OTHER_APP) as unregistered:
            assert await close_code(unregistered) == 1011
            del served.callers.known[ADMIN]
            assert await close_code(socket) == 1008


async def test_a_key_that_may_no_longer_use_channels_closes_with_1008(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        async with served.socket() as socket:
            served.callers.known[ADMIN] = msgspec.structs.replace(served.callers.known[ADMIN], permissions=frozenset())
            assert await close_code(socket) == 1008


async def test_a_word_of_the_access_service_has_keys_checked_at_once(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        async with served.socket() as socket:
            account = served.callers.known.pop(ADMIN).account_id
            served.bus.publish("access.revoked", account.encode())
            assert await close_code(socket) == 1008


async def test_a_server_that_stops_closes_with_1012(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        async with served.socket() as socket:
            closing = asyncio.create_task(served.channels.close())
            assert await close_code(socket) == 1012
            await closing


async def test_frames_of_the_client_are_ignored(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        async with served.socket() as socket:
            for number in range(50):
                await socket.send("hello" if number % 2 else b"hello")
            pong = await socket.ping()
            await asyncio.wait_for(pong, 10)
            await served.happen(notified(1))
            assert (await frame(socket))["notifications"]


class Slow:
    """A socket whose handshake takes as long as the test wants."""

    def __init__(self) -> None:
        self.shaken, self.go_on, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.closed: int | None = None
        self.close_code: int | None = None

    async def accept(self) -> None:
        self.shaken.set()
        await self.go_on.wait()

    async def send(self, text: str) -> None:
        raise AssertionError(text)

    async def receive(self) -> str | bytes | None:
        await self.gone.wait()
        return None

    async def reached(self) -> bool:
        raise AssertionError("nothing was sent")

    async def close(self, code: int, reason: str = "") -> None:
        self.closed = code


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_second_handshake_with_a_key_is_429_while_the_first_lasts(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        slow, known = Slow(), served.callers.known[ADMIN]
        key = Presented(known.kind, ADMIN)
        first = asyncio.create_task(served.channels.sockets.connect(known, key, slow))
        await slow.shaken.wait()
        with pytest.raises(InvalidStatus) as refused:
            async with served.socket():
                pass
        response = refused.value.response
        assert (response.status_code, json.loads(response.body)["type"]) == (429, "rate_limit_exceeded")
        slow.go_on.set()
        async with served.socket():
            await first
            assert slow.closed == 1001


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by_header", [True, False])
async def test_a_handshake_with_a_key_that_is_none_is_401(database: Database, by_header: bool) -> None:
    async with serving(database) as served:
        for key in ("ak_2" + "z" * 107, "nonsense"):
            with pytest.raises(InvalidStatus) as refused:
                async with served.socket(key, by_header=by_header):
                    pass
            response = refused.value.response
            assert response.status_code == 401
            assert json.loads(response.body)["type"] in ("invalid_accesskey", "invalid_auth")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "missing", ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "Sec-WebSocket-Version: 13\r\n"]
)
async def test_a_handshake_without_a_header_that_it_needs_is_400(database: Database, missing: str) -> None:
    async with serving(database) as served:
        head = (
            f"GET {CONNECT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(head.replace(missing, "").encode())
        status = (await asyncio.wait_for(reader.readline(), 10)).split()[1]
        assert status == b"400"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_plain_get_is_told_to_upgrade(database: Database) -> None:
    async with serving(database) as served:
        answer = await served.call("GET", CONNECT)
        assert (answer.status_code, answer.json()["type"]) == (426, "upgrade_required")


async def test_a_slow_reader_gets_everything_and_costs_one_page(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        payload = "A" * 100_000
        async with served.socket(max_queue=1, max_size=None, compression=None) as socket:
            for start in range(0, 400, 40):
                await served.happen(*(notified(number, payload=payload) for number in range(start, start + 40)))
            (connection,) = [each for group in served.channels.sockets._open.values() for each in group]
            await until(lambda: connection._sending)
            assert connection.sent < Place.of(await served.log.end()), "the rest waits in the log"
            assert sum(page.size for page in served.channels._tail._pages) <= KEPT_BYTES
            assert [each["path"] for each in await collect(socket, 400)] == [
                f"/3303/0/{number}" for number in range(400)
            ]


async def test_a_changed_serialization_counts_at_once(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        async with served.socket() as socket:
            cfg = {"deregistrations_as_object": "true", "include_original_ep": True}
            answer = await served.registered(body={"serialization": {"type": "v2", "cfg": cfg}})
            assert answer.json()["serialization"]["cfg"]["deregistrations_as_object"] is True
            (connection,) = [each for group in served.channels.sockets._open.values() for each in group]
            await until(lambda: connection.channel.serialization.cfg.include_original_ep)
            await served.happen(deregistered())
            assert await frame(socket) == {"de-registrations": [{"ep": DEVICE, "original-ep": "lamp"}]}
