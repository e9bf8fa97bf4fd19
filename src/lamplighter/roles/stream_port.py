"""Devices over TLS and TCP, beside the port for datagrams: joins a stream transport with a port of a role.

A session by pre-shared key ends with its key, as over DTLS. Sessions are not stored: a device that finds its connection gone
opens another, and its ticket saves the long handshake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol

import structlog

from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import PskIdentity, ServerConfig
from lamplighter.errors import Error
from lamplighter.settings import Settings
from lamplighter.transport.dtls import PskKey, Verdict
from lamplighter.transport.stream import StreamTransport
from lamplighter.transport.stream_session import (
    StreamClosed,
    StreamEstablished,
    StreamEvent,
    StreamLimits,
    StreamRefused,
    StreamSession,
)
from lamplighter.transport.tcp import TcpTransport
from lamplighter.transport.tls import TlsTransport

log = structlog.get_logger("lamplighter.devices")


class Port(Protocol):
    """What both roles' ports have."""

    flush: Callable[[], None]
    endpoint: Endpoint

    def on_event(self, event: Any) -> None: ...

    def disconnected(self, key: Hashable) -> None: ...

    async def close(self) -> None: ...


EndSession = Callable[[Any], None]
PskKeyOf = Callable[[bytes], Awaitable[PskKey | None]]
Judge = Callable[[tuple[bytes, ...]], Awaitable[Verdict]]


class StreamPort:
    """``make`` gets what ends a session, and gives a port whose endpoint is a StreamEndpoint."""

    def __init__(
        self,
        settings: Settings,
        make: Callable[[EndSession], Port],
        rests_on: Callable[[Any], Hashable] = lambda session: key_of(session.identity),
    ) -> None:
        """``rests_on``: by what name ``resting_on`` finds a session; None for one that nobody looks for."""
        self.port = make(self.end_session)
        self._limits = StreamLimits(
            connections=settings.coap.tcp_connections,
            idle=settings.coap.tcp_idle,
            half_open=settings.dtls.half_open,
            half_open_network=settings.dtls.half_open_network,
        )
        self._host = settings.coap.host
        self._shared = settings.lwm2m.workers > 1
        self._transport: StreamTransport | None = None
        self._psk_key: PskKeyOf | None = None
        self._rests_on = rests_on
        self._resting: dict[Hashable, set[StreamSession]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def number(self) -> int:
        """The TCP port, as bound; 0 before it is open."""
        return 0 if self._transport is None else int(self._transport.address[1])

    async def open_tls(self, config: ServerConfig, number: int, *, psk_key: PskKeyOf, check_certificate: Judge) -> None:
        """Listen for TLS with the certificate and the suites of DTLS. Raises CannotBind."""
        self._psk_key = psk_key
        endpoint: Any = self.port.endpoint
        transport = TlsTransport(
            config,
            endpoint,
            self.port.on_event,
            psk_key=psk_key,
            check_certificate=check_certificate,
            on_session=self._on_session,
            limits=self._limits,
        )
        await self._open(transport, number)

    async def open_plain(self, number: int) -> None:
        """Listen for TCP without security. Raises CannotBind."""
        endpoint: Any = self.port.endpoint
        transport = TcpTransport(endpoint, self.port.on_event, on_session=self._on_session, limits=self._limits)
        await self._open(transport, number)

    async def _open(self, transport: StreamTransport, number: int) -> None:
        await transport.open(self._host, number, shared=self._shared)
        self._transport = transport
        self.port.flush = transport.flush

    async def close(self) -> None:
        """Close the port and every connection."""
        if self._transport is not None:
            self._transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.port.close()

    def end_session(self, session: StreamSession) -> None:
        """End a connection; over TLS the device is told."""
        if self._transport is not None:
            self._transport.end_session(session)

    def resting_on(self, name: Hashable) -> list[StreamSession]:
        """The sessions that rest on the key with that identity, or whatever else ``rests_on`` gives."""
        return list(self._resting.get(name, ()))

    def revoke(self, identity: bytes) -> None:
        """The key with that identity is gone: so are the sessions that rest on it."""
        for session in self.resting_on(identity):
            self.end_session(session)

    def _on_session(self, event: StreamEvent) -> None:
        match event:
            case StreamEstablished(session):
                if (name := self._rests_on(session)) is not None:
                    self._resting.setdefault(name, set()).add(session)
                if (identity := key_of(session.identity)) is not None:
                    task = asyncio.get_running_loop().create_task(self._check_key(session, identity))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            case StreamClosed(session):
                name = self._rests_on(session)
                sessions = self._resting.get(name, set())
                sessions.discard(session)
                if not sessions:
                    self._resting.pop(name, None)
                self.port.disconnected(session)
            case StreamRefused(address, reason):
                log.info("connection refused", address=address, reason=reason)

    async def _check_key(self, session: StreamSession, identity: bytes) -> None:
        """A key that was deleted while the handshake went on was not found in any session then."""
        assert self._psk_key is not None
        try:
            if await self._psk_key(identity) is None:
                self.end_session(session)
        except Error as error:
            log.warning("a key could not be looked up again", why=str(error))


def key_of(identity: Any) -> bytes | None:
    """The identity of the pre-shared key that a session rests on; None for one by certificate, or without security."""
    return identity.identity if isinstance(identity, PskIdentity) else None
