"""The DTLS 1.2 server: many peers on one socket, without the socket (RFC 6347, RFC 9146).

The face is five calls - ``receive_datagram``, ``handle_timer``, ``datagrams_to_send``, ``get_timer``, ``next_event`` - and
methods that answer an event. ``now`` is in seconds on any clock that does not go back. No call raises for what a peer sends.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

from .certificates import VerifiedPath
from .configuration import ServerConfig
from .cookies import Cookies
from .established import Established
from .events import CloseReason, Event, HandshakeFailed, SessionEstablished, SessionWanted
from .failures import FailureReason, HandshakeError
from .handshake import (
    Fragment,
    alert_name,
    hello_parameters,
    hello_verify_request,
    message,
    parse_alert,
    parse_fragments,
)
from .identities import Identity
from .numbers import DTLS_1_0, AlertDescription, AlertLevel, ContentType, HandshakeType
from .openings import Openings
from .records import CID_HEADER, EPOCH_1, EPOCH_2, HEADER, HEADER_LENGTH, plaintext_record
from .registry import Sessions
from .resumption import Resumables
from .server_handshake import ServerHandshake
from .sessions import ForgedTooOften, Session, export_session, import_session, is_proven, stored_session
from .states import State
from .wanted import Record, Wanted

# As plain numbers, for what every record is asked: to fetch a member of an enumeration takes longer than to compare it.
_CID_TYPE, _HANDSHAKE, _ALERT = int(ContentType.TLS12_CID), int(ContentType.HANDSHAKE), int(ContentType.ALERT)
_APPLICATION_DATA = int(ContentType.APPLICATION_DATA)
_CLIENT_HELLO = int(HandshakeType.CLIENT_HELLO)
_CID_AT = CID_HEADER.size
_SEQUENCE_MASK = 2**48 - 1
_SEQUENCE_LIMIT = 255
"""Greatest message_seq of a ClientHello: it is 0, or 1 after HelloVerifyRequest, and ours are counted on from it."""
_SILENT = frozenset((FailureReason.WRONG_KEY, FailureReason.UNKNOWN_PSK_IDENTITY, FailureReason.TIMED_OUT))
"""Failures that the peer is not told: a stranger must not learn which identities exist."""


class DtlsServer:
    """One server engine. Not thread-safe."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.shed = False
        """Set by whoever sees that handshakes pile up in front of the engine: new ones are then ignored, silently."""
        self.refused = 0
        """Handshakes ignored for lack of room, so far."""
        self._cookies = Cookies(config.cookie_secret)
        self._handshakes: Openings[ServerHandshake] = Openings(config)
        self._events: deque[Event] = deque()
        self._outgoing: list[tuple[bytes, Hashable]] = []
        self._established = Established(self._events, self._outgoing)
        self._wanted = Wanted()
        self._resumables = Resumables(config.resumable_sessions)

    # The five calls

    def receive_datagram(self, data: bytes, address: Hashable, now: float) -> None:
        """Take in what arrived. Whatever cannot be understood is dropped."""
        at, end = 0, len(data)
        while end - at >= HEADER_LENGTH:
            content_type, version, number, length = HEADER.unpack_from(data, at)
            first, start, cid = at, at + HEADER_LENGTH, b""
            if content_type == _CID_TYPE:
                cid_end = at + _CID_AT + self.config.cid_length
                cid = data[at + _CID_AT : cid_end]
                start = cid_end + 2
                length = int.from_bytes(data[cid_end:start], "big")
            at = start + length
            if at > end or version >> 8 != 0xFE:
                return
            fragment = data[start:at]
            if number < EPOCH_1:
                if not cid:
                    self._receive_plaintext(content_type, number, fragment, address, now)
            elif number < EPOCH_2:
                session = self._established.sessions.of_record(cid, address)
                if session is not None and content_type != _HANDSHAKE:
                    self._established.receive(session, content_type, number, fragment, address, at - first, now)
                elif cid:
                    self._receive_unknown_cid(cid, Record(content_type, number, fragment, address, at - first), now)
                else:
                    self._receive_without_cid(Record(content_type, number, fragment, address, at - first), now)

    def handle_timer(self, now: float) -> None:
        """Do what is due: send flights again, give up old handshakes, end sessions whose time is over."""
        for handshake in self._handshakes.due(now):
            if now - handshake.started >= self.config.handshake_age:
                self._give_up(handshake, FailureReason.TIMED_OUT, f"while {handshake.state.name}")
            else:
                handshake.handle_timer(now)
                self._handshakes.watch(handshake)
        self._established.handle_timer(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        """Datagrams and where they go. Each is given once."""
        outgoing = self._outgoing.copy()
        self._outgoing.clear()
        return outgoing

    def get_timer(self) -> float | None:
        """When ``handle_timer`` is to be called, on the clock of ``now``; None: not needed."""
        handshakes, sessions = self._handshakes.timer(), self._established.timer()
        moment = handshakes if sessions is None else min(handshakes, sessions)
        return None if moment == math.inf else moment

    def next_event(self) -> Event | None:
        """The next thing that happened; None: no more."""
        return self._events.popleft() if self._events else None

    # Answers to events. An answer that comes too late, when the handshake is gone, is ignored.

    def provide_psk(self, handshake: ServerHandshake, key: bytes | None, now: float, *, credential: str = "") -> None:
        """Answer PskRequested. None: nobody has that identity; the peer cannot tell it from a wrong key."""
        if self._answers(handshake, State.AWAIT_KEY):
            try:
                handshake.provide_psk(key, credential)
            except HandshakeError as error:
                self._fail(handshake, error)
            else:
                self._settle(handshake, now)

    def accept_certificate(
        self, handshake: ServerHandshake, now: float, *, path: VerifiedPath | None = None, credential: str = ""
    ) -> None:
        """Answer CertificateReceived. ``path`` is what the session then rests on; without it, the chain as sent."""
        if self._answers(handshake, State.AWAIT_VERDICT):
            try:
                handshake.accept_certificate(path, credential)
            except HandshakeError as error:
                self._fail(handshake, error)
            else:
                self._settle(handshake, now)

    def reject_certificate(
        self, handshake: ServerHandshake, alert: AlertDescription, now: float, *, detail: str = ""
    ) -> None:
        """Answer CertificateReceived: the peer is told the alert."""
        if self._answers(handshake, State.AWAIT_VERDICT):
            self._fail(
                handshake, HandshakeError(alert, FailureReason.CERTIFICATE_REJECTED, detail or alert.name.lower())
            )

    def abandon(self, handshake: ServerHandshake, now: float, *, detail: str = "") -> None:
        """Forget a handshake without a word: for a question that cannot be answered now. The peer will try again."""
        if self._handshakes.holds(handshake):
            self._give_up(handshake, FailureReason.ABANDONED, detail)

    # Sessions

    def send(self, session: Session, data: bytes, now: float) -> bool:
        """Send application data in one record. False when the session is over.

        Raises ValueError for more than the peer takes (``session.fragment_limit``).
        """
        if len(data) > session.fragment_limit:
            raise ValueError(f"{len(data)} bytes do not fit a record of {session.fragment_limit}")
        if session.closed or self._established.has_expired(session, now):
            return False
        return self._established.send(session, ContentType.APPLICATION_DATA, data)

    def close(self, session: Session, now: float) -> None:
        """End a session with close_notify. It cannot be resumed."""
        self._resumables.end(session.session_id)
        if not session.closed:
            self._established.send_alert(session, AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
            self._established.end(session, CloseReason.CLOSED)

    def forget(self, session: Session) -> None:
        """Take a session out of memory without a word to the peer, after it was exported or taken over. There is no event."""
        if not session.closed:
            self._established.remove(session)

    def proven_session(self, wanted: SessionWanted, blob: bytes, *, receive_mark: int = 0) -> Session | None:
        """What came for a session that is not in memory, held against an exported one (see ``sessions.is_proven``): that one, to
        look at; None when nothing of it is its own. Raises ValueError as ``import_session`` does, and ForgedTooOften."""
        session = stored_session(blob, receive_mark=receive_mark)
        before = session.reader.failures
        proven = is_proven(session, self._wanted.of(wanted.key))
        session.reader.failures = before + self._wanted.count_forged(wanted.key, session.reader.failures - before)
        if session.is_forged_too_often:
            raise ForgedTooOften("too many forged records arrived for it")
        return session if proven else None

    def restore_session(
        self, wanted: SessionWanted, blob: bytes, now: float, *, incarnation: int, receive_mark: int = 0
    ) -> Session:
        """Answer SessionWanted: ``import_session``, then take in what was kept. Raises ValueError as that does."""
        records = self._wanted.take(wanted.key)
        session = self.import_session(blob, now, incarnation=incarnation, receive_mark=receive_mark)
        session.reader.failures += self._wanted.count_forged(wanted.key, 0)
        for each in records:
            if not session.closed:
                self._established.receive(session, *each, now)
        return session

    def refuse_session(self, wanted: SessionWanted) -> None:
        """Answer SessionWanted: it is not stored, or not to be used. What was kept is dropped, without a word."""
        self._wanted.take(wanted.key)

    def forget_resumable(self, identity: Identity) -> None:
        """That peer has to prove itself again before it gets another session."""
        self._resumables.forget(identity)

    def confirm_address(self, session: Session) -> None:
        """The device acknowledged something that was sent to its new address: the address is its own."""
        session.fallback_address = None

    def export_session(self, session: Session) -> bytes:
        """See ``sessions.export_session``: seal the bytes before they are stored."""
        return export_session(session)

    def import_session(self, blob: bytes, now: float, *, incarnation: int, receive_mark: int = 0) -> Session:
        """Take up an exported session under an incarnation that was durably taken for it.

        Raises ValueError for a blob that cannot be used: another layout, an incarnation used before, or a session that is
        too old. An older life of the same session is replaced; one without connection ID gives way to whoever made a new
        session at its address, and that is ValueError too.
        """
        session = import_session(blob, incarnation=incarnation, receive_mark=receive_mark)
        wall = self.config.wall_time()
        session.expires = now + session.valid_until - wall
        if session.valid_until <= wall:
            raise ValueError("the session has expired")
        if session.cid and len(session.cid) != self.config.cid_length:
            raise ValueError(f"the session's connection ID has {len(session.cid)} bytes, not {self.config.cid_length}")
        if session.cid:
            existing = self._established.sessions.by_cid(session.cid)
            if existing is not None:
                self._established.end(existing, CloseReason.REPLACED)
        elif self._established.sessions.by_address(session.address) is not None:
            raise ValueError("its address has another session now")
        self._established.sessions.add(session)
        return session

    @property
    def sessions(self) -> Sessions:
        """All sessions in memory."""
        return self._established.sessions

    @property
    def half_open(self) -> int:
        """Handshakes that are open."""
        return len(self._handshakes)

    # Epoch 0

    def _receive_plaintext(
        self, content_type: int, number: int, fragment: bytes, address: Hashable, now: float
    ) -> None:
        handshake = self._handshakes.by_address.get(address)
        if content_type == _HANDSHAKE:
            try:
                fragments = parse_fragments(fragment)
                if fragments and fragments[0].type == _CLIENT_HELLO:
                    handshake = self._receive_client_hello(fragments[0], number, address, now, handshake)
            except HandshakeError:
                return
            if handshake is None:
                return
            try:
                handshake.receive_plaintext(fragments, now)
            except HandshakeError as error:
                self._fail(handshake, error)
            else:
                self._settle(handshake, now)
        elif content_type == _ALERT and handshake is not None:
            alert = parse_alert(fragment)
            if alert is not None and (alert[0] == AlertLevel.FATAL or alert[1] == AlertDescription.CLOSE_NOTIFY):
                self._give_up(handshake, FailureReason.PEER_ALERT, alert_name(alert[1]))

    def _receive_client_hello(
        self, first: Fragment, number: int, address: Hashable, now: float, existing: ServerHandshake | None
    ) -> ServerHandshake | None:
        """The handshake that this ClientHello belongs to. A new one only after a good cookie: until then nothing is kept.

        Raises MalformedMessage when not even the cookie can be read.
        """
        if first.offset or first.sequence > _SEQUENCE_LIMIT:
            return existing
        parameters, cookie = hello_parameters(first.body)
        random = parameters[2:34]
        if existing is not None and existing.client_random == random and cookie:
            return existing
        wall_time = self.config.wall_time()
        if not self._cookies.check(cookie, address, parameters, wall_time):
            self._send_hello_verify_request(first, number, address, self._cookies.make(address, parameters, wall_time))
            return None
        if existing is not None:
            self._give_up(existing, FailureReason.SUPERSEDED, f"while {existing.state.name}")
        if self.shed or not self._handshakes.has_room(address, now):
            self.refused += 1
            return None
        handshake = ServerHandshake(
            self.config, self._resumables, self._outgoing, address, random, first.sequence, number & _SEQUENCE_MASK, now
        )
        self._handshakes.add(handshake)
        return handshake

    def _send_hello_verify_request(self, hello: Fragment, number: int, address: Hashable, cookie: bytes) -> None:
        """With the numbers of the ClientHello, so that there is nothing to remember (RFC 6347 section 4.2.1)."""
        body = message(HandshakeType.HELLO_VERIFY_REQUEST, hello.sequence, hello_verify_request(cookie))
        self._outgoing.append((plaintext_record(ContentType.HANDSHAKE, DTLS_1_0, number, body), address))

    # Handshakes

    def _settle(self, handshake: ServerHandshake, now: float) -> None:
        """After every step of a handshake: hand on its question, and note where it stands."""
        if handshake.state is State.ESTABLISHED:
            self._establish(handshake, now)
            return
        if handshake.question is not None:
            self._events.append(handshake.question)
            handshake.question = None
            self._handshakes.ask(handshake, now)
        self._handshakes.watch(handshake)

    def _establish(self, handshake: ServerHandshake, now: float) -> None:
        session, final_flight = handshake.session, handshake.final_flight
        assert session is not None
        self._handshakes.remove(handshake)
        wall = self.config.wall_time()
        session.established_at = wall
        session.valid_until = min(wall + self.config.session_age, session.identity.not_after)
        session.session_id = handshake.session_id
        if handshake.resumed is not None:
            session.valid_until = min(session.valid_until, handshake.resumed.valid_until)
        elif (resumable := handshake.resumable(session.valid_until)) is not None:
            self._resumables.add(resumable)
        session.expires = now + session.valid_until - wall
        old = self._established.sessions.by_address(handshake.address)
        if old is not None and (not old.cid or old.identity == session.identity):
            self._established.end(old, CloseReason.REPLACED)
        self._established.add(session, final_flight, now + self.config.final_flight_kept)
        self._events.append(
            SessionEstablished(
                session, session.identity, session.cipher.name, session.cid, session.extended_master_secret
            )
        )

    def _answers(self, handshake: ServerHandshake, state: State) -> bool:
        return self._handshakes.is_answered(handshake) and handshake.state is state

    def _fail(self, handshake: ServerHandshake, error: HandshakeError) -> None:
        if error.reason not in _SILENT:
            self._outgoing.append((handshake.alert(error.alert), handshake.address))
        self._give_up(handshake, error.reason, error.detail)

    def _give_up(self, handshake: ServerHandshake, reason: FailureReason, detail: str) -> None:
        self._handshakes.remove(handshake)
        handshake.state = State.FAILED
        self._events.append(HandshakeFailed(handshake.address, reason, detail))

    # Epoch 1

    def _receive_without_cid(self, record: Record, now: float) -> None:
        """A record of no session in memory; or Finished, which may belong to a session or to a handshake beside it."""
        sessions = self._established.sessions
        if record.content_type == _HANDSHAKE:
            self._receive_finished(record, now)
            session = sessions.of_record(b"", record.address)
            if session is not None:
                self._established.receive(session, *record, now)
        elif record.content_type == _APPLICATION_DATA and sessions.by_address(record.address) is None:
            if self._wanted.may_ask_for_stranger(now):
                self._want(b"", record)

    def _receive_unknown_cid(self, cid: bytes, record: Record, now: float) -> None:
        handshake = self._handshakes.by_address.get(record.address)
        if handshake is not None and handshake.cid == cid:
            self._receive_finished(record, now)
        elif self.config.connection_ids.is_own(cid):
            self._want(cid, record)

    def _want(self, cid: bytes, record: Record) -> None:
        """Somebody else may know the session of that record."""
        if self.config.stored_sessions and self._wanted.keep(cid or record.address, record):
            self._events.append(SessionWanted(cid, record.address))

    def _receive_finished(self, record: Record, now: float) -> None:
        handshake = self._handshakes.by_address.get(record.address)
        if handshake is None:
            return
        try:
            handshake.receive_protected(record.content_type, record.number, record.fragment)
        except HandshakeError as error:
            self._fail(handshake, error)
        else:
            self._settle(handshake, now)
