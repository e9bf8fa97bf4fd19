"""An established session: its keys, its peer, and the form in which it outlives a process.

Sequence numbers never repeat, whatever happens to the process: of the 48 bits, 16 are an incarnation and 32 count records.
Whoever loads a session takes the next incarnation by a durable compare-and-swap before the first record is sent, so that
a crash, a moved session, or two processes that both believe they own it cannot use a nonce twice.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Sequence
from typing import Any

from .ciphers import CIPHER_SUITES, CipherSuite
from .identities import CertificateIdentity, Identity, PskIdentity
from .reader import Reader, vector
from .records import COUNTER_BITS, INCARNATION_LIMIT, RecordReader, RecordWriter, ReplayWindow
from .wanted import Record

MESSAGE_LIMIT = 1152
"""Largest message for constrained peers, in bytes: what RFC 7252 section 4.6 advises and the vendor's client can take."""
LAYOUT = 2
_FIXED = struct.Struct("!BBHHHddQI")
_EMS, _DRAFT, _CERTIFICATE = 1, 2, 4
_COUNTED = 2**32 - 1
"""Failures that are told apart; suites with a higher limit never see so many."""


class Session:
    """One association with one peer. Made by the engine; others read it and use it as a key in their own tables."""

    __slots__ = (
        "_read_key",
        "_read_salt",
        "_write_key",
        "_write_salt",
        "address",
        "cid",
        "cipher",
        "closed",
        "credential",
        "credit",
        "draft_cid",
        "established_at",
        "expires",
        "extended_master_secret",
        "fallback_address",
        "fragment_limit",
        "identity",
        "peer_cid",
        "reader",
        "session_id",
        "valid_until",
        "writer",
    )
    address: Hashable
    """Where records go."""
    fallback_address: Hashable | None
    """The address before, while the peer has not confirmed the new one."""
    credit: int
    """Bytes that may still go to an address that is not confirmed."""
    identity: Identity
    credential: str
    """Whatever the one who accepted the peer wants to find again with the session: the id of the credential."""
    established_at: float
    """Wall time of the handshake, seconds since 1970."""
    valid_until: float
    """Wall time after which the session must not be used, seconds since 1970."""
    expires: float
    """The same on the engine's clock."""
    closed: bool
    session_id: bytes
    """By which it can be resumed; empty: it cannot."""

    def __init__(
        self,
        cipher: CipherSuite,
        keys: tuple[bytes, bytes, bytes, bytes],
        *,
        address: Hashable,
        cid: bytes,
        peer_cid: bytes,
        draft_cid: bool,
        extended_master_secret: bool,
        fragment_limit: int,
        incarnation: int = 0,
        window: ReplayWindow | None = None,
    ) -> None:
        """``keys``: read key, write key, read salt, write salt."""
        self._read_key, self._write_key, self._read_salt, self._write_salt = keys
        self.cipher = cipher
        self.address = address
        self.fallback_address = None
        self.credit = 0
        self.cid = cid
        self.peer_cid = peer_cid
        self.draft_cid = draft_cid
        self.extended_master_secret = extended_master_secret
        self.fragment_limit = fragment_limit
        self.identity = _NOBODY
        self.credential = ""
        self.established_at = self.valid_until = self.expires = 0.0
        self.closed = False
        self.session_id = b""
        self.writer = RecordWriter(cipher.aead(self._write_key), self._write_salt, peer_cid, draft_cid, incarnation)
        self.reader = RecordReader(
            cipher.aead(self._read_key), self._read_salt, cipher.tag_length, cid, draft_cid, window or ReplayWindow()
        )

    @property
    def max_message_size(self) -> int:
        """Bytes of the largest message that fits one record this peer takes."""
        return min(self.fragment_limit, MESSAGE_LIMIT)

    @property
    def incarnation(self) -> int:
        return self.writer.next_number >> COUNTER_BITS & INCARNATION_LIMIT - 1

    @property
    def receive_mark(self) -> int:
        """The highest record number that proved authentic, epoch included: to be committed with each effect."""
        return self.reader.window.highest

    @property
    def is_forged_too_often(self) -> bool:
        """Whether so many records failed authentication, in all its lives, that the next may pass (RFC 9147 section 4.5.3)."""
        return self.reader.failures >= self.cipher.integrity_limit

    def __repr__(self) -> str:
        return f"<Session {self.cid.hex() or self.address!r} {self.cipher.name}>"


class ForgedTooOften(ValueError):
    """A session must not be taken up: see ``Session.is_forged_too_often``."""


_NOBODY = PskIdentity(b"")


