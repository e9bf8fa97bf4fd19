"""The LwM2M role: devices on one side, the connect service on the other. The only place that joins them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from cryptography import x509
from cryptography.x509.oid import NameOID

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.clock import MICROSECONDS, Clock
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
    VerifiedPath,
    verify_chain,
)
from lamplighter.errors import Error
from lamplighter.ids import is_id
from lamplighter.roles.device_port import DevicePort
from lamplighter.services.certificates.service import Authority
from lamplighter.services.connect.service import Connect, Identity, Proof, parse_identity
from lamplighter.services.credentials.service import REVOKED, Credentials
from lamplighter.settings import Settings
from lamplighter.transport.dtls import Accepted, DtlsTransport, PskKey, Rejected, SessionEvent, Verdict
from lamplighter.transport.udp import UdpTransport

log = structlog.get_logger("lamplighter.lwm2m")


class Lwm2mRole:
    """The ports for devices of one process.

    :param insecure_account: whose devices without security are, where ``coap.insecure`` opens a port for them
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        connect: Connect,
        credentials: Credentials,
        authority: Authority,
        *,
        insecure_account: str = "",
    ) -> None:
        self.ready = False
        """Whether devices are served."""
        self.port = 0
        """Of coaps, as bound."""
        self.plain_port = 0
        """Of coap, as bound; 0: it is closed."""
        self._settings = settings
        self._clock = clock
        self._bus = bus
        self._connect = connect
        self._credentials = credentials
        self._authority = authority
        self._insecure = Identity(Proof.NOTHING, settings.coap.insecure_account or insecure_account)
        self._anchor = TrustAnchor.from_der(authority.device_ca.certificate_der)
        self._by_key: dict[bytes, set[Session]] = {}
        self._revoked: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: list[DtlsTransport | UdpTransport] = []
        self._ports: list[DevicePort] = []

    async def start(self) -> None:
        """Start the connect service and open the ports. Raises CannotBind, DatabaseUnavailable."""
        self._connect.key_deleted = lambda endpoint_name: self._on_revoked(endpoint_name.encode())
        await self._connect.start()
        self._revoked = await self._bus.subscribe(REVOKED, self._on_revoked)
        try:
            self._open_secure()
            if self._settings.coap.insecure:
                self._open_plain()
        except BaseException:
            await self.close()
            raise
        self.ready = True

    async def close(self) -> None:
        """Close the ports without a word to the devices: they may go on with another process."""
        self.ready = False
        for transport in self._transports:
            transport.close()
        for port in self._ports:
            await port.close()
        if self._revoked is not None:
            await self._revoked.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connect.close()

    # The ports

    def _open_secure(self) -> None:
        settings, lwm2m = self._settings, self._authority.lwm2m
        config = ServerConfig(
            wall_time=lambda: self._clock.now() / MICROSECONDS,
            certificate_chain=(lwm2m.certificate_der,),
            private_key=lwm2m.key,
            extended_master_secret=settings.dtls.extended_master_secret,
            half_open=settings.dtls.half_open,
            half_open_network=settings.dtls.half_open_network,
        )
        port = DevicePort(
            self._connect,
            lambda session: parse_identity(session.credential),
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
        )
        self._dtls.open(settings.coap.host, settings.lwm2m.port)
        self._serve(port, self._dtls)
        self.port = self._dtls.socket.address[1]

    def _open_plain(self) -> None:
        if not self._insecure.account_id:
            raise ValueError("coap.insecure needs an account: set coap.insecure_account")
        port = DevicePort(self._connect, lambda address: self._insecure)
        transport = UdpTransport(port.endpoint, port.on_event)
        transport.open(self._settings.coap.host, self._settings.coap.port)
        self._serve(port, transport)
        self.plain_port = transport.socket.address[1]
        log.warning("coap without security is open", port=self.plain_port, account_id=self._insecure.account_id)

    def _serve(self, port: DevicePort, transport: DtlsTransport | UdpTransport) -> None:
        port.flush = transport.flush
        self._transports.append(transport)
        self._ports.append(port)

    # Sessions

    async def _psk_key(self, identity: bytes) -> PskKey | None:
        owner = await self._credentials.owner_of_identity(identity)
        if owner is None:
            return None
        return PskKey(owner.key, Identity(Proof.PSK, owner.account_id, owner.endpoint_name).text)

    async def _check_certificate(self, chain: tuple[bytes, ...]) -> Verdict:
        at = self._clock.now() / MICROSECONDS
        try:
            path = await asyncio.to_thread(verify_chain, chain, [self._anchor], at)
            return Accepted(path, _identity_of(chain[0], path).text)
        except CertificateError as error:
            return Rejected(error.alert, error.detail)
        except ValueError as error:
            return Rejected(AlertDescription.BAD_CERTIFICATE, str(error))

    def _on_session(self, event: SessionEvent) -> None:
        match event:
            case SessionEstablished(session, PskIdentity(identity)):
                self._by_key.setdefault(identity, set()).add(session)
                self._spawn(self._check_key(session, identity))
            case SessionClosed(session):
                if isinstance(session.identity, PskIdentity):
                    sessions = self._by_key.get(session.identity.identity, set())
                    sessions.discard(session)
                    if not sessions:
                        self._by_key.pop(session.identity.identity, None)
                self._secure.disconnected(session)
            case HandshakeFailed(address, reason, detail):
                log.info("handshake failed", address=address, reason=reason.value, detail=detail)

    async def _check_key(self, session: Session, identity: bytes) -> None:
        """A key that was deleted while the handshake went on was not found in any session then."""
        try:
            if await self._credentials.owner_of_identity(identity) is None:
                self._secure.close_session(session)
        except Error as error:
            log.warning("a key could not be looked up again", why=str(error))

    def _on_revoked(self, identity: bytes) -> None:
        for session in list(self._by_key.get(identity, ())):
            self._secure.close_session(session)

    def _on_answer(self, session: Session) -> None:
        if session.fallback_address is not None:
            self._dtls.server.confirm_address(session)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _identity_of(leaf: bytes, path: VerifiedPath) -> Identity:
    """What a certificate of our own device authority says; nothing of it is believed under another (gateway rule 1.1).

    Raises ValueError for one that this authority would not have issued for LwM2M.
    """
    subject = x509.load_der_x509_certificate(leaf).subject
    endpoint_name, account_id, device_id = (
        _only(subject, oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME)
    )
    if not endpoint_name or not is_id(account_id) or not is_id(device_id):
        raise ValueError("the subject lacks an endpoint name (CN), an account (OU) or a device ID (L)")
    return Identity(Proof.CERTIFICATE, account_id, endpoint_name, device_id)


def _only(subject: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = [str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)]
    return values[0] if len(values) == 1 else ""
