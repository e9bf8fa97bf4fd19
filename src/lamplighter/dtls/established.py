"""Established sessions at work: opening and protecting records, addresses, alerts, the end (RFC 6347, RFC 9146)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from .events import AddressChanged, CloseReason, ConfirmationNeeded, DataReceived, Event, SessionClosed
from .failures import HandshakeError
from .flights import FinalFlight
from .handshake import parse_alert, parse_fragments
from .numbers import AlertDescription, AlertLevel, ContentType, HandshakeType
from .records import SequenceExhausted
from .registry import Sessions
from .sessions import Session

_APPLICATION_DATA = int(ContentType.APPLICATION_DATA)
_AMPLIFICATION = 3
"""Bytes sent to an unconfirmed address for each byte received from it."""


class Established:
    """The part of a server that begins where the handshake ends. Adds to the engine's events and datagrams."""

    def __init__(self, events: deque[Event], outgoing: list[tuple[bytes, Hashable]]) -> None:
        self.sessions = Sessions()
        self._final_flights: dict[Session, tuple[float, FinalFlight]] = {}
        self._events = events
        self._outgoing = outgoing

    def add(self, session: Session, final_flight: FinalFlight | None, until: float) -> None:
        """A new session. Its last flight, where it was ours, is sent again on demand until that time."""
        self.sessions.add(session)
        if final_flight is not None:
            self._final_flights[session] = (until, final_flight)

    def timer(self) -> float | None:
        """When to call ``handle_timer``."""
        moments = [] if (expiry := self.sessions.timer()) is None else [expiry]
        if self._final_flights:
            moments.append(next(iter(self._final_flights.values()))[0])
        return min(moments, default=None)

    def handle_timer(self, now: float) -> None:
        """End sessions whose time is over, forget old flights."""
        for session in self.sessions.expired(now):
            self.end(session, CloseReason.EXPIRED)
        while self._final_flights:
            session, (until, _) = next(iter(self._final_flights.items()))
            if until > now:
                break
            del self._final_flights[session]

    def receive(
        self,
        session: Session,
        content_type: int,
        number: int,
        fragment: bytes,
        address: Hashable,
        size: int,
        now: float,
    ) -> None:
        if now >= session.expires:
            self.end(session, CloseReason.EXPIRED)
            return
        reader = session.reader
        opened = reader.unprotect(content_type, number, fragment)
        if opened is None:
            if session.is_forged_too_often:
                self.end(session, CloseReason.AUTHENTICATION_FAILURES)
            return
        kind, payload, newest = opened
        if newest and session.cid:
            if address != session.address:
                self._move(session, address)
            if session.fallback_address is not None:
                session.credit += _AMPLIFICATION * size
        if kind == _APPLICATION_DATA:
            self._events.append(DataReceived(session, payload))
        elif kind == ContentType.ALERT:
            self._receive_alert(session, payload)
        elif kind == ContentType.HANDSHAKE:
            self._receive_late_handshake(session, payload, now)

    def _move(self, session: Session, address: Hashable) -> None:
        """Rule of RFC 9146 section 6: only an authentic record, newer than all before, gives a new address."""
        old = session.address
        back = address == session.fallback_address
        if session.fallback_address is None:
            session.fallback_address = old
        elif back:
            session.fallback_address = None
        session.credit = 0
        self.sessions.move(session, address)
        self._events.append(AddressChanged(session, old, address))

    def _receive_alert(self, session: Session, payload: bytes) -> None:
        alert = parse_alert(payload)
        if alert is None:
            return
        level, description = alert
        if description == AlertDescription.CLOSE_NOTIFY:
            self.send_alert(session, AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
            self.end(session, CloseReason.CLOSE_NOTIFY)
        elif level == AlertLevel.FATAL:
            self.end(session, CloseReason.PEER_ALERT)

    def _receive_late_handshake(self, session: Session, payload: bytes, now: float) -> None:
        """Finished again: ours was lost. ClientHello: a renegotiation, which is declined (RFC 5746 section 5)."""
        try:
            kinds = {fragment.type for fragment in parse_fragments(payload)}
        except HandshakeError:
            return
        if HandshakeType.CLIENT_HELLO in kinds:
            self.send_alert(session, AlertLevel.WARNING, AlertDescription.NO_RENEGOTIATION)
        elif HandshakeType.FINISHED in kinds and session in self._final_flights:
            until, final_flight = self._final_flights[session]
            if now < until:
                try:
                    datagram = final_flight.datagram()
                except SequenceExhausted:
                    self.end(session, CloseReason.SEQUENCE_EXHAUSTED)
                else:
                    self._transmit(session, datagram)

    def send_alert(self, session: Session, level: AlertLevel, description: AlertDescription) -> None:
        self.send(session, ContentType.ALERT, bytes((level, description)))

    def send(self, session: Session, content_type: ContentType, data: bytes) -> bool:
        if session.address is None:
            return False  # imported, and its address was not one of a socket
        try:
            record = session.writer.protect(content_type, data)
        except SequenceExhausted:
            self.end(session, CloseReason.SEQUENCE_EXHAUSTED)
            return False
        self._transmit(session, record)
        return True

    def _transmit(self, session: Session, datagram: bytes) -> None:
        """To the peer's address; while that is not confirmed and its credit is used up, to the one before."""
        address = session.address
        if session.fallback_address is not None:
            if session.credit >= len(datagram):
                session.credit -= len(datagram)
            else:
                address = session.fallback_address
                self._events.append(ConfirmationNeeded(session))
        self._outgoing.append((datagram, address))

    def has_expired(self, session: Session, now: float) -> bool:
        if now < session.expires:
            return False
        self.end(session, CloseReason.EXPIRED)
        return True

    def end(self, session: Session, reason: CloseReason) -> None:
        if not session.closed:
            self.remove(session)
            self._events.append(SessionClosed(session, reason))

    def remove(self, session: Session) -> None:
        session.closed = True
        self._final_flights.pop(session, None)
        self.sessions.remove(session)