def export_session(session: Session) -> bytes:
    """The session as bytes. They hold traffic keys (never the master secret): seal them before they are stored."""
    flags = _EMS * session.extended_master_secret | _DRAFT * session.draft_cid
    identity = session.identity
    if isinstance(identity, CertificateIdentity):
        flags |= _CERTIFICATE
        who = struct.pack("!dB", identity.not_after, len(identity.fingerprints)) + b"".join(identity.fingerprints)
    else:
        who = vector(2, identity.identity)
    return (
        _FIXED.pack(
            LAYOUT,
            flags,
            session.cipher.number,
            session.incarnation,
            session.fragment_limit,
            session.established_at,
            session.valid_until,
            max(session.receive_mark, 0),
            min(session.reader.failures, _COUNTED),
        )
        + vector(1, session.cid)
        + vector(1, session.peer_cid)
        + session._read_key
        + session._write_key
        + session._read_salt
        + session._write_salt
        + who
        + vector(2, session.credential.encode())
        + _address(session.address)
    )


def is_proven(session: Session, records: Sequence[Record]) -> bool:
    """Whether one of the records is a stored session's own, and newer than what it has taken.

    To be asked before an incarnation is taken: a stranger who has read a connection ID on the wire must not use them up, nor
    move sessions from one process to another. What failed is counted as it is in a live session.
    """
    unprotect = session.reader.unprotect
    return any(unprotect(each.content_type, each.number, each.fragment) is not None for each in records)


def stored_session(blob: bytes, *, receive_mark: int = 0) -> Session:
    """The exported session to look at, not to use: its numbers belong to whoever has it. Raises ValueError."""
    session = _load(blob, None, receive_mark)
    session.closed = True
    return session


def import_session(blob: bytes, *, incarnation: int, receive_mark: int = 0) -> Session:
    """The session of an exported blob, under a new incarnation that was durably taken for it.

    Only records above both the blob's receive mark and ``receive_mark`` are accepted from then on. Raises ValueError for
    a blob of another layout, and for an incarnation that is not above the blob's: all are used up at 65,535, and the peer
    has to make a new handshake.
    """
    return _load(blob, incarnation, receive_mark)


def _load(blob: bytes, incarnation: int | None, receive_mark: int) -> Session:
    try:
        return _parse(blob, incarnation, receive_mark)
    except ValueError:
        raise
    except Exception as error:  # a cut-off or foreign blob, whatever it trips over
        raise ValueError("not an exported session") from error


def _parse(blob: bytes, incarnation: int | None, receive_mark: int) -> Session:
    layout, flags, cipher_number, used, fragment_limit, established, valid_until, mark, failures = _FIXED.unpack_from(
        blob
    )
    if layout != LAYOUT:
        raise ValueError(f"an exported session of layout {layout}, not {LAYOUT}")
    if incarnation is None:
        incarnation = used + 1
    if not used < incarnation < INCARNATION_LIMIT:
        raise ValueError(f"incarnation {incarnation} cannot follow {used}")
    cipher = CIPHER_SUITES[cipher_number]
    reader = Reader(blob[_FIXED.size :])
    cid, peer_cid = reader.vector(1), reader.vector(1)
    keys = (reader.take(cipher.key_length), reader.take(cipher.key_length), reader.take(4), reader.take(4))
    identity: Identity
    if flags & _CERTIFICATE:
        not_after, count = struct.unpack("!dB", reader.take(9))
        identity = CertificateIdentity(tuple(reader.take(32) for _ in range(count)), not_after)
    else:
        identity = PskIdentity(reader.vector(2))
    credential = reader.vector(2).decode()
    session = Session(
        cipher,
        keys,
        address=_read_address(reader),
        cid=cid,
        peer_cid=peer_cid,
        draft_cid=bool(flags & _DRAFT),
        extended_master_secret=bool(flags & _EMS),
        fragment_limit=fragment_limit,
        incarnation=incarnation,
        window=ReplayWindow(max(mark, receive_mark), closed=True),
    )
    reader.end()
    session.identity = identity
    session.credential = credential
    session.reader.failures = failures
    session.established_at = established
    session.valid_until = valid_until
    return session


def _address(address: Any) -> bytes:
    """A socket address of IPv4 (host, port) or IPv6 (host, port, flow, scope); nothing for another kind."""
    match address:
        case (str(host), int(port)):
            return vector(1, host.encode()) + struct.pack("!H", port)
        case (str(host), int(port), int(flow), int(scope)):
            return vector(1, host.encode()) + struct.pack("!HII", port, flow, scope)
    return b""


def _read_address(reader: Reader) -> Hashable:
    if not reader.left:
        return None
    host = reader.vector(1).decode()
    return (host, *struct.unpack("!HII" if reader.left == 10 else "!H", reader.take(reader.left)))
