"""OpenSSL behind the face of our DTLS engine: for those who must have it, and as its oracle in tests (``dtls.engine``).

The same cookies, limits, questions and events; no Connection ID, nothing stored, no resumption, and some 70 KB a session.
OpenSSL counts time by its own clock, so flights are repeated here. Records in the clear get their numbers here too.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Hashable
from typing import Any

from OpenSSL import SSL

from lamplighter.dtls import (
    AlertDescription,
    CertificateIdentity,
    CertificateReceived,
    CloseReason,
    DataReceived,
    Event,
    FailureReason,
    HandshakeFailed,
    Identity,
    PskIdentity,
    PskRequested,
    ServerConfig,
    Session,
    SessionClosed,
    SessionEstablished,
    VerifiedPath,
)
from lamplighter.dtls.certificates import not_after
from lamplighter.dtls.ciphers import CIPHER_SUITES
from lamplighter.dtls.cookies import Cookies
from lamplighter.dtls.failures import HandshakeError
from lamplighter.dtls.handshake import (
    alert_name,
    hello_parameters,
    hello_verify_request,
    message,
    parse_alert,
    parse_client_hello,
)
from lamplighter.dtls.negotiation import negotiate
from lamplighter.dtls.numbers import DTLS_1_0, DTLS_1_2, AlertLevel, ContentType, HandshakeType
from lamplighter.dtls.openings import Openings
from lamplighter.dtls.records import HEADER, HEADER_LENGTH, plaintext_record
from lamplighter.dtls.registry import Sessions

from .dtls_openssl_flight import datagrams, hello_of, identity_in, protected_part, renumbered
from .dtls_openssl_handshake import OpensslHandshake
from .tls_context import PskCallback, chain_of, datagram_context, suite_number

_HANDSHAKE = int(ContentType.HANDSHAKE)
_HELD = 4
"""Datagrams kept while a question is open."""
_REPEATS = 12
_ALERT_NUMBER = 2**32
"""Of our alerts in epoch 0: above all that OpenSSL used."""
_FLIGHTS_LIMIT = 16 * 1024
"""Bytes that one peer may send in a handshake."""


class OpensslSession(Session):
    """A session whose keys only OpenSSL knows: it cannot be exported, and has no connection ID."""

    __slots__ = ("connection", "numbers")

    def __init__(self, handshake: OpensslHandshake, identity: Identity, credential: str) -> None:
        self.connection = handshake.connection
        self.numbers = handshake.numbers
        self.address = handshake.address
        self.fallback_address = None
        self.identity = identity
        self.credential = credential
        self.cid = self.peer_cid = self.session_id = b""
        self.closed = False
        self.established_at = self.valid_until = self.expires = 0.0


class OpensslServer:
    """The face of ``DtlsServer``, as far as OpenSSL goes."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.shed = False
        self.refused = 0
        self.sessions = Sessions()
        self._cookies = Cookies(config.cookie_secret)
        self._psk = PskCallback()
        self._renew()
        self._handshakes: Openings[OpensslHandshake] = Openings(config)
        self._events: deque[Event] = deque()
        self._outgoing: list[tuple[bytes, Hashable]] = []

    def _renew(self) -> None:
        """Another context, with the certificate that is shown now."""
        config = self.config
        suites = [number for number in config.cipher_suites if config.speaks(number)]
        self._context = datagram_context(config.certificate_chain, config.private_key, suites, self._psk)
        self._shown = config.certificate_chain

    @property
    def half_open(self) -> int:
        return len(self._handshakes)

    # The five calls

    def receive_datagram(self, data: bytes, address: Hashable, now: float) -> None:
        """Take in what arrived. Whatever cannot be understood is dropped."""
        if len(data) < HEADER_LENGTH:
            return
        kind, version, number, length = HEADER.unpack_from(data)
        if version >> 8 != 0xFE or kind not in range(20, 24):
            return
        handshake = self._handshakes.by_address.get(address)
        session = self.sessions.by_address(address)
        if number >> 48 == 0:
            if kind == _HANDSHAKE and (hello := hello_of(data)) is not None:
                self._receive_hello(data, *hello, number, address, now)
            elif kind == ContentType.ALERT and handshake is not None:
                alert = parse_alert(data[HEADER_LENGTH : HEADER_LENGTH + length])
                if alert is not None and alert[0] == AlertLevel.FATAL:
                    self._fail(handshake, FailureReason.PEER_ALERT, alert_name(alert[1]))
            elif handshake is not None:
                self._shake(handshake, data, now)
            elif isinstance(session, OpensslSession) and (again := protected_part(data)):
                self._receive_records(session, again, now)
        elif kind == _HANDSHAKE and handshake is not None:
            self._shake(handshake, data, now)
        elif isinstance(session, OpensslSession):
            self._receive_records(session, data, now)

    def handle_timer(self, now: float) -> None:
        for handshake in self._handshakes.due(now):
            if now >= handshake.ends:
                self._fail(handshake, FailureReason.TIMED_OUT, "the handshake came to no end")
            else:
                handshake.wait = min(handshake.wait * 2, self.config.retransmission_limit)
                self._repeat(handshake, now)
                self._handshakes.watch(handshake)
        for session in self.sessions.expired(now):
            self._end(session, CloseReason.EXPIRED)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        outgoing = self._outgoing.copy()
        self._outgoing.clear()
        return outgoing

    def get_timer(self) -> float | None:
        handshakes, sessions = self._handshakes.timer(), self.sessions.timer()
        moment = handshakes if sessions is None else min(handshakes, sessions)
        return None if moment == math.inf else moment

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # Answers to events

    def provide_psk(self, handshake: Any, key: bytes | None, now: float, *, credential: str = "") -> None:
        if self._answers(handshake):
            handshake.key, handshake.credential = key or b"", credential
            self._release(handshake, now)

    def accept_certificate(
        self, handshake: Any, now: float, *, path: VerifiedPath | None = None, credential: str = ""
    ) -> None:
        if self._answers(handshake):
            if path is None:
                fingerprints = tuple(hashlib.sha256(der).digest() for der in handshake.chain)
                identity = CertificateIdentity(fingerprints, not_after(handshake.chain))
            else:
                identity = CertificateIdentity(path.fingerprints, path.not_after)
            self._establish(handshake, identity, credential, now)

    def reject_certificate(self, handshake: Any, alert: AlertDescription, now: float, *, detail: str = "") -> None:
        if self._answers(handshake):
            self._tell(handshake, alert)
            self._fail(handshake, FailureReason.CERTIFICATE_REJECTED, detail or alert.name.lower())

    def abandon(self, handshake: Any, now: float, *, detail: str = "") -> None:
        if self._handshakes.holds(handshake):
            self._fail(handshake, FailureReason.ABANDONED, detail)

    # Sessions

    def send(self, session: Session, data: bytes, now: float) -> bool:
        """As ``DtlsServer.send``."""
        if len(data) > session.fragment_limit:
            raise ValueError(f"{len(data)} bytes do not fit a record of {session.fragment_limit}")
        if session.closed or not isinstance(session, OpensslSession):
            return False
        if now >= session.expires:
            self._end(session, CloseReason.EXPIRED)
            return False
        session.connection.send(data)
        self._transmit(session)
        return True

    def close(self, session: Session, now: float) -> None:
        """End a session with close_notify."""
        if isinstance(session, OpensslSession) and not session.closed:
            self._shut_down(session)
            self._end(session, CloseReason.CLOSED)

    def forget(self, session: Session) -> None:
        if not session.closed:
            session.closed = True
            self.sessions.remove(session)

    def confirm_address(self, session: Session) -> None:
        """Its address never changes."""

    def forget_resumable(self, identity: Identity) -> None:
        """Nothing is resumed."""

    # Handshakes

    def _receive_hello(
        self, data: bytes, sequence: int, body: bytes, whole: bool, number: int, address: Hashable, now: float
    ) -> None:
        try:
            parameters, cookie = hello_parameters(body)
        except HandshakeError:
            return
        wall, random = self.config.wall_time(), parameters[2:34]
        existing = self._handshakes.by_address.get(address)
        if existing is not None and existing.random == random and cookie:
            self._repeat(existing, now)
            return
        if not self._cookies.check(cookie, address, parameters, wall):
            made = hello_verify_request(self._cookies.make(address, parameters, wall))
            answer = message(HandshakeType.HELLO_VERIFY_REQUEST, sequence & 0xFF, made)
            self._outgoing.append((plaintext_record(ContentType.HANDSHAKE, DTLS_1_0, number, answer), address))
            return
        if existing is not None:
            self._fail(existing, FailureReason.SUPERSEDED, "the peer began anew")
        if (
            self.shed or not self._handshakes.has_room(address, now) or not whole
        ):  # OpenSSL wants this message in one piece
            self.refused += 1
            return
        if self._shown is not self.config.certificate_chain:
            self._renew()
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(self.config.mtu)
        handshake = OpensslHandshake(self.config, connection, address, random, number, now)
        self._handshakes.add(handshake)
        self._handshakes.watch(handshake)
        try:
            agreement = negotiate(parse_client_hello(body), self.config)
        except HandshakeError as error:
            self._tell(handshake, error.alert)
            self._fail(handshake, error.reason, error.detail)
            return
        handshake.extended_master_secret = agreement.extended_master_secret
        handshake.fragment_limit = min(agreement.fragment_limit, self.config.mtu - 65)
        connection.bio_write(data)
        try:
            connection.DTLSv1_listen()  # the cookie was good: ours, checked above
        except SSL.Error:
            self._fail(handshake, FailureReason.MALFORMED, "OpenSSL cannot read the ClientHello")
            return
        self._advance(handshake, now)

    def _shake(self, handshake: OpensslHandshake, data: bytes, now: float) -> None:
        handshake.size += len(data)
        if handshake.size > 2 * _FLIGHTS_LIMIT:
            self._tell(handshake, AlertDescription.HANDSHAKE_FAILURE)
            self._fail(handshake, FailureReason.TOO_LARGE, f"{handshake.size} bytes of handshake")
            return
        if handshake.asks:
            if len(handshake.held) < _HELD:
                handshake.held.append(data)
            return
        identity = identity_in(data)
        if identity is not None and handshake.identity is None:
            handshake.identity, handshake.timer = PskIdentity(identity), None
            handshake.held.append(data)
            self._ask(handshake, PskRequested(handshake, identity), now)  # type: ignore[arg-type]
            return
        handshake.connection.bio_write(data)
        self._advance(handshake, now)

    def _advance(self, handshake: OpensslHandshake, now: float) -> None:
        connection = handshake.connection
        self._psk.find = handshake.key_for
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            if sent := datagrams(connection, self.config.mtu):
                handshake.flight = sent
                self._send_flight(handshake, now)
            return
        except SSL.Error as error:
            if handshake.identity is None:
                self._transmit(handshake)
            self._fail(handshake, *handshake.failure(error))
            return
        handshake.timer = None
        cipher = connection.get_cipher_name() or ""
        if not cipher.startswith("PSK-"):
            handshake.chain = chain_of(connection)
            self._ask(handshake, CertificateReceived(handshake, handshake.chain), now)  # type: ignore[arg-type]
        elif handshake.identity is not None and handshake.key_given:
            self._establish(handshake, handshake.identity, handshake.credential, now)
        else:
            self._fail(handshake, FailureReason.UNKNOWN_PSK_IDENTITY, "the key was made up for nobody")

    def _release(self, handshake: OpensslHandshake, now: float) -> None:
        held, handshake.held = handshake.held, []
        for data in held:
            if self._handshakes.holds(handshake):
                handshake.connection.bio_write(data)
                self._advance(handshake, now)

    def _establish(self, handshake: OpensslHandshake, identity: Identity, credential: str, now: float) -> None:
        self._handshakes.remove(handshake)
        old = self.sessions.by_address(handshake.address)
        if old is not None:
            self._end(old, CloseReason.REPLACED)
        session = OpensslSession(handshake, identity, credential)
        session.extended_master_secret = handshake.extended_master_secret
        session.fragment_limit = handshake.fragment_limit
        session.cipher = CIPHER_SUITES[suite_number(handshake.connection.get_cipher_name() or "")]
        session.established_at = wall = self.config.wall_time()
        session.valid_until = min(wall + self.config.session_age, identity.not_after)
        session.expires = now + session.valid_until - wall
        self.sessions.add(session)
        self._events.append(
            SessionEstablished(session, identity, session.cipher.name, b"", session.extended_master_secret)
        )
        self._transmit(session)
        self._receive_records(session, b"", now)
        for data in handshake.held:
            self._receive_records(session, data, now)

    def _ask(self, handshake: OpensslHandshake, question: Event, now: float) -> None:
        handshake.asks = True
        self._handshakes.ask(handshake, now)
        self._events.append(question)

    def _answers(self, handshake: OpensslHandshake) -> bool:
        asked, handshake.asks = handshake.asks, False
        return self._handshakes.is_answered(handshake) and asked

    def _send_flight(self, handshake: OpensslHandshake, now: float) -> None:
        self._outgoing += [(renumbered(each, handshake.numbers), handshake.address) for each in handshake.flight]
        handshake.timer = now + handshake.wait
        self._handshakes.watch(handshake)

    def _repeat(self, handshake: OpensslHandshake, now: float) -> None:
        handshake.repeats += 1
        if handshake.repeats > _REPEATS or handshake.asks:
            handshake.timer = None
        else:
            self._send_flight(handshake, now)

    def _tell(self, handshake: OpensslHandshake, alert: AlertDescription) -> None:
        record = plaintext_record(ContentType.ALERT, DTLS_1_2, _ALERT_NUMBER, bytes((AlertLevel.FATAL, alert)))
        self._outgoing.append((record, handshake.address))

    def _fail(self, handshake: OpensslHandshake, reason: FailureReason, detail: str) -> None:
        self._handshakes.remove(handshake)
        self._events.append(HandshakeFailed(handshake.address, reason, detail))

    # Records

    def _receive_records(self, session: OpensslSession, data: bytes, now: float) -> None:
        if now >= session.expires:
            self._end(session, CloseReason.EXPIRED)
            return
        try:
            if data:
                session.connection.bio_write(data)
            while True:
                self._events.append(DataReceived(session, session.connection.recv(1 << 16)))
        except SSL.WantReadError:
            self._transmit(session)
        except SSL.ZeroReturnError:
            self._shut_down(session)
            self._end(session, CloseReason.CLOSE_NOTIFY)
        except SSL.Error:
            self._transmit(session)
            self._end(session, CloseReason.PEER_ALERT)

    def _shut_down(self, session: OpensslSession) -> None:
        try:
            session.connection.shutdown()
        except SSL.Error:
            return
        self._transmit(session)

    def _end(self, session: Session, reason: CloseReason) -> None:
        if not session.closed:
            session.closed = True
            self.sessions.remove(session)
            self._events.append(SessionClosed(session, reason))

    def _transmit(self, at: OpensslHandshake | OpensslSession) -> None:
        written = datagrams(at.connection, self.config.mtu)
        self._outgoing += [(renumbered(each, at.numbers), at.address) for each in written]
