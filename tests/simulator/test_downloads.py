"""Images fetched from where an address says, on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.dtls import AlertDescription, ServerConfig
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.simulator.downloads import Downloads
from lamplighter.simulator.image import Fault, Image
from lamplighter.transport.dtls import DtlsTransport, PskKey, Rejected, Verdict
from lamplighter.transport.udp import UdpTransport

DATA = bytes(range(256)) * 300
KEY = bytes(32)
ANSWERS = {
    "/image": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DATA) + DATA,
    "/rest": b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n\r\n" % (len(DATA) - 1000) + DATA[1000:],
    "/endless": b"HTTP/1.1 200 OK\r\n\r\n" + DATA,
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(DATA) + DATA + b"\r\n0\r\n\r\n",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(DATA) + 1) + DATA,
    "/gone": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "/noise": b"\0\1\2 this is no HTTP\r\n\r\n",
}


@pytest.fixture
async def web() -> AsyncIterator[str]:
    """An address without path."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        path = head.split()[1].decode()
        writer.write(ANSWERS[path] if (path == "/rest") == (b"Range: bytes=1000-" in head) else ANSWERS["/gone"])
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def fetch(uri: str, fault: Fault | None = None, config: ClientConfig | None = None) -> Fault | None:
    image = Image(uri, fault)
    return await Downloads().fetch(image, config, "seed") or finish(image)


def finish(image: Image, data: bytes = DATA) -> Fault | None:
    """None: it is whole."""
    assert image.size == len(data)
    image.finish(None)
    return None


@pytest.mark.parametrize("path", ["/image", "/endless", "/chunked"])
async def test_an_image_is_fetched_over_http(web: str, path: str) -> None:
    assert await fetch(web + path) is None


async def test_a_download_goes_on_where_it_stopped(web: str) -> None:
    image = Image(f"{web}/rest")
    image.add(DATA[:1000])
    rest = image.again()
    assert image.over and await Downloads().fetch(rest, None, "seed") is None
    assert finish(rest) is None and rest.total == len(DATA)


@pytest.mark.parametrize(
    ("path", "told", "fault"),
    [
        ("/short", None, Fault.LOST),
        ("/gone", None, Fault.NOT_FOUND),
        ("/noise", None, Fault.LOST),
        ("/image", Fault.LOST, Fault.LOST),
        ("/image", Fault.NO_MEMORY, Fault.NO_MEMORY),
    ],
)
async def test_what_goes_wrong_over_http_has_a_name(web: str, path: str, told: Fault | None, fault: Fault) -> None:
    assert await fetch(web + path, told) is fault


@pytest.mark.parametrize(
    ("uri", "fault"),
    [("http://127.0.0.1:1/", Fault.LOST), ("ftp://127.0.0.1/", Fault.SCHEME), ("coaps://a/", Fault.SCHEME)],
)
async def test_where_nobody_listens_nothing_is_fetched(uri: str, fault: Fault) -> None:
    assert await fetch(uri) is fault


class Shop:
    """A CoAP server that has the image at ``/a/b c``."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(Random(1))

    def take(self, event: Any) -> None:
        if isinstance(event, RequestReceived):
            message = event.message
            known = message.uri_path() == ("a", "b c") and message.uri_query() == ("v=1",)
            answer = Message(Code.CONTENT, payload=DATA) if known else Message(Code.NOT_FOUND)
            self.endpoint.respond(event, answer, asyncio.get_running_loop().time())


@pytest.mark.parametrize(("path", "fault"), [("/a/b%20c?v=1", None), ("/a", Fault.NOT_FOUND)])
async def test_an_image_is_fetched_over_coap(path: str, fault: Fault | None) -> None:
    shop = Shop()
    transport = UdpTransport(shop.endpoint, shop.take)
    transport.open("127.0.0.1", 0)
    try:
        assert await fetch(f"coap://127.0.0.1:{transport.socket.address[1]}{path}") is fault
    finally:
        transport.close()


@pytest.mark.parametrize(("key", "fault"), [(KEY, None), (bytes(31), Fault.LOST)])
async def test_an_image_is_fetched_over_coaps_with_the_devices_own_key(key: bytes, fault: Fault | None) -> None:
    async def find(identity: bytes) -> PskKey | None:
        return PskKey(KEY, "lamp") if identity == b"lamp" else None

    async def refuse(chain: tuple[bytes, ...]) -> Verdict:
        return Rejected(AlertDescription.BAD_CERTIFICATE)

    shop = Shop()
    config = ServerConfig(wall_time=time.time)
    transport = DtlsTransport(config, shop.endpoint, shop.take, psk_key=find, check_certificate=refuse)
    transport.open("127.0.0.1", 0)
    own = ClientConfig(wall_time=time.time, psk_identity=b"lamp", psk=key, handshake_age=2.0)
    try:
        assert await fetch(f"coaps://127.0.0.1:{transport.socket.address[1]}/a/b%20c?v=1", config=own) is fault
    finally:
        transport.close()
