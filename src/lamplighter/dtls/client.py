"""The client half, for simulated devices and tests. The service itself imports nothing of it.

One engine is one connection to one server. The face is the server's: five calls, ``now`` in seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

from .client_configuration import ClientConfig
from .client_handshake import ClientHandshake
from .events import CloseReason, DataReceived, Event, HandshakeFailed, SessionClosed, SessionEstablished
from .failures import FailureReason, HandshakeError
from .handshake import alert_name, parse_alert
from .numbers import AlertDescription, AlertLevel, ContentType
from .records import CID_HEADER, HEADER, HEADER_LENGTH, SequenceExhausted
from .resumption import Resumable
from .sessions import Session, export_session, import_session
from .states import State

_SILENT = frozenset((FailureReason.WRONG_KEY, FailureReason.TIMED_OUT))


class DtlsClient:
    """A client engine. ``connect`` begins; what follows are events."""

    def __init__(self, config: ClientConfig, address: Hashable = "server") -> None:
        self.config = config
        self.address = address
        self.session: Session | None = None
        self.resumable: Resumable | None = None
        """What the session leaves for the next one, where the server allows that."""
        self._handshake: ClientHandshake | None = None
        self._last: ClientHandshake | None = None
        self._events: deque[Event] = deque()
        self._outgoing: list[bytes] = []

    def connect(self, now: float, resumable: Resumable | None = None) -> None:
        """Begin a handshake. A session that exists stays in use until the new one is there.

        ``resumable``: of an earlier session, to go on with if the server agrees.
        """
        self._handshake = ClientHandshake(self.config, self.address, now, resumable)
        self._last = None
        self._take()

    # The five calls

    def receive_datagram(self, data: bytes, address: Hashable, now: float) -> None:
        """Take in what arrived. Whatever cannot be understood is dropped."""
        at, end = 0, len(data)
        own_cid = self.config.connection_id or b""
        while end - at >= HEADER_LENGTH:
            content_type, version, number, length = HEADER.unpack_from(data, at)
            start = at + HEADER_LENGTH
            if content_type == ContentType.TLS12_CID:
                cid_end = at + CID_HEADER.size + len(own_cid)
                if data[at + CID_HEADER.size : cid_end] != own_cid:
                    return
                length = int.from_bytes(data[cid_end : cid_end + 2], "big")
                start = cid_end + 2
            at = start + length
            if at > end or version >> 8 != 0xFE:
                return
            fragment = data[start:at]
            if number >> 48 == 0:
                self._receive_plaintext(content_type, fragment, now)
            elif number >> 48 == 1:
                self._receive_protected(content_type, number, fragment, now)

    def handle_timer(self, now: float) -> None:
        """Send the last flight again, or give up."""
        handshake = self._handshake
        if handshake is not None and now >= handshake.due:
            if now - handshake.started >= self.config.handshake_age:
                self._give_up(FailureReason.TIMED_OUT, f"while {handshake.state.name}")
            else:
                handshake.handle_timer(now)
                self._take()

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        outgoing, self._outgoing = self._outgoing, []
        return [(datagram, self.address) for datagram in outgoing]

    def get_timer(self) -> float | None:
        return None if self._handshake is None else self._handshake.due

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # The session

    def send(self, data: bytes, now: float) -> bool:
        """Send application data. False when there is no session."""
        session = self.session
        if session is None or session.closed:
            return False
        try:
            self._outgoing.append(session.writer.protect(ContentType.APPLICATION_DATA, data))
        except SequenceExhausted:
            self._end(session, CloseReason.SEQUENCE_EXHAUSTED)
            return False
        return True

    def close(self, now: float) -> None:
        """End the session with close_notify."""
        if self.session is not None and not self.session.closed:
            self._send_alert(self.session, AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
            self._end(self.session, CloseReason.CLOSED)

    def export_session(self) -> bytes:
        """The session as bytes, as a device keeps it over a restart. Raises ValueError when there is none."""
        if self.session is None:
            raise ValueError("there is no session")
        return export_session(self.session)

    def import_session(self, blob: bytes, now: float, *, incarnation: int) -> Session:
        """Go on with an exported session. Raises ValueError as ``sessions.import_session`` does."""
        session = import_session(blob, incarnation=incarnation)
        session.expires = math.inf
        self.session = session
        return session

    # Inside

    def _receive_plaintext(self, content_type: int, fragment: bytes, now: float) -> None:
        handshake = self._handshake
        if handshake is None:
            return
        if content_type == ContentType.HANDSHAKE:
            try:
                handshake.receive_plaintext(fragment, now)
            except HandshakeError as error:
                self._fail(error)
            else:
                self._settle(now)
        elif content_type == ContentType.ALERT:
            alert = parse_alert(fragment)
            if alert is not None and alert[0] == AlertLevel.FATAL:
                self._give_up(FailureReason.PEER_ALERT, alert_name(alert[1]))

    def _receive_protected(self, content_type: int, number: int, fragment: bytes, now: float) -> None:
        if self._handshake is not None:
            try:
                self._handshake.receive_protected(content_type, number, fragment)
            except HandshakeError as error:
                self._fail(error)
            else:
                self._settle(now)
        session = self.session
        if session is None or session.closed:
            return
        opened = session.reader.unprotect(content_type, number, fragment)
        if opened is None:
            return
        kind, payload, _ = opened
        if kind == ContentType.APPLICATION_DATA:
            self._events.append(DataReceived(session, payload))
        elif kind == ContentType.HANDSHAKE and self._last is not None:
            self._last.repeat()
            self._outgoing += self._last.outgoing
            self._last.outgoing = []
        elif kind == ContentType.ALERT:
            alert = parse_alert(payload)
            if alert is not None and alert[1] == AlertDescription.CLOSE_NOTIFY:
                self._end(session, CloseReason.CLOSE_NOTIFY)
            elif alert is not None and alert[0] == AlertLevel.FATAL:
                self._end(session, CloseReason.PEER_ALERT)

    def _settle(self, now: float) -> None:
        self._take()
        handshake = self._handshake
        if handshake is None or handshake.state is not State.ESTABLISHED:
            return
        session = handshake.session
        assert session is not None
        self._handshake = None
        self.resumable = handshake.resumable
        self._last = handshake if handshake.resumed else None
        if self.session is not None:
            self._end(self.session, CloseReason.REPLACED)
        wall = self.config.wall_time()
        session.established_at = wall
        session.valid_until = min(wall + self.config.session_age, session.identity.not_after)
        session.expires = now + session.valid_until - wall
        self.session = session
        self._events.append(
            SessionEstablished(
                session, session.identity, session.cipher.name, session.peer_cid, session.extended_master_secret
            )
        )

    def _take(self) -> None:
        if self._handshake is not None:
            self._outgoing += self._handshake.outgoing
            self._handshake.outgoing = []

    def _fail(self, error: HandshakeError) -> None:
        self._take()
        if self._handshake is not None and error.reason not in _SILENT:
            self._outgoing.append(self._handshake.alert(error.alert))
        self._give_up(error.reason, error.detail)

    def _give_up(self, reason: FailureReason, detail: str) -> None:
        self._handshake = None
        self._events.append(HandshakeFailed(self.address, reason, detail))

    def _send_alert(self, session: Session, level: AlertLevel, description: AlertDescription) -> None:
        try:
            self._outgoing.append(session.writer.protect(ContentType.ALERT, bytes((level, description))))
        except SequenceExhausted:
            return

    def _end(self, session: Session, reason: CloseReason) -> None:
        if not session.closed:
            session.closed = True
            self._events.append(SessionClosed(session, reason))
