"""HTTP itself, on real sockets: what is no HTTP, comes too slowly, is too large, or is sent the wrong way."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lamplighter.api.server import ApiServer, PortInUse, tls_context
from lamplighter.clock import SystemClock
from lamplighter.services.certificates.authority import Authority
from lamplighter.settings import Http, Settings
from tests.api.toy import ADMIN, Toy


class Running:
    """A server on two ports of loopback."""

    def __init__(self, folder: Path, toy: Toy, timeout: float) -> None:
        self.toy = toy
        self.authority = Authority(folder, SystemClock().now())
        self.server = ApiServer(toy.api, timeout, 5.0)

    async def start(self) -> None:
        self.port = self.server.listen("127.0.0.1", 0, tls_context(*self.authority.server_files), "http.port")
        self.plain_port = self.server.listen("127.0.0.1", 0, None, "http.plain_port")

    async def connect(
        self, *, tls: bool = False, port: int | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = None
        if tls:
            context = ssl.create_default_context(cafile=str(self.authority.folder / "ca.pem"))
        return await asyncio.open_connection(
            "127.0.0.1",
            port or (self.port if tls else self.plain_port),
            ssl=context,
            server_hostname="localhost" if tls else None,
        )

    async def exchange(self, sent: bytes, *, tls: bool = False, port: int | None = None) -> bytes:
        """Send bytes and read until the server closes."""
        reader, writer = await self.connect(tls=tls, port=port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    each = Running(tmp_path, Toy(Settings(http=Http(plaintext_api=True))), timeout=1.5)
    await each.start()
    yield each
    await each.server.close()


def request(method: str = "GET", path: str = "/v3/lamps", *more: str, body: str = "", close: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: lamps", f"Authorization: Bearer {ADMIN}", *more]
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def parsed(answer: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, json.loads(body) if body else None


async def test_https_is_served_with_a_certificate_that_the_ca_file_verifies(running: Running) -> None:
    status, headers, body = parsed(await running.exchange(request(), tls=True))
    assert (status, body["object"]) == (200, "list")
    assert headers["date"].endswith("GMT") and len(headers["x-request-id"]) == 32


async def test_plain_http_on_the_tls_port_is_told_so(running: Running) -> None:
    refusing = Running(running.authority.folder, Toy(), timeout=1)
    await refusing.start()
    status, headers, body = parsed(await refusing.exchange(request(), port=refusing.port))
    assert (status, body["type"]) == (403, "invalid_request")
    assert headers["x-request-id"] == body["request_id"]
    await refusing.server.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n\x00",
        b"GET /v3/lamps HTTP/9.9\r\nHost: a\r\n\r\n",
        b"POST /v3/lamps HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v3/lamps HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v3/lamps HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v3/lamps HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v3/lamps HTTP/1.1\r\nHost : a\r\n\r\n",
    ],
    ids=[
        "garbage",
        "bare-newlines",
        "version",
        "length-and-chunked",
        "two-lengths",
        "negative",
        "chunk-size",
        "space-in-name",
    ],
)
async def test_what_is_no_http_is_the_error_object_and_the_connection_ends(running: Running, sent: bytes) -> None:
    status, headers, body = parsed(await running.exchange(sent))
    assert (status, body["object"], body["type"]) == (400, "error", "bad_request")
    assert headers["x-request-id"] == body["request_id"] in {each.request_id for each in running.toy.kept.errors}
    assert headers["connection"] == "close"
    assert not running.toy.seen


async def test_headers_over_the_limit_are_431(running: Running) -> None:
    status, _, body = parsed(await running.exchange(request("GET", "/v3/lamps", "X-Long: " + "a" * 70_000)))
    assert (status, body["type"]) == (431, "header_too_large")
    status, _, body = parsed(await running.exchange(b"GET /" + b"a" * 70_000))
    assert (status, body["type"]) == (431, "header_too_large")


async def test_half_a_request_is_cut_and_slows_nobody(running: Running) -> None:
    halves = [await running.connect() for _ in range(500)]
    for _, writer in halves:
        writer.write(b"POST /v3/lamps HTTP/1.1\r\nHost: lamps\r\n")
    status, _, _ = parsed(await running.exchange(request()))
    assert status == 200
    answers = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in halves)), 10)
    assert {parsed(answer)[0] for answer in answers} == {400}
    for _, writer in halves:
        writer.close()


async def test_a_body_that_never_ends_is_cut(running: Running) -> None:
    sent = request("POST", "/v3/lamps", "Content-Type: application/json", "Content-Length: 100", body='{"name"')
    status, _, body = parsed(await running.exchange(sent))
    assert (status, body["type"]) == (400, "bad_request")


async def test_half_a_request_is_cut_as_early_after_a_long_upload(running: Running) -> None:
    long = " " * 1_000_000
    reader, writer = await running.connect()
    upload = request("POST", "/v3/lamps", f"Content-Length: {len(long)}", body=long, close=False)
    writer.write(upload)
    await asyncio.wait_for(reader.readuntil(b"request_id"), 10)
    writer.write(b"GET /v3/lamps HTTP/1.1\r\n")
    assert b"400 Bad Request" in await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_a_head_over_the_limit_behind_another_request_is_431(running: Running) -> None:
    sent = request(close=False) + request("GET", "/v3/lamps", *[f"X-{number}: " + "a" * 7000 for number in range(10)])
    assert b"HTTP/1.1 431 " in await running.exchange(sent)


async def test_pipelined_requests_are_answered_in_order(running: Running) -> None:
    sent = (
        request("GET", "/v3/lamps/a", close=False)
        + request("GET", "/v3/lamps/b", close=False)
        + request("GET", "/v3/lamps/c")
    )
    answer = await running.exchange(sent)
    assert [answer.index(b'"name":"%s"' % name) for name in (b"a", b"b", b"c")] == sorted(
        answer.index(b'"name":"%s"' % name) for name in (b"a", b"b", b"c")
    )


async def test_doubled_content_type_headers_are_tolerated(running: Running) -> None:
    body = '{"name": "a"}'
    kinds = ["Content-Type: application/json"] * 2
    sent = request("POST", "/v3/lamps", *kinds, f"Content-Length: {len(body)}", body=body)
    assert parsed(await running.exchange(sent))[0] == 201


async def test_head_has_no_body_and_a_length(running: Running) -> None:
    answer = await running.exchange(request("HEAD", "/v3/lamps/a"))
    status, headers, body = parsed(answer)
    assert (status, body) == (200, None)
    assert int(headers["content-length"]) > 0


async def test_closing_lets_an_open_request_finish(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(request("GET", "/v3/lamps/a", close=False))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    await running.server.close()
    with pytest.raises(OSError):
        await running.connect()
    writer.close()


async def test_a_port_in_use_is_named_with_its_setting(running: Running) -> None:
    with pytest.raises(PortInUse, match=rf"TCP port {running.port} .* setting http.port"):
        running.server.listen("127.0.0.1", running.port, None, "http.port")
