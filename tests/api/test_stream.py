"""Answers that go on, on real sockets: who ends them, what a client that does not read costs, and what they look like."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lamplighter.api.caller import KEYS
from lamplighter.api.operation import Call, Operations
from lamplighter.api.stream import ENDING, Outlet, Stream
from lamplighter.settings import Http, Settings
from tests.api.streaming import PATIENCE, Client
from tests.api.test_server import Running, parsed
from tests.api.toy import ADMIN, DEVELOPER, LampBroken, Toy

operations = Operations("Lamps")


class Lamp:
    """What the operation streams, and what became of it."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self.outlets: list[Outlet] = []
        self.ended = asyncio.Event()

    def put(self, *pieces: bytes | BaseException | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)

    async def write(self, outlet: Outlet) -> None:
        self.outlets.append(outlet)
        try:
            while (piece := await self._next(outlet)) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                await outlet.send(piece)
        finally:
            self.ended.set()

    async def _next(self, outlet: Outlet) -> bytes | BaseException | None:
        ended = asyncio.create_task(outlet.ended())
        piece = asyncio.create_task(self.pieces.get())
        await asyncio.wait((ended, piece), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if piece.done():
            return piece.result()
        piece.cancel()
        return None


@operations.add(
    "GET",
    "/v2/lamps/{lamp-id}/glow",
    "watchLamp",
    permission="lamps.read",
    credentials=KEYS,
    answer=str,
    answer_media_type="text/event-stream",
    raises=(LampBroken,),
    streams=True,
)
async def watch_lamp(lamp: Lamp, call: Call, lamp_id: str) -> Stream:
    """Watch a lamp."""
    if lamp_id == "broken":
        raise LampBroken(lamp_id=lamp_id)
    return Stream(lamp.write, headers={"X-Lamp": lamp_id})


class Watched(Running):
    """A server that streams."""

    def __init__(self, folder: Path, **api: Any) -> None:
        self.lamp = Lamp()
        settings = Settings(http=Http(plaintext_api=True))
        super().__init__(folder, Toy(settings, bound=operations.bind(self.lamp)), timeout=1.5)

    async def watch(self, *, tls: bool = False, path: str = "one", **more: Any) -> Client:
        reader, writer = await self.connect(tls=tls)
        client = Client(reader, writer)
        writer.write(request(path=f"/v2/lamps/{path}/glow", **more))
        return client


def request(method: str = "GET", path: str = "/v2/lamps/one/glow", key: str | None = ADMIN, **more: Any) -> bytes:
    version, headers = more.get("version", "1.1"), list(more.get("headers", ()))
    lines = [f"{method} {path} HTTP/{version}", "Host: lamps", *headers]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    each = Watched(tmp_path)
    await each.start()
    yield each
    await each.server.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_each_piece_arrives_when_it_is_written_and_the_connection_serves_on_after_the_last(
    watched: Watched, tls: bool
) -> None:
    client = await watched.watch(tls=tls)
    watched.lamp.put(b"on\n\n")
    status, headers = await client.head()
    assert (status, headers["content-type"], headers["x-lamp"]) == (200, "text/event-stream", "one")
    assert headers["transfer-encoding"] == "chunked" and "content-length" not in headers
    assert headers["cache-control"] == "no-store" and headers["x-accel-buffering"] == "no"
    assert await client.chunk() == b"on\n\n"
    watched.lamp.put(b"off\n\n")
    assert await client.chunk() == b"off\n\n"
    watched.lamp.put(None)
    assert await client.chunk() == b""
    client.writer.write(request("HEAD"))
    assert (await client.head())[0] == 200
    client.leave()


async def test_the_answer_has_what_every_answer_has(watched: Watched) -> None:
    client = await watched.watch(headers=["Origin: https://pages.example"])
    watched.lamp.put(b"on\n\n")
    _, headers = await client.head()
    assert len(headers["x-request-id"]) == 32
    assert headers["ratelimit-policy"] and headers["ratelimit"]
    assert headers["access-control-allow-origin"] == "*" and "X-Request-ID" in headers["access-control-expose-headers"]
    assert _metric(watched, "lamplighter_api_open_streams") == 1
    assert _metric(watched, 'lamplighter_api_requests_total{operation="watchLamp",status="200"}') == 1
    assert watched.toy.api.open_requests == 0
    client.leave()
    await asyncio.wait_for(watched.lamp.ended.wait(), PATIENCE)
    await _until_streams(watched, 0)


async def test_a_page_of_another_origin_may_send_the_last_event_id(watched: Watched) -> None:
    more = ["Origin: https://pages.example", "Access-Control-Request-Headers: authorization, last-event-id"]
    answer = await watched.exchange(
        request("OPTIONS", key=None, headers=[*more, "Access-Control-Request-Method: GET", "Connection: close"])
    )
    status, headers, _ = parsed(answer)
    assert status == 204 and {"authorization", "last-event-id"} <= {
        each.strip().lower() for each in headers["access-control-allow-headers"].split(",")
    }


async def test_head_is_answered_without_a_stream(watched: Watched) -> None:
    status, headers, body = parsed(await watched.exchange(request("HEAD", headers=["Connection: close"])))
    assert (status, headers["content-type"], body) == (200, "text/event-stream", None)
    assert not watched.lamp.outlets
    answer = await watched.exchange(request("HEAD", "/v2/lamps/broken/glow", headers=["Connection: close"]))
    assert parsed(answer)[0] == 409


@pytest.mark.parametrize(
    ("path", "key", "status", "kind"),
    [
        ("broken", ADMIN, 409, "conflict"),
        ("one", None, 401, "invalid_auth"),
        ("one", "ak_2" + "z" * 107, 401, "invalid_accesskey"),
    ],
)
async def test_what_is_refused_before_the_first_piece_is_an_error_as_every_other(
    watched: Watched, path: str, key: str | None, status: int, kind: str
) -> None:
    answer = await watched.exchange(request(path=f"/v2/lamps/{path}/glow", key=key, headers=["Connection: close"]))
    got, headers, body = parsed(answer)
    assert (got, body["type"], headers["x-request-id"]) == (status, kind, body["request_id"])


async def test_an_error_of_the_writer_before_its_first_piece_is_answered_as_every_other(watched: Watched) -> None:
    watched.lamp.put(LampBroken(lamp_id="one"))
    status, headers, body = parsed(await watched.exchange(request(headers=["Connection: close"])))
    assert (status, body["type"], headers["content-type"]) == (409, "conflict", "application/json")
    assert [each.member for each in watched.toy.kept.errors] == ["lamp-broken"]
    watched.lamp.put(RuntimeError("the wire to the moon is cut"))
    status, _, body = parsed(await watched.exchange(request(key=DEVELOPER, headers=["Connection: close"])))
    assert (status, body["type"]) == (500, "internal_server_error")


async def test_an_error_after_the_first_piece_breaks_the_connection_off_and_is_kept(watched: Watched) -> None:
    client = await watched.watch()
    watched.lamp.put(b"on\n\n", LampBroken(lamp_id="one"))
    _, headers = await client.head()
    assert await client.chunk() == b"on\n\n"
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
        await client.chunk()
    assert [each.request_id for each in watched.toy.kept.errors] == [headers["x-request-id"]]
    client.leave()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_the_writer_is_told_when_the_client_has_left(watched: Watched, tls: bool) -> None:
    client = await watched.watch(tls=tls)
    watched.lamp.put(b"on\n\n")
    await client.head()
    client.leave()
    await asyncio.wait_for(watched.lamp.ended.wait(), PATIENCE)
    assert watched.lamp.outlets[0].left
    with pytest.raises(ConnectionError):
        await watched.lamp.outlets[0].send(b"more")
    assert not watched.toy.kept.errors


async def test_a_client_of_http_1_0_reads_until_the_end_of_the_connection(watched: Watched) -> None:
    watched.lamp.put(b"on\n\n", b"off\n\n", None)
    answer = await watched.exchange(request(version="1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"on\n\noff\n\n" and b"transfer-encoding" not in head.lower()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_what_waits_for_a_client_that_does_not_read_stays_small_and_delays_no_other(
    watched: Watched, tls: bool
) -> None:
    slow = await watched.watch(tls=tls)
    watched.lamp.put(b"on\n\n")
    await slow.head()
    slow.pause()
    outlet = watched.lamp.outlets[0]
    piece = bytes(64 * 1024)
    watched.lamp.put(*[piece] * 1000)
    await _stalls(outlet)
    assert outlet.written < 16 * 1024 * 1024 and watched.lamp.pieces.qsize() > 700  # the rest is not even asked for
    assert outlet._cycle is not None and outlet._cycle.transport.get_write_buffer_size() < 256 * 1024
    assert outlet.taken() < outlet.written
    status, _, _ = parsed(await watched.exchange(request("HEAD", headers=["Connection: close"])))
    assert status == 200
    slow.resume()
    while len(await slow.chunk()) < len(piece):
        pass
    slow.leave()


async def test_the_writer_learns_how_far_the_clients_system_has_come(watched: Watched) -> None:
    client = await watched.watch(tls=True)
    watched.lamp.put(b"on\n\n", b"x" * 1000)
    await client.head()
    assert [len(await client.chunk()) for _ in range(2)] == [4, 1000]
    outlet = watched.lamp.outlets[0]
    async with asyncio.timeout(PATIENCE):
        while outlet.taken() < 1004:  # noqa: ASYNC110 - an acknowledgement announces nothing
            await asyncio.sleep(0)
    assert outlet.taken() == outlet.written == 1004
    client.leave()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_what_a_slow_client_has_is_known_while_more_waits_for_it(watched: Watched, tls: bool) -> None:
    client = await watched.watch(tls=tls)
    watched.lamp.put(b"on\n\n")
    await client.head()
    client.pause()
    watched.lamp.put(*[bytes(64 * 1024)] * 1000)
    outlet = watched.lamp.outlets[0]
    await _stalls(outlet)
    client.resume()
    read = 0
    while read < 8 * 1024 * 1024:
        read += len(await client.chunk())
    client.pause()
    await _stalls(outlet)
    assert watched.lamp.pieces.qsize() > 500
    assert 4 * 1024 * 1024 < outlet.taken() <= outlet.written
    client.leave()


async def test_a_server_that_stops_ends_its_streams_as_complete(watched: Watched) -> None:
    client = await watched.watch()
    watched.lamp.put(b"on\n\n")
    await client.head()
    await asyncio.wait_for(watched.server.close(), ENDING - 1)
    assert [await client.chunk(), await client.chunk()] == [b"on\n\n", b""]
    assert await client.reader.read() == b""
    client.leave()


async def test_a_server_that_stops_waits_for_no_client_that_does_not_read(watched: Watched) -> None:
    with contextlib.closing(socket.create_connection(("127.0.0.1", watched.plain_port))) as silent:
        silent.sendall(request())
        watched.lamp.put(*[bytes(64 * 1024)] * 1000)
        await _stalls(await _outlet(watched))
        watched.lamp.pieces = asyncio.Queue()  # the writer is stuck in the middle of one
        await asyncio.wait_for(watched.server.close(), ENDING - 1)
    assert watched.lamp.ended.is_set()


async def test_the_description_says_that_the_answer_is_an_event_stream(watched: Watched) -> None:
    from lamplighter.api.openapi import describe

    document = json.loads(json.dumps(describe(watched.toy.api.operations, "https://lamps.test")))
    answer = document["paths"]["/v2/lamps/{lamp-id}/glow"]["get"]["responses"]["200"]
    assert answer["content"] == {"text/event-stream": {"schema": {"type": "string"}}}


async def _outlet(watched: Watched) -> Outlet:
    async with asyncio.timeout(PATIENCE):
        while not watched.lamp.outlets:  # noqa: ASYNC110 - the loop's turns are what it waits for
            await asyncio.sleep(0)
    return watched.lamp.outlets[0]


async def _stalls(outlet: Outlet) -> None:
    """Wait until nothing more is taken of what is written."""
    async with asyncio.timeout(PATIENCE):
        before = -1
        while before != outlet.written or not outlet.written:
            before = outlet.written
            for _ in range(200):
                await asyncio.sleep(0)


async def _until_streams(watched: Watched, number: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while _metric(watched, "lamplighter_api_open_streams") != number:  # noqa: ASYNC110
            await asyncio.sleep(0)


def _metric(watched: Watched, name: str) -> float:
    for line in watched.toy.api._metrics.text().decode().splitlines():
        if line.startswith(name):
            return float(line.split()[-1])
    return 0.0
