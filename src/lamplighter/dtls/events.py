"""What the engine reports and asks. Taken one by one with ``next_event()``.

Not frozen: that would triple what it costs to make one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .failures import FailureReason
from .identities import Identity
from .sessions import Session

if TYPE_CHECKING:
    from .server_handshake import ServerHandshake


class CloseReason(Enum):
    """Why a session ended."""

    CLOSED = "closed from this side"
    CLOSE_NOTIFY = "the peer closed it"
    PEER_ALERT = "the peer sent a fatal alert"
    REPLACED = "the same peer made a new session"
    EXPIRED = "its maximum age or the end of a certificate was reached"
    AUTHENTICATION_FAILURES = "too many forged records arrived"
    SEQUENCE_EXHAUSTED = "its sequence numbers are used up"


@dataclass(slots=True)
class PskRequested:
    """Answer with ``provide_psk``."""

    handshake: ServerHandshake
    identity: bytes


@dataclass(slots=True)
class CertificateReceived:
    """The peer proved to hold the key of ``chain[0]``. Answer with ``accept_certificate`` or ``reject_certificate``."""

    handshake: ServerHandshake
    chain: tuple[bytes, ...]
    """DER, the leaf first, as sent. Its key is P-256; nothing else has been checked."""


@dataclass(slots=True)
class SessionEstablished:
    session: Session
    identity: Identity
    cipher: str
    """The suite's name in the IANA registry."""
    cid: bytes
    """The connection ID that the peer puts into its records; empty when it asked for none."""
    extended_master_secret: bool


@dataclass(slots=True)
class DataReceived:
    session: Session
    data: bytes


@dataclass(slots=True)
class AddressChanged:
    """An authentic record, newer than all before, came from another address (RFC 9146 section 6).

    Until ``confirm_address`` is called, no more than three times the bytes received go there.
    """

    session: Session
    old: Hashable
    new: Hashable


@dataclass(slots=True)
class ConfirmationNeeded:
    """More is to go to a session's new address than may before it is confirmed; this time it went to the one before.

    Something small still may: what the peer answers to that confirms the address.
    """

    session: Session


@dataclass(slots=True)
class SessionClosed:
    session: Session
    reason: CloseReason


@dataclass(slots=True)
class HandshakeFailed:
    address: Hashable
    reason: FailureReason
    detail: str


@dataclass(slots=True)
class SessionWanted:
    """A record came for a session that is not in memory. Answer with ``restore_session`` or ``refuse_session``.

    Asked once for each session, and only when ``ServerConfig.stored_sessions`` is set. The record is kept until then.
    """

    cid: bytes
    """One of those that we give out; empty: a session without, known by its address alone."""
    address: Hashable
    """Where the record came from."""

    @property
    def key(self) -> Hashable:
        """What the session is found by."""
        return self.cid or self.address


Event = (
    PskRequested
    | CertificateReceived
    | SessionEstablished
    | DataReceived
    | AddressChanged
    | ConfirmationNeeded
    | SessionClosed
    | HandshakeFailed
    | SessionWanted
)
