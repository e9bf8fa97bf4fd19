"""The four ports of one role that has devices: datagrams and streams, each with security and without."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import ConfirmationNeeded, HandshakeFailed, ServerConfig, SessionClosed, SessionEstablished
from lamplighter.roles.address_proof import AddressProof
from lamplighter.roles.below import Below
from lamplighter.roles.gate import Gate
from lamplighter.roles.resting import RestingSessions
from lamplighter.roles.workers import Worker
from lamplighter.services.certificates.service import Credential
from lamplighter.settings import Settings
from lamplighter.storage.seal import MasterKey
from lamplighter.transport.dtls import DtlsTransport, SessionEvent
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
from lamplighter.transport.udp import UdpTransport

log = structlog.get_logger("lamplighter.devices")


class Port(Protocol):
    """What is on a port. ``flush`` is set once there is something below it."""

    flush: Callable[[], None]
    endpoint: Endpoint

    def on_event(self, event: Any) -> None: ...

    def now(self) -> float: ...

    def disconnected(self, key: Hashable) -> None: ...

    async def close(self) -> None: ...


AnyPort = TypeVar("AnyPort", bound=Port)


class Numbers(NamedTuple):
    """Port numbers, each the same for datagrams and streams."""

    secure: int
    plain: int


class Bound(NamedTuple):
    """Port numbers as bound; 0: it is closed."""

    coaps: int = 0
    coap: int = 0
    coaps_tcp: int = 0
    coap_tcp: int = 0


class DevicePorts(Generic[AnyPort]):
    """Opens them as the settings say, and ends sessions with what they rest on.

    :param make: makes what is on each port
    :param on_session: told of what happens to DTLS sessions; ``SessionClosed`` is its to hand on to the port
    """

    def __init__(
        self,
        settings: Settings,
        numbers: Numbers,
        config: ServerConfig,
        gate: Gate,
        make: Callable[[Below], AnyPort],
        on_session: Callable[[SessionEvent], None],
        *,
        worker: Worker | None = None,
    ) -> None:
        self.bound = Bound()
        self.dtls: DtlsTransport
        """Of ``coaps`` over UDP, once it is open."""
        self.secure: AnyPort
        """What is on it."""
        self.resting = RestingSessions(gate.rests_on, gate.may_stay, self._end, self._forget_resumable)
        self._settings = settings
        self._numbers = numbers
        self._config = config
        self._gate = gate
        self._make = make
        self._on_session = on_session
        self._worker = worker
        self._ports: dict[str, AnyPort] = {}
        self._datagrams: list[DtlsTransport | UdpTransport] = []
        self._streams: list[StreamTransport] = []

    async def open(self) -> None:
        """Raises CannotBind."""
        coap = self._settings.coap
        coaps = self._open_dtls()
        udp = self._open_udp() if coap.insecure else 0
        tls = await self._open_stream(secure=True) if coap.tcp else 0
        tcp = await self._open_stream(secure=False) if coap.tcp and coap.insecure else 0
        self.bound = Bound(coaps, udp, tls, tcp)
        if coap.insecure:
            log.warning("coap without security is open", port=udp)

    async def close(self) -> None:
        """Without a word to the devices over UDP: they may go on with another process."""
        for transport in (*self._datagrams, *self._streams):
            transport.close()
        for port in self._ports.values():
            await port.close()
        await self.resting.close()
        self.bound = Bound()

    def endpoints(self) -> dict[str, Endpoint]:
        """The open CoAP endpoints by transport, for metrics."""
        return {name: port.endpoint for name, port in self._ports.items()}

    # Opening

    def _open_dtls(self) -> int:
        below = Below(stream=False, secure=True, end_session=self.end_session, on_answer=self._confirm_address)
        port = self.secure = self._make(below)
        proof = self._proof = AddressProof(port.endpoint, self._confirm_address)

        def on_event(event: Any) -> None:
            if not proof.take(event):
                port.on_event(event)

        transport = self.dtls = DtlsTransport(
            self._config,
            port.endpoint,
            on_event,
            psk_key=self._gate.psk_key,
            check_certificate=self._gate.check_certificate,
            on_session=self._take,
            engine=self._settings.dtls.engine,
        )
        if self._worker is not None:
            transport.listen(self._worker.sock)
        else:
            transport.open(self._settings.coap.host, self._numbers.secure)
        return self._serve_datagrams(below, port, transport)

    def _open_udp(self) -> int:
        below = Below(stream=False, secure=False)
        port = self._make(below)
        transport = UdpTransport(port.endpoint, port.on_event)
        transport.open(self._settings.coap.host, self._numbers.plain)
        return self._serve_datagrams(below, port, transport)

    def _serve_datagrams(self, below: Below, port: AnyPort, transport: DtlsTransport | UdpTransport) -> int:
        port.flush = transport.flush
        self._ports[below.name] = port
        self._datagrams.append(transport)
        return int(transport.socket.address[1])

    async def _open_stream(self, *, secure: bool) -> int:
        settings = self._settings
        below = Below(stream=True, secure=secure, end_session=self.end_session)
        port = self._make(below)
        endpoint: Any = port.endpoint
        limits = StreamLimits(
            connections=settings.coap.tcp_connections,
            idle=settings.coap.tcp_idle,
            half_open=settings.dtls.half_open,
            half_open_network=settings.dtls.half_open_network,
        )

        def on_session(event: StreamEvent) -> None:
            self._take_stream(port, event)

        transport: StreamTransport
        if secure:
            transport = TlsTransport(
                self._config,
                endpoint,
                port.on_event,
                psk_key=self._gate.psk_key,
                check_certificate=self._gate.check_certificate,
                on_session=on_session,
                limits=limits,
            )
        else:
            transport = TcpTransport(endpoint, port.on_event, on_session=on_session, limits=limits)
        port.flush = transport.flush
        self._ports[below.name] = port
        self._streams.append(transport)
        number = self._numbers.secure if secure else self._numbers.plain
        await transport.open(settings.coap.host, number, shared=self._worker is not None)
        return int(transport.address[1])

    # Sessions

    def show(self, own: Credential) -> None:
        """Show another certificate from the next handshake on."""
        self._config.show(own.sent_der, own.key)

    def end_session(self, session: Any) -> None:
        """End a session or a connection; the device is told where there is a word for it. Flush after that."""
        if isinstance(session, StreamSession):
            for transport in self._streams:
                transport.end_session(session)
        else:
            self.dtls.server.close(session, self.secure.now())

    def forget(self, session: Any) -> None:
        """A DTLS session is no more, or no more here."""
        self.resting.remove(session)
        self._proof.forget(session)

    def _end(self, session: Any) -> None:
        self.end_session(session)
        self.secure.flush()

    def _forget_resumable(self, identity: Any) -> None:
        self.dtls.server.forget_resumable(identity)

    def _take(self, event: SessionEvent) -> None:
        match event:
            case SessionEstablished(session):
                self.resting.add(session)
            case SessionClosed(session):
                self.forget(session)
            case ConfirmationNeeded(session):
                self._proof.ask(session, self.secure.now())
            case HandshakeFailed(address, reason, detail):
                log.info("handshake failed", port=self.bound.coaps, address=address, reason=reason.value, detail=detail)
        self._on_session(event)

    def _take_stream(self, port: AnyPort, event: StreamEvent) -> None:
        match event:
            case StreamEstablished(session):
                self.resting.add(session)
            case StreamClosed(session):
                self.resting.remove(session)
                port.disconnected(session)
            case StreamRefused(address, reason):
                log.info("connection refused", port=self.bound.coaps, address=address, reason=reason)

    def _confirm_address(self, session: Any, address: Hashable) -> None:
        """A device that answers what was sent to its new address is there. What was sent to the old one proves nothing: its
        answer may have been sent on by somebody else (gateway rule 2.6)."""
        if session.fallback_address is not None and address == session.address:
            self.dtls.server.confirm_address(session)


def server_config(
    settings: Settings, clock: Clock, own: Credential, master_key: MasterKey, **more: Any
) -> ServerConfig:
    """What both roles tell the engine. ``own``: what the server shows; the secrets are the same in all processes."""
    return ServerConfig(
        wall_time=lambda: clock.now() / MICROSECONDS,
        certificate_chain=own.sent_der,
        private_key=own.key,
        extended_master_secret=settings.dtls.extended_master_secret,
        half_open=settings.dtls.half_open,
        half_open_network=settings.dtls.half_open_network,
        cookie_secret=master_key.derive("dtls cookies"),
        identity_secret=master_key.derive("dtls unknown identities"),
        cid_secret=master_key.derive("dtls connection ids"),
        **more,
    )
