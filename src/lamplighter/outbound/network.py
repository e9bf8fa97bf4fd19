"""Connections that are checked where they are made: a name is resolved here, and what is connected to is what was judged."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any, TypeVar

import structlog
from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout

from lamplighter.outbound.addresses import Guard
from lamplighter.outbound.failure import OutboundFailed, tls_reason

log = structlog.get_logger("lamplighter.outbound")

P = TypeVar("P", bound=asyncio.BaseProtocol)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, for a port. Raises OutboundFailed."""

TRIED = 4
"""Addresses of a name that are tried, at most."""
NEXT = 5.0
"""Seconds after which the next address is tried."""
LOOKUPS = 64
"""Names that are looked up at once. A look-up cannot be broken off, and must not take the threads that others need."""


class Resolver:
    """The system's name resolution, in threads of its own."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(LOOKUPS)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        with contextlib.suppress(ValueError):
            return [str(ip_address(host))]
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str] | None] = loop.create_future()

        def done(addresses: Sequence[str] | None) -> None:
            self._free.release()
            if not found.done():
                found.set_result(addresses)

        def look() -> None:
            addresses = _look_up(host, port)
            with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
                loop.call_soon_threadsafe(done, addresses)

        threading.Thread(target=look, name=f"look up {host}", daemon=True).start()
        addresses = await found
        if not addresses:
            raise OutboundFailed("name", f"the name {host} cannot be resolved")
        return addresses


class GuardedNetwork(AsyncNetworkBackend):
    """Opens connections to permitted addresses only, whatever a name meant a moment ago."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Raises OutboundFailed, httpcore2's ConnectError and ConnectTimeout."""
        *first, last = await self._permitted(host, port)
        for address in first:
            with contextlib.suppress(ConnectError, ConnectTimeout):
                return _Stream(await self._inner.connect_tcp(address, port, NEXT, local_address, socket_options))
        return _Stream(await self._inner.connect_tcp(last, port, timeout, local_address, socket_options))

    async def create_connection(
        self, factory: Callable[[], P], host: str, port: int, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.Transport, P]:
        """A transport and its protocol, as an event loop makes them. Raises OutboundFailed."""
        loop, connected = asyncio.get_running_loop(), await self._connected(host, port)
        try:
            return await loop.create_connection(
                factory, sock=connected, ssl=tls, server_hostname=host if tls is not None else None
            )
        except ssl.SSLError as error:
            raise OutboundFailed("tls", tls_reason(error)) from error
        except OSError as error:
            raise OutboundFailed("connection", "the connection was closed before TLS was agreed on") from error

    async def _connected(self, host: str, port: int) -> socket.socket:
        *first, last = await self._permitted(host, port)
        for address in first:
            with contextlib.suppress(OSError):  # and TimeoutError, which is one
                async with asyncio.timeout(NEXT):
                    return await _socket_to(address, port)
        try:
            return await _socket_to(last, port)
        except OSError as error:
            raise OutboundFailed("connection", "the connection was refused or cannot be made") from error

    async def _permitted(self, host: str, port: int) -> list[str]:
        """The addresses of the host that may be tried. Raises OutboundFailed where there is none."""
        found = await self._resolve(host, port)
        permitted = [address for address in found if self._guard.permits(address)][:TRIED]
        if not permitted:
            log.info("an outbound request was refused", host=host, addresses=list(found))
            raise OutboundFailed(
                "address", f"{host} is not a public address, or leads to none, and outbound.allowed_networks has it not"
            )
        return permitted

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise OutboundFailed("address", "a path of this machine is no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(AsyncNetworkStream):
    """A connection that is closed also when its TLS handshake is cancelled, which the pool knows nothing of."""

    def __init__(self, inner: AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        try:
            return await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except asyncio.CancelledError:
            await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


async def _socket_to(address: str, port: int) -> socket.socket:
    connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    connected.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connected, (address, port))
    except BaseException:
        connected.close()
        raise
    return connected


def _look_up(host: str, port: int) -> Sequence[str] | None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # UnicodeError: a label that no name server can be asked for
        return None
    return list(dict.fromkeys(str(info[4][0]) for info in found))
