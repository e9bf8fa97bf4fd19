"""The LwM2M role: devices on one side, the connect service on the other. The only place that joins them."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Coroutine, Hashable
from typing import Any

import structlog
from cryptography import x509
from cryptography.x509.oid import NameOID

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import (
    AlertDescription,
    CertificateError,
    CertificateIdentity,
    CloseReason,
    DtlsServer,
    HandshakeFailed,
    PskIdentity,
    ServerConfig,
    Session,
    SessionClosed,
    SessionEstablished,
    SessionWanted,
    TrustAnchor,
    VerifiedPath,
    stored_session,
    verify_chain,
)
from lamplighter.errors import Error
from lamplighter.errors.connect import DeviceBlocked
from lamplighter.ids import is_id
from lamplighter.roles.device_port import DevicePeer, DevicePort
from lamplighter.roles.stream_port import StreamPort, key_of
from lamplighter.roles.workers import Worker
from lamplighter.services.certificates.service import Authority
from lamplighter.services.connect.service import Connect, Identity, Moved, Proof, SessionLost, parse_identity
from lamplighter.services.connect.sessions.service import DeviceSessions, Stored, text_of
from lamplighter.services.credentials.service import REVOKED, Credentials, PskOwner
from lamplighter.settings import Settings
from lamplighter.storage.database import Transaction
from lamplighter.storage.seal import MasterKey
from lamplighter.transport.dtls import Accepted, DtlsTransport, PskKey, Rejected, SessionEvent, Verdict
from lamplighter.transport.udp import UdpTransport

log = structlog.get_logger("lamplighter.lwm2m")

PRUNE_EVERY = 600.0
"""Seconds between two looks for stored sessions whose time is over."""


class Lwm2mRole:
    """The ports for devices of one process.

    :param insecure_account: whose devices without security are, where ``coap.insecure`` opens a port for them
    :param worker: which process of several on one port this is
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        connect: Connect,
        credentials: Credentials,
        authority: Authority,
        sessions: DeviceSessions,
        master_key: MasterKey,
        *,
        insecure_account: str = "",
        worker: Worker | None = None,
    ) -> None:
        self.ready = False
        """Whether devices are served."""
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
        self._connect = connect
        self._credentials = credentials
        self._authority = authority
        self._sessions = sessions
        self._master_key = master_key
        self._worker = worker
        self._insecure = Identity(Proof.NOTHING, settings.coap.insecure_account or insecure_account)
        self._anchor = TrustAnchor.from_der(authority.device_ca.certificate_der)
        self._resting: dict[Hashable, set[Session]] = {}
        """Sessions by what they rest on, see ``_rests_on``."""
        self._replaced: Session | None = None
        """A registered device's session that gave way to another, until that is known."""
        self._revoked: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: list[DtlsTransport | UdpTransport] = []
        self._ports: list[DevicePort] = []
        self._streams: list[StreamPort] = []

    async def start(self) -> None:
        """Start the connect service and open the ports. Raises CannotBind, DatabaseUnavailable."""
        self._connect.key_deleted = lambda endpoint_name: self._on_revoked(endpoint_name.encode())
        self._connect.device_denied = self._on_denied
        self._connect.device_wanted = lambda account_id, device_id: self._spawn(self._reach(account_id, device_id))
        self._sessions.on_lost = self._lose
        await self._sessions.start()
        await self._connect.start()
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
        self._spawn(self._prune())
        self.ready = True

    async def close(self) -> None:
        """Close the ports without a word to the devices: they may go on with another process."""
        self.ready = False
        for transport in self._transports:
            transport.close()
        for port in self._ports:
            await port.close()
        for stream in self._streams:
            await stream.close()
        if self._revoked is not None:
            await self._revoked.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connect.close()
        await self._sessions.close()

    def endpoints(self) -> dict[str, Endpoint]:
        """The open CoAP endpoints by transport, for metrics."""
        names = ("coaps+udp", "coap+udp"), ("coaps+tcp", "coap+tcp")
        udp = zip(names[0], self._ports, strict=False)
        tcp = zip(names[1], self._streams, strict=False)
        return {name: port.endpoint for name, port in udp} | {name: stream.port.endpoint for name, stream in tcp}

    # The ports

    def _open_secure(self) -> ServerConfig:
        settings, lwm2m = self._settings, self._authority.lwm2m
        config = ServerConfig(
            wall_time=lambda: self._clock.now() / MICROSECONDS,
            certificate_chain=(lwm2m.certificate_der,),
            private_key=lwm2m.key,
            extended_master_secret=settings.dtls.extended_master_secret,
            half_open=settings.dtls.half_open,
            half_open_network=settings.dtls.half_open_network,
            cookie_secret=self._master_key.derive("dtls cookies"),
            identity_secret=self._master_key.derive("dtls unknown identities"),
            cid_secret=self._master_key.derive("dtls connection ids"),
            stored_sessions=settings.dtls.engine == "native",
            shard=self._worker.shard() if self._worker is not None else 0,
        )
        port = DevicePort(
            self._connect,
            _identity_in,
            end_session=lambda session: self._dtls.server.close(session, port.now()),
            on_answer=self._on_answer,
            stored=self._sessions,
            lose=self._lose,
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
        if self._worker is not None:
            self._dtls.listen(self._worker.sock)
        else:
            self._dtls.open(settings.coap.host, settings.lwm2m.port)
        self._serve(port, self._dtls)
        self.port = self._dtls.socket.address[1]
        return config

    def _open_plain(self) -> None:
        if not self._insecure.account_id:
            raise ValueError("coap.insecure needs an account: set coap.insecure_account")
        port = DevicePort(self._connect, lambda address: self._insecure)
        transport = UdpTransport(port.endpoint, port.on_event)
        transport.open(self._settings.coap.host, self._settings.coap.port)
        self._serve(port, transport)
        self.plain_port = transport.socket.address[1]
        log.warning("coap without security is open", port=self.plain_port, account_id=self._insecure.account_id)

    async def _open_streams(self, config: ServerConfig) -> None:
        settings = self._settings
        tls = StreamPort(
            settings, lambda end: DevicePort(self._connect, _identity_in, end_session=end, streams=True), _rests_on
        )
        self._streams.append(tls)
        await tls.open_tls(
            config, settings.lwm2m.port, psk_key=self._psk_key, check_certificate=self._check_certificate
        )
        self.tls_port = tls.number
        if settings.coap.insecure:
            identity = self._insecure
            tcp = StreamPort(
                settings, lambda end: DevicePort(self._connect, lambda peer: identity, end_session=end, streams=True)
            )
            self._streams.append(tcp)
            await tcp.open_plain(settings.coap.port)
            self.tcp_port = tcp.number

    def _serve(self, port: DevicePort, transport: DtlsTransport | UdpTransport) -> None:
        port.flush = transport.flush
        self._transports.append(transport)
        self._ports.append(port)

    # Sessions

    async def _psk_key(self, identity: bytes) -> PskKey | None:
        owner = await self._credentials.owner_of_identity(identity)
        if owner is None:
            return None
        return PskKey(owner.key, self._credential_of(owner))

    def _credential_of(self, owner: PskOwner) -> str:
        """What a session remembers: a key that was deleted and made again under its name is another key."""
        digest = hmac.digest(self._master_key.derive("session credential"), owner.key, "sha256")[:8].hex()
        return f"{digest} {Identity(Proof.PSK, owner.account_id, owner.endpoint_name).text}"

    async def _check_certificate(self, chain: tuple[bytes, ...]) -> Verdict:
        at = self._clock.now() / MICROSECONDS
        try:
            path = verify_chain(chain, [self._anchor], at)  # 0.15 ms; 16 signatures at the most, 1.3 ms
            return Accepted(path, f"- {_identity_of(chain[0], path).text}")
        except CertificateError as error:
            return Rejected(error.alert, error.detail)
        except ValueError as error:
            return Rejected(AlertDescription.BAD_CERTIFICATE, str(error))

    def _on_session(self, event: SessionEvent) -> None:
        match event:
            case SessionEstablished(session):
                if self._settings.dtls.engine == "native":
                    self._sessions.hold(session, _identity_in(session).text)
                self._watch(session)
                self._succeed(session)
            case SessionWanted():
                self._spawn(self._resume(event))
            case SessionClosed(session, reason):
                self._sessions.ended(session)
                self._unwatch(session)
                if reason is CloseReason.REPLACED and self._secure.is_registered(session):
                    self._replaced = session
                    asyncio.get_running_loop().call_soon(self._end_replaced, session)
                else:
                    self._secure.disconnected(session)
            case HandshakeFailed(address, reason, detail):
                log.info("handshake failed", address=address, reason=reason.value, detail=detail)

    # A device that made a new handshake where it was: some do so after a pause, and neither register nor update

    def _succeed(self, session: Session) -> None:
        """The session that gave way to this one is told just before it; the registration made through it goes on here."""
        former, self._replaced = self._replaced, None
        if former is not None and (former.address, former.credential) == (session.address, session.credential):
            self._spawn(self._go_on(former, session))
        elif former is not None:
            self._secure.disconnected(former)

    def _end_replaced(self, session: Session) -> None:
        if self._replaced is session:  # by one that was loaded: that has its registration already
            self._replaced = None
            self._secure.disconnected(session)

    async def _go_on(self, former: Session, session: Session) -> None:
        identity = _identity_in(session)
        moved: list[Moved | None] = []

        async def move(tx: Transaction) -> None:
            where = text_of(session.address)
            moved[:] = [await self._connect.move(tx, identity, self._sessions.id_of(session), where)]

        try:
            await self._sessions.carry(session, move)
            for each in filter(None, moved):
                peer = self._secure.resumed(session)
                self._connect.moved(each, peer)
                self._connect.contacted(peer)
        except (Error, SessionLost) as error:
            log.info("a registration does not go on in its device's new session", why=str(error))
        finally:
            self._secure.disconnected(former)

    def _unwatch(self, session: Session) -> None:
        name = _rests_on(session)
        sessions = self._resting.get(name, set())
        sessions.discard(session)
        if not sessions:
            self._resting.pop(name, None)

    def _watch(self, session: Session) -> None:
        """A session must end with what it rests on."""
        self._resting.setdefault(_rests_on(session), set()).add(session)
        if isinstance(session.identity, PskIdentity):
            self._spawn(self._check_key(session))

    async def _check_key(self, session: Session) -> None:
        """A key that was deleted while the handshake went on was not found in any session then, nor was it looked up for
        a session that was resumed."""
        try:
            if not await self._still_good(session):
                self._secure.close_session(session)
        except Error as error:
            log.warning("a key could not be looked up again", why=str(error))

    async def _end_unless_good(self, session: Session) -> None:
        """A key was deleted. It may have been made again since, and the session rest on the new one."""
        try:
            good = await self._still_good(session)
        except Error:
            good = False
        if not good:
            self._secure.close_session(session)

    def _on_revoked(self, identity: bytes) -> None:
        if self.ready:
            self._dtls.server.forget_resumable(PskIdentity(identity))
        for session in list(self._resting.get(identity, ())):
            self._spawn(self._end_unless_good(session))
        for stream in self._streams:
            stream.revoke(identity)

    def _on_denied(self, account_id: str, device_id: str, endpoint_name: str) -> None:
        """A device was suspended or deleted: its sessions end, by certificate or by key."""
        by_certificate = Identity(Proof.CERTIFICATE, account_id, endpoint_name, device_id)
        by_key = Identity(Proof.PSK, account_id, endpoint_name)
        for name, identity in ((device_id, by_certificate), (endpoint_name.encode(), by_key)):
            if name in self._resting or any(stream.resting_on(name) for stream in self._streams):
                self._spawn(self._end_if_denied(name, identity))

    async def _end_if_denied(self, name: Hashable, identity: Identity) -> None:
        """Unless the device has been let in again since, or the key of that name is another account's."""
        try:
            if not await self._connect.is_denied(identity):
                return
        except Error as error:
            log.warning("a device could not be looked up again: its sessions end", why=str(error))
        for session in list(self._resting.get(name, ())):
            if _identity_in(session) == identity:
                self._dtls.server.forget_resumable(session.identity)
                self._secure.close_session(session)
        for stream in self._streams:
            for each in stream.resting_on(name):
                if _identity_in(each) == identity:
                    stream.end_session(each)

    # Sessions that are stored

    @property
    def _native(self) -> DtlsServer:
        """Our own engine: there are no stored sessions with another."""
        server = self._dtls.server
        assert isinstance(server, DtlsServer)
        return server

    async def _resume(self, wanted: SessionWanted) -> None:
        """A device speaks in a session that is not in memory: load it, or drop what came."""
        resumed = False
        try:
            for stored in await self._sessions.find(wanted.cid, text_of(wanted.address)):
                if resumed := await self._load(wanted, stored):
                    break
        except (Error, ValueError) as error:
            log.warning("a stored session was not loaded", why=str(error))
        finally:
            if not resumed:
                self._native.refuse_session(wanted)
        self._dtls.flush()

    async def _load(self, wanted: SessionWanted, stored: Stored) -> bool:
        """Take the session over, with the registration made through it. False: it is not the one, or not good any more.

        Raises DatabaseUnavailable, and ValueError for one that cannot be used.
        """
        server, mark = self._native, stored.receive_mark
        seen = server.proven_session(wanted, stored.blob, receive_mark=mark)
        if seen is None or (taken := await self._take(stored, seen, wanted.address)) is None:
            return False
        incarnation, moved = taken
        now = self._secure.now()
        session = server.restore_session(wanted, stored.blob, now, incarnation=incarnation, receive_mark=mark)
        self._resumed(session, stored, moved)
        return True

    async def _reach(self, account_id: str, device_id: str) -> None:
        """Something waits for a device that listens, and that has not spoken since its session was stored."""
        if not self.ready or self._settings.dtls.engine != "native":
            return
        server = self._native
        try:
            credential = await self._connect.credential_of_listening(account_id, device_id)
            found = await self._sessions.of_credential(credential) if credential else []
            if not found or self._sessions.is_held(found[0].id):
                return
            stored = found[0]
            seen = stored_session(stored.blob)
            if (taken := await self._take(stored, seen, seen.address)) is None:
                return
            incarnation, moved = taken
            session = server.import_session(
                stored.blob, self._secure.now(), incarnation=incarnation, receive_mark=stored.receive_mark
            )
        except (Error, ValueError) as error:
            log.warning("a stored session was not loaded", why=str(error))
            return
        peer = self._resumed(session, stored, moved)
        if peer is not None:
            self._connect.contacted(peer)

    async def _take(self, stored: Stored, seen: Session, address: Hashable) -> tuple[int, Moved | None] | None:
        """Make a stored session this process's, with the registration made through it; its incarnation. None: it is not to
        be had, or what it rests on is gone."""
        if not await self._still_good(seen):
            log.info("a stored session is void: what it rests on is gone", credential=stored.credential)
            await self._sessions.discard(stored)
            return None
        moved: list[Moved | None] = []

        async def move(tx: Transaction) -> None:
            moved[:] = [await self._connect.move(tx, _identity_in(seen), stored.id, text_of(address))]

        try:
            incarnation = await self._sessions.take(stored, move)
        except DeviceBlocked:
            log.info("a stored session is void: its device is kept out", credential=stored.credential)
            await self._sessions.discard(stored)
            return None
        return None if incarnation is None else (incarnation, moved[0])

    def _resumed(self, session: Session, stored: Stored, moved: Moved | None) -> DevicePeer | None:
        """The session is in memory: let its device go on, if it is registered."""
        self._sessions.taken(session, stored)
        self._watch(session)
        if moved is None:
            return None
        peer = self._secure.resumed(session)
        self._connect.moved(moved, peer)
        return peer

    async def _still_good(self, session: Session) -> bool:
        """Whether a device with that credential would get a session now (gateway rule 1.5)."""
        match session.identity:
            case PskIdentity(identity):
                owner = await self._credentials.owner_of_identity(identity)
                return owner is not None and self._credential_of(owner) == session.credential
            case CertificateIdentity(fingerprints):
                return fingerprints[-1] == self._anchor.fingerprint

    def _lose(self, session: Session) -> None:
        """Another process has the session: let go of it without a word to the device."""
        self._dtls.server.forget(session)
        self._sessions.lost(session)
        self._unwatch(session)
        self._secure.disconnected(session)

    async def _prune(self) -> None:
        while True:
            try:
                while await self._sessions.prune():
                    pass
            except Error as error:
                log.warning("stored sessions whose time is over stay for now", why=str(error))
            await asyncio.sleep(PRUNE_EVERY)

    def _on_answer(self, session: Session, address: Hashable) -> None:
        """A device that answers what was sent to its new address is there. What was sent to the old one proves nothing: its
        answer may have been sent on by somebody else (gateway rule 2.6)."""
        if session.fallback_address is not None and address == session.address:
            self._dtls.server.confirm_address(session)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _identity_in(session: Any) -> Identity:
    """Who is behind a session, as it remembers."""
    return parse_identity(session.credential.partition(" ")[2])


def _rests_on(session: Any) -> Hashable:
    """The identity of the key that a session rests on, or the device that its certificate names."""
    return key_of(session.identity) or _identity_in(session).device_id


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
