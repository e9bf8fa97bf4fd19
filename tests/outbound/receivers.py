"""HTTP servers on loopback that answer as a script says, and what a test needs to reach them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lamplighter.services.certificates.authority import Authority
from lamplighter.settings import Outbound

LOOPBACK = ("127.0.0.0/8", "::1")
"""``outbound.allowed_networks`` of tests."""
SHUTDOWN = 0.1
"""Seconds that the end of TLS is waited for."""
PATIENCE = 10.0


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Number of the connection it came on."""


Script = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request, or does something worse."""


async def ok(request: Request, writer: asyncio.StreamWriter) -> None:
    """204, and the connection stays."""
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def status(code: int, *headers: str, body: bytes = b"") -> Script:
    """That status."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {code} So", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)

    return answer


async def stall(request: Request, writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
    """Close instead of answering."""
    writer.close()


@dataclass
class Receiver:
    """A server and what it was sent. ``script`` may change at any time."""

    script: Script = ok
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0
    scheme: str = "http"
    certificates: list[bytes] = field(default_factory=list)
    """Client certificates that were shown, in DER."""
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, host: str = "127.0.0.1", path: str = "/hook") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def open(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.scheme = "https" if tls else "http"
        # A client that keeps its connection for later does not answer the word that ends TLS.
        patience = SHUTDOWN if tls else None
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, ssl=tls, ssl_shutdown_timeout=patience
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def got(self, number: int) -> list[Request]:
        """Wait for that many requests."""
        async with asyncio.timeout(PATIENCE), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= number)
        return self.requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        secured = writer.get_extra_info("ssl_object")
        if secured is not None and (shown := secured.getpeercert(True)):
            self.certificates.append(shown)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while not writer.is_closing():
                    request = await _read(reader, number)
                    async with self.arrived:
                        self.requests.append(request)
                        self.arrived.notify_all()
                    await self.script(request, writer)
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


@asynccontextmanager
async def receiving(script: Script = ok, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(script)
    await receiver.open(tls)
    try:
        yield receiver
    finally:
        await receiver.close()


def outbound(**more: object) -> Outbound:
    """Settings that allow loopback."""
    return Outbound(**{"allowed_networks": LOOPBACK, **more})  # type: ignore[arg-type]


def server_tls(authority: Authority, *, ask: bool = False) -> ssl.SSLContext:
    """TLS of a receiver that the authority's CA vouches for.

    :param ask: demand a certificate of the client, from the same CA
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server_files)
    if ask:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=ca_file(authority))
    return context


def ca_file(authority: Authority) -> Path:
    return authority.folder / "ca.pem"


async def _read(reader: asyncio.StreamReader, connection: int) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body, connection)
