"""How a device of a fleet reaches its server: on a socket or a connection of its own, with security or without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from lamplighter.coap.framing import Framing
from lamplighter.dtls import CloseReason
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.dtls.failures import FailureReason
from lamplighter.simulator.behaviour import Behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import Event
from lamplighter.simulator.stream_device import StreamDevice
from lamplighter.simulator.weather import Weather, WeatheredClient, WeatheredCore
from lamplighter.transport.dtls_client import DtlsClientTransport, HandshakeRefused
from lamplighter.transport.tcp_client import ConnectionRefused, TcpClientTransport
from lamplighter.transport.tls_client import TlsClientTransport
from lamplighter.transport.udp import UdpTransport
from lamplighter.transport.udp_client import open_udp_client

HANDSHAKE_AGE = 30.0
"""Seconds after which a device takes an unanswered handshake for a failure."""

Take = Callable[[Event], None]
Lose = Callable[[str], None]


class NoSession(Exception):
    """No session came of it; ``refused``: the server said that it does not want the credential."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(text)
        self.refused = refused


class Line(Protocol):
    """``alive``: whether it hands on the device's events and keeps its timer; otherwise somebody else must."""

    @property
    def alive(self) -> bool: ...

    async def connect(self, host: str, port: int, *, resume: bool) -> None:
        """Make a session, or go on with the one there is. Raises NoSession, OSError."""
        ...

    def rebind(self, host: str, port: int) -> None:
        """The NAT between has forgotten the device. Raises OSError."""
        ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class DatagramLine:
    """DTLS. A session with Connection ID goes on from another port."""

    def __init__(
        self,
        config: ClientConfig,
        device: Device,
        take: Take,
        lose: Lose,
        behaviours: Behaviours,
        weather: str,
        source: str = "",
    ) -> None:
        def ended(reason: CloseReason) -> None:
            if reason is not CloseReason.REPLACED:
                lose(reason.value)

        self._transport = DtlsClientTransport(config, device, take, on_close=ended, source=source)
        if not Weather.is_fair(behaviours):
            self._transport.client = WeatheredClient(config, behaviours, weather)
        self.alive = False

    async def connect(self, host: str, port: int, *, resume: bool) -> None:
        self.alive = False
        session = self._transport.client.session
        if resume and session is not None and not session.closed:
            self.rebind(host, port)
            return
        try:
            # From here on the transport has a socket, whether or not a session comes of it.
            await self._transport.connect(host, port)
        except HandshakeRefused as error:
            self.alive = True
            raise NoSession(str(error), refused=str(error).startswith(FailureReason.PEER_ALERT.value)) from None
        self.alive = True

    def rebind(self, host: str, port: int) -> None:
        self._transport.open(host, port)
        self.alive = True

    def flush(self) -> None:
        self._transport.flush()

    def close(self) -> None:
        self.alive = False
        self._transport.close()


class PlainLine:
    """UDP without security: there is no session, and nothing to lose."""

    def __init__(self, device: Device, take: Take, behaviours: Behaviours, weather: str) -> None:
        self._core = device if Weather.is_fair(behaviours) else WeatheredCore(device, behaviours, weather)
        self._take = take
        self._transport: UdpTransport | None = None
        self.alive = False

    async def connect(self, host: str, port: int, *, resume: bool) -> None:
        self.rebind(host, port)

    def rebind(self, host: str, port: int) -> None:
        self.close()
        self._transport = open_udp_client(self._core, self._take, host, port)
        self.alive = True

    def flush(self) -> None:
        if self._transport is not None:
            self._transport.flush()

    def close(self) -> None:
        self.alive = False
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class StreamLine:
    """TCP, with TLS where there is a credential. A new connection resumes the session by its ticket.

    ``vendor``: one message a record, as the vendor's client does it; else RFC 8323.
    """

    def __init__(self, config: ClientConfig | None, device: Device, take: Take, lose: Lose, *, vendor: bool) -> None:
        self._lose = lose
        self._transport: TcpClientTransport
        framing = Framing.RECORD if vendor else Framing.RFC8323
        core = StreamDevice(device, framing)
        if config is None:
            self._transport = TcpClientTransport(core, take, framing=framing, on_close=self._ended)
        else:
            self._transport = TlsClientTransport(
                config, core, take, framing=framing, alpn=not vendor, on_close=self._ended
            )
        self.alive = False
        self._gone = asyncio.Event()

    async def connect(self, host: str, port: int, *, resume: bool) -> None:
        if self.alive:
            self.alive = False
            self._transport.abort()
            await self._gone.wait()
        self._gone.clear()
        try:
            async with asyncio.timeout(HANDSHAKE_AGE):
                await self._transport.connect(host, port)
        except ConnectionRefused as error:
            raise NoSession(str(error), refused="alert" in str(error)) from None
        self.alive = True

    def rebind(self, host: str, port: int) -> None:
        """A connection does not survive it."""
        self._transport.abort()

    def flush(self) -> None:
        self._transport.flush()

    def close(self) -> None:
        self.alive = False
        self._transport.close()

    def _ended(self, reason: str) -> None:
        self._gone.set()
        if self.alive:
            self.alive = False
            self._lose(reason)
