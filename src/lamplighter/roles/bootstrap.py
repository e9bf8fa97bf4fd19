"""The bootstrap role: its own port, its own certificate authority, its own sessions (gateway rule 5.9)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import structlog

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import (
    AlertDescription,
    CertificateError,
    HandshakeFailed,
    PskIdentity,
    ServerConfig,
    Session,
    SessionClosed,
    SessionEstablished,
    TrustAnchor,
    verify_chain,
)
from lamplighter.roles.bootstrap_port import WHOLE, BootstrapPort
from lamplighter.roles.stream_port import EndSession, StreamPort
from lamplighter.services.bootstrap.model import Kind, Presented, parse_presented
from lamplighter.services.bootstrap.service import Bootstrap
from lamplighter.services.certificates.service import Authority
from lamplighter.services.credentials.service import REVOKED
from lamplighter.settings import Settings
from lamplighter.transport.dtls import Accepted, DtlsTransport, PskKey, Rejected, SessionEvent, Verdict
from lamplighter.transport.udp import UdpTransport

log = structlog.get_logger("lamplighter.bootstrap")


class BootstrapRole:
    """The bootstrap ports of one process.

    :param insecure_account: whose devices without security are, where ``coap.insecure`` opens a port for them
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        bootstrap: Bootstrap,
        authority: Authority,
        *,
        insecure_account: str = "",
    ) -> None:
        self.port = 0
        """Of coaps, as bound."""
        self.plain_port = 0
        """Of coap, as bound; 0: it is closed."""
        self.tls_port = 0
        """Of coaps over TCP, as bound; 0: it is closed."""
        self.tcp_port = 0
        """Of coap over TCP, as bound; 0: it is closed."""
        self._settings = settings
        self._clock = clock
        self._bus = bus
        self._bootstrap = bootstrap
        self._authority = authority
        self._insecure = Presented(Kind.NOTHING, settings.coap.insecure_account or insecure_account)
        self._anchor = TrustAnchor.from_der(authority.bootstrap_ca.certificate_der)
        self._by_key: dict[bytes, set[Session]] = {}
        self._revoked: Subscription | None = None
        self._transports: list[DtlsTransport | UdpTransport] = []
        self._ports: list[BootstrapPort] = []
        self._streams: list[StreamPort] = []

    async def start(self) -> None:
        """Open the ports. Raises CannotBind."""
        self._revoked = await self._bus.subscribe(REVOKED, self._on_revoked)
        try:
            config = self._open_secure()
            if self._settings.coap.insecure:
                self._open_plain()
            if self._settings.coap.tcp:
                await self._open_streams(config)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        for transport in self._transports:
            transport.close()
        for port in self._ports:
            await port.close()
        for stream in self._streams:
            await stream.close()
        if self._revoked is not None:
            await self._revoked.cancel()

    def endpoints(self) -> dict[str, Endpoint]:
        """The open CoAP endpoints by transport, for metrics."""
        names = ("coaps+udp", "coap+udp"), ("coaps+tcp", "coap+tcp")
        udp = zip(names[0], self._ports, strict=False)
        tcp = zip(names[1], self._streams, strict=False)
        return {name: port.endpoint for name, port in udp} | {name: stream.port.endpoint for name, stream in tcp}

    def _open_secure(self) -> ServerConfig:
        settings, own = self._settings, self._authority.bootstrap
        config = ServerConfig(
            wall_time=lambda: self._clock.now() / MICROSECONDS,
            certificate_chain=(own.certificate_der,),
            private_key=own.key,
            extended_master_secret=settings.dtls.extended_master_secret,
            half_open=settings.dtls.half_open,
            half_open_network=settings.dtls.half_open_network,
            session_age=2 * WHOLE,
        )
        port = BootstrapPort(
            self._bootstrap,
            lambda session: parse_presented(session.credential),
            end_session=lambda session: self._dtls.server.close(session, port.now()),
            on_answer=self._on_answer,
        )
        self._secure = port
        self._dtls = DtlsTransport(
            config,
            port.endpoint,
            port.on_event,
            psk_key=self._psk_key,
            check_certificate=self._check_certificate,
            on_session=self._on_session,
            engine=settings.dtls.engine,
        )
        self._dtls.open(settings.coap.host, settings.bootstrap.port)
        self._serve(port, self._dtls)
        self.port = self._dtls.socket.address[1]
        return config

    def _open_plain(self) -> None:
        port = BootstrapPort(self._bootstrap, lambda address: self._insecure)
        transport = UdpTransport(port.endpoint, port.on_event)
        transport.open(self._settings.coap.host, self._settings.bootstrap.plain_port)
        self._serve(port, transport)
        self.plain_port = transport.socket.address[1]
        log.warning("coap without security is open", port=self.plain_port, account_id=self._insecure.account_id)

    async def _open_streams(self, config: ServerConfig) -> None:
        settings = self._settings
        tls = StreamPort(settings, lambda end: self._stream_port(lambda peer: parse_presented(peer.credential), end))
        self._streams.append(tls)
        await tls.open_tls(
            config, settings.bootstrap.port, psk_key=self._psk_key, check_certificate=self._check_certificate
        )
        self.tls_port = tls.number
        if settings.coap.insecure:
            tcp = StreamPort(settings, lambda end: self._stream_port(lambda peer: self._insecure, end))
            self._streams.append(tcp)
            await tcp.open_plain(settings.bootstrap.plain_port)
            self.tcp_port = tcp.number

    def _stream_port(self, presented_of: Callable[[Any], Presented], end_session: EndSession) -> BootstrapPort:
        return BootstrapPort(self._bootstrap, presented_of, end_session=end_session, transport="tcp")

    def _serve(self, port: BootstrapPort, transport: DtlsTransport | UdpTransport) -> None:
        port.flush = transport.flush
        self._transports.append(transport)
        self._ports.append(port)

    # Sessions

    async def _psk_key(self, identity: bytes) -> PskKey | None:
        found = await self._bootstrap.presented_by_key(identity)
        if found is None:
            return None
        presented, key = found
        return PskKey(key, presented.text)

    async def _check_certificate(self, chain: tuple[bytes, ...]) -> Verdict:
        at = self._clock.now() / MICROSECONDS
        try:
            path = verify_chain(chain, [self._anchor], at)  # 0.15 ms; 16 signatures at the most, 1.3 ms
        except CertificateError as error:
            return Rejected(error.alert, error.detail)
        presented = await self._bootstrap.presented_by_certificate(chain[0])
        if presented is None:
            return Rejected(AlertDescription.CERTIFICATE_UNKNOWN, "no account has this certificate, or it is inactive")
        return Accepted(path, presented.text)

    def _on_session(self, event: SessionEvent) -> None:
        match event:
            case SessionEstablished(session, PskIdentity(identity)):
                self._by_key.setdefault(identity, set()).add(session)
            case SessionClosed(session):
                if isinstance(session.identity, PskIdentity):
                    sessions = self._by_key.get(session.identity.identity, set())
                    sessions.discard(session)
                    if not sessions:
                        self._by_key.pop(session.identity.identity, None)
                self._secure.disconnected(session)
            case HandshakeFailed(address, reason, detail):
                log.info("handshake failed", address=address, reason=reason.value, detail=detail)

    def _on_revoked(self, identity: bytes) -> None:
        self._dtls.server.forget_resumable(PskIdentity(identity))
        for session in list(self._by_key.get(identity, ())):
            self._dtls.server.close(session, self._secure.now())
        self._dtls.flush()
        for stream in self._streams:
            stream.revoke(identity)

    def _on_answer(self, session: Any, address: Hashable) -> None:
        """See the same of the LwM2M role: only what was sent to the new address can confirm it."""
        if session.fallback_address is not None and address == session.address:
            self._dtls.server.confirm_address(session)
