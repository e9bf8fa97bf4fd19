"""The one client of the server: every request that goes out of the installation is sent by it, or has its place from it.

It connects to permitted addresses only (network.py), follows no redirect, verifies TLS and shows our certificate, knows no
proxy and no cookies, and bounds time, answers and connections.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpcore2

from lamplighter.outbound.addresses import Guard
from lamplighter.outbound.certificate import show
from lamplighter.outbound.failure import OutboundFailed, tls_reason
from lamplighter.outbound.network import GuardedNetwork, Resolve, Resolver
from lamplighter.outbound.url import Target, target_of
from lamplighter.settings import Outbound

LARGEST_BODY = 64 * 1024
"""Bytes of an answer that are read; the rest stays where it is."""
IDLE_CONNECTIONS = 64
IDLE_SECONDS = 15.0
"""How long a connection is kept for the next request: less than common servers keep theirs."""


class Reply(NamedTuple):
    """An answer, whatever its status."""

    status: int
    body: bytes
    """At most LARGEST_BODY bytes of it."""
    whole: bool
    """Whether that is all of the body."""
    headers: Mapping[str, str] = {}
    """Names in lower case; of a repeated one the last."""


class Outgoing:
    """A place among the open requests: send while you have it."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, target: Target, timeout: float) -> None:
        self._pool = pool
        self._target = target
        self._url = httpcore2.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        self._timeout = timeout

    def at(self, path: str) -> Outgoing:
        """The same place, for a request to another path of that server, which stands behind the URL's own.

        Raises ValueError for what is no path of a URL.
        """
        target = target_of(f"https://host{self._target.path.rstrip('/')}{path}")
        return Outgoing(self._pool, self._target._replace(path=target.path), self._timeout)

    async def send(self, method: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Send a request and read its answer within the time. Raises OutboundFailed."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(method, headers, body)
        except (TimeoutError, httpcore2.TimeoutException):
            raise OutboundFailed("timeout", f"no answer within {self._timeout:g} seconds") from None
        except httpcore2.ConnectError as error:
            if isinstance(error.__context__, ssl.SSLError):  # the pool takes the cause away
                raise OutboundFailed("tls", tls_reason(error.__context__)) from error
            raise OutboundFailed("connection", "the connection was refused or cannot be made") from error
        except httpcore2.NetworkError as error:
            raise OutboundFailed("connection", "the connection was closed before the answer") from error
        except httpcore2.ProtocolError as error:
            raise OutboundFailed("protocol", "the answer is not HTTP/1.1") from error
        except ssl.SSLError as error:
            raise OutboundFailed("tls", tls_reason(error)) from error

    async def _send(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        async with self._pool.stream(method, self._url, headers=[*headers.items()], content=body) as response:
            received = bytearray()
            async for part in response.aiter_stream():
                received += part
                if len(received) > LARGEST_BODY:
                    return Reply(response.status, bytes(received[:LARGEST_BODY]), False, _headers(response))
            return Reply(response.status, bytes(received), True, _headers(response))


class OutboundClient:
    """Sends requests. ``start`` is not needed; ``close`` it.

    :param certificate: PEM files of our certificate chain and its key, shown to servers that ask; the settings' beat them
    :param resolve: the addresses of a name
    """

    def __init__(
        self, settings: Outbound, certificate: tuple[Path, Path] | None = None, resolve: Resolve | None = None
    ) -> None:
        """Raises ValueError for a network that is none, OSError for files that cannot be used."""
        if settings.certificate:
            certificate = Path(settings.certificate), Path(settings.private_key or settings.certificate)
        self.timeout = settings.timeout
        self.network = GuardedNetwork(Guard(settings.allowed_networks), resolve or Resolver())
        self.tls = _tls(settings.ca_file, certificate)
        self._ca_file = settings.ca_file
        self._connections = settings.connections_host
        self._per_host = settings.connections_host
        self._everywhere = _Places(settings.connections)
        self._hosts: dict[str, _Places] = {}
        self._pool = self._new_pool(self.tls, settings.connections)

    async def close(self) -> None:
        """Close what is kept for later."""
        await self._pool.aclose()

    @asynccontextmanager
    async def reserve(self, url: str, *, suspect: bool = False) -> AsyncIterator[Outgoing]:
        """Wait for a place for a request to that URL. Raises ValueError for what is no URL."""
        target = target_of(url)
        async with self.place(target.host, suspect=suspect):
            yield Outgoing(self._pool, target, self.timeout)

    @asynccontextmanager
    async def reserve_as(self, certificate: str, private_key: str, url: str) -> AsyncIterator[Outgoing]:
        """The same, showing the server that certificate with its chain instead of ours, on connections that end with the block.

        Raises ValueError for what is no URL, no certificate, or not its key without a password; both in PEM.
        """
        target = target_of(url)
        async with self.place(target.host):
            # In a thread, because reading the system's authorities takes a while.
            tls = await asyncio.to_thread(self._showing, certificate, private_key)
            async with self._new_pool(tls, self._connections) as pool:
                yield Outgoing(pool, target, self.timeout)

    def _showing(self, certificate: str, private_key: str) -> ssl.SSLContext:
        context = _tls(self._ca_file, None)
        try:
            show(context, certificate, private_key)
        except ssl.SSLError as error:
            raise ValueError(tls_reason(error)) from error
        return context

    def _new_pool(self, tls: ssl.SSLContext, connections: int) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self.network,
        )

    @asynccontextmanager
    async def place(self, name: str, *, suspect: bool = False) -> AsyncIterator[None]:
        """Wait for a place among the open requests; what is built inside the block is bounded with them.

        :param name: of the host
        :param suspect: the last request there failed: all of these together get half of the places, in all and at one host,
            so that servers that let everybody wait leave the others theirs
        """
        async with AsyncExitStack() as places:
            host = places.enter_context(self._at(name))
            if suspect:
                # Before the places of all, so that one who waits keeps nothing but a suspect's place from others.
                await places.enter_async_context(host.suspects)
                await places.enter_async_context(self._everywhere.suspects)
            await places.enter_async_context(host.all)
            await places.enter_async_context(self._everywhere.all)
            yield

    @contextmanager
    def _at(self, host: str) -> Iterator[_Places]:
        places = self._hosts.setdefault(host, _Places(self._per_host))
        places.users += 1
        try:
            yield places
        finally:
            places.users -= 1
            if not places.users:
                del self._hosts[host]


class _Places:
    """As many open requests as there may be, and how many of them may be suspects'."""

    def __init__(self, number: int) -> None:
        self.all = asyncio.Semaphore(number)
        self.suspects = asyncio.Semaphore(max(1, number // 2))
        self.users = 0


def _headers(response: httpcore2.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _tls(ca_file: str, certificate: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context
