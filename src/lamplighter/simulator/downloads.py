"""Images that devices fetch from where an address says: over HTTP, or over CoAP in a session of its own."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import SplitResult, urlsplit

import httptools

from lamplighter.coap import events as coap
from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.fetching import Fetch
from lamplighter.simulator.image import Fault, Image, ImageFailed
from lamplighter.simulator.registration import SERVER
from lamplighter.transport.dtls_client import DtlsClientTransport
from lamplighter.transport.udp_client import open_udp_client

AT_ONCE = 100
"""Downloads of one process; the others wait for their turn."""
PATIENCE = 60.0
"""Seconds without a byte after which a download is given up."""
_CHUNK = 1 << 16
_PORTS = {"http": 80, "https": 443, "coap": 5683, "coaps": 5684}
_BLOCK_SIZE = 1024


class Downloads:
    """All of one fleet. ``anchors``: a PEM file of authorities that are believed over HTTPS besides the system's."""

    def __init__(self, anchors: str = "") -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._context = ssl.create_default_context()
        if anchors:
            self._context.load_verify_locations(anchors)

    async def fetch(self, image: Image, config: ClientConfig | None, seed: str) -> Fault | None:
        """Why nothing came of it; None: the image is whole. ``config``: the device's own credential, for ``coaps``."""
        parts = urlsplit(image.uri)
        async with self._turn:
            try:
                match parts.scheme:
                    case "http" | "https":
                        await self._http(image, parts)
                    case "coap":
                        return await _coap(image, parts, None, seed)
                    case "coaps" if config is not None:
                        return await _coap(image, parts, config, seed)
                    case _:
                        return Fault.SCHEME
            except ImageFailed as error:
                return error.fault
            except (OSError, ValueError, httptools.HttpParserError):
                return Fault.LOST
        return None

    async def _http(self, image: Image, parts: SplitResult) -> None:
        """Raises ImageFailed, OSError, ValueError, HttpParserError."""
        host, port = parts.hostname or "", _port(parts)
        answer = _Answer(image)
        parser = httptools.HttpResponseParser(answer)
        async with asyncio.timeout(PATIENCE):
            context = self._context if parts.scheme == "https" else None
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
            if image.size:
                lines.append(f"Range: bytes={image.size}-")
            writer.write("\r\n".join((*lines, "", "")).encode())
            while not answer.complete:
                async with asyncio.timeout(PATIENCE):
                    data = await reader.read(_CHUNK)
                if not data:
                    break
                parser.feed_data(data)
                answer.check(parser)
        finally:
            writer.close()
        if not answer.complete and image.total is not None:
            raise ImageFailed(Fault.LOST)  # where no length was told, the end of the connection is that of the image


class _Answer:
    """What the parser calls back. It does not let exceptions through as they are: ``check`` raises them."""

    def __init__(self, image: Image) -> None:
        self.complete = False
        self._image = image
        self._length: int | None = None
        self._wanted = 206 if image.size else 200
        self._begun = False
        self._body: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-length":
            self._length = int(value)

    def on_headers_complete(self) -> None:
        self._begun = True

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self.complete = True

    def check(self, parser: httptools.HttpResponseParser) -> None:
        """Take what was read. Raises ImageFailed."""
        if not self._begun:
            return
        if parser.get_status_code() != self._wanted:
            raise ImageFailed(Fault.NOT_FOUND)
        if self._length is not None:
            self._image.expect(self._image.size + self._length)
            self._length = None
        body, self._body = self._body, []
        for data in body:
            self._image.add(data)


class _Session:
    """A ``Fetch`` of its own, with the face that a transport asks for."""

    def __init__(self, seed: str) -> None:
        self.ended: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()
        self._endpoint = Endpoint(Draws(f"{seed}/messages"), block_size=_BLOCK_SIZE)
        self._fetch = Fetch(
            self._endpoint,
            SERVER,
            Draws(seed),
            lambda image, fault, now: self.end(fault),
            proxied=False,
            block_size=_BLOCK_SIZE,
        )

    def begin(self, image: Image, now: float) -> None:
        self._fetch.begin(image, now)

    def receive_datagram(self, data: bytes, peer: object, now: float) -> None:
        self._endpoint.receive_datagram(data, SERVER, now)
        self._take_events(now)

    def _take_events(self, now: float) -> None:
        while (event := self._endpoint.next_event()) is not None:
            match event:
                case coap.ResponseReceived(exchange, message):
                    self._fetch.take_response(exchange, message, now)
                case coap.RequestReset(exchange) | coap.RequestFailed(exchange) | coap.RequestTimedOut(exchange):
                    self._fetch.take_silence(exchange, now)

    def handle_timer(self, now: float) -> None:
        self._endpoint.handle_timer(now)
        self._take_events(now)
        self._fetch.advance(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, object]]:
        return list(self._endpoint.datagrams_to_send(now))

    def get_timer(self) -> float | None:
        times = (self._endpoint.get_timer(), self._fetch.due)
        return min((when for when in times if when is not None), default=None)

    def next_event(self) -> None:
        return None

    def end(self, fault: Fault | None) -> None:
        if not self.ended.done():
            self.ended.set_result(fault)


async def _coap(image: Image, parts: SplitResult, config: ClientConfig | None, seed: str) -> Fault | None:
    """Raises OSError, ValueError."""
    host, port = parts.hostname or "", _port(parts)
    loop = asyncio.get_running_loop()
    session = _Session(seed)
    if config is None:
        plain = open_udp_client(session, lambda event: None, host, port)
        try:
            session.begin(image, loop.time())
            plain.flush()
            return await session.ended
        finally:
            plain.close()
    secure = DtlsClientTransport(config, session, lambda event: None, on_close=lambda reason: session.end(Fault.LOST))
    try:
        await secure.connect(host, port)
        session.begin(image, loop.time())
        secure.flush()
        return await session.ended
    finally:
        secure.close()


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
