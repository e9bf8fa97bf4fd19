"""Fragments of handshake messages: putting the peer's together, cutting ours (RFC 6347 section 4.2.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .failures import too_large
from .handshake import HEADER_LENGTH, Fragment, fragment_header, message
from .numbers import DTLS_1_2, ContentType, HandshakeType
from .records import plaintext_record
from .sessions import Session

HANDSHAKE_LIMIT = 16 * 1024
"""Bytes that one peer may send in a handshake, what is still incomplete included."""
AHEAD_LIMIT = 8
"""How many messages beyond the next one are kept: no flight of DTLS 1.2 is longer."""
RANGES_LIMIT = 64
"""Separate pieces of one message. A 4 KB message cut to 64 bytes is below it; only an attacker is above."""
RECORD_ROOM = 65
"""Bytes set aside in a datagram for a record's header, nonce, tag and connection ID of up to 27 bytes."""


class _Partial:
    """A message of which pieces are missing."""

    __slots__ = ("body", "kind", "ranges")

    def __init__(self, kind: int, length: int) -> None:
        self.kind = kind
        self.body = bytearray(length)
        self.ranges: list[tuple[int, int]] = []

    def add(self, offset: int, piece: bytes) -> None:
        """Pieces may repeat and overlap. A later one that differs changes the transcript and so fails at Finished."""
        end = offset + len(piece)
        self.body[offset:end] = piece
        apart = []
        for first, last in self.ranges:
            if last < offset or first > end:
                apart.append((first, last))
            else:
                offset, end = min(first, offset), max(last, end)
        apart.append((offset, end))
        if len(apart) > RANGES_LIMIT:
            raise too_large("too many pieces of one message")
        self.ranges = apart

    @property
    def complete(self) -> bool:
        return self.ranges == [(0, len(self.body))]


class Reassembler:
    """Gives a peer's messages whole and in order. Raises HandshakeError above the limits of this file."""

    __slots__ = ("_partials", "_size", "_whole", "next_sequence")

    def __init__(self, next_sequence: int) -> None:
        self.next_sequence = next_sequence
        """message_seq of the message that comes next"""
        self._partials: dict[int, _Partial] = {}
        self._whole: dict[int, Fragment] = {}  # messages that came in one piece, as most do
        self._size = 0

    def add(self, fragment: Fragment) -> None:
        """Take a fragment in. What is old, too far ahead or does not fit its message is ignored."""
        sequence = fragment.sequence
        if not 0 <= sequence - self.next_sequence <= AHEAD_LIMIT or sequence in self._whole:
            return
        partial = self._partials.get(sequence)
        if partial is None:
            self._size += fragment.length
            if self._size > HANDSHAKE_LIMIT:
                raise too_large(f"{self._size} bytes of handshake")
            if len(fragment.body) == fragment.length:
                self._whole[sequence] = fragment
                return
            partial = self._partials[sequence] = _Partial(fragment.type, fragment.length)
        if partial.kind == fragment.type and len(partial.body) == fragment.length:
            partial.add(fragment.offset, fragment.body)

    def next_message(self) -> tuple[int, int, bytes] | None:
        """Type, message_seq and body of the next message once it is complete."""
        sequence = self.next_sequence
        whole = self._whole.pop(sequence, None)
        if whole is not None:
            self.next_sequence = sequence + 1
            return whole.type, sequence, whole.body
        partial = self._partials.get(sequence)
        if partial is None or not partial.complete:
            return None
        del self._partials[sequence]
        self.next_sequence = sequence + 1
        return partial.kind, sequence, bytes(partial.body)


class FinalFlight:
    """ChangeCipherSpec and Finished of a server: small, because it is kept a while after each handshake."""

    __slots__ = ("_finished", "_record", "_session")

    def __init__(self, session: Session, finished: bytes, record: int) -> None:
        """``record``: the next sequence number of epoch 0."""
        self._session = session
        self._finished = finished
        self._record = record

    def datagram(self) -> bytes:
        """The flight in new records. Raises SequenceExhausted."""
        change = plaintext_record(ContentType.CHANGE_CIPHER_SPEC, DTLS_1_2, self._record, b"\1")
        self._record += 1
        return change + self._session.writer.protect(ContentType.HANDSHAKE, self._finished)


class Flight:
    """Messages that are sent, and if need be sent again, together (RFC 6347 section 4.2.4)."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[tuple[ContentType, int, bytes]] = []
        """Content type, epoch, and the payload: for handshake messages the whole message."""

    def add_message(self, kind: HandshakeType, sequence: int, body: bytes, epoch: int = 0) -> bytes:
        """Append a handshake message. Returns it as the transcript wants it."""
        whole = message(kind, sequence, body)
        self.entries.append((ContentType.HANDSHAKE, epoch, whole))
        return whole

    def add_change_cipher_spec(self) -> None:
        self.entries.append((ContentType.CHANGE_CIPHER_SPEC, 0, b"\1"))

    def datagrams(
        self, write: Callable[[ContentType, int, bytes], bytes], mtu: int, fragment_limit: int
    ) -> list[bytes]:
        """The flight in datagrams of at most ``mtu`` bytes, records of at most ``fragment_limit`` bytes of plaintext.

        ``write`` makes a record from content type, epoch and plaintext; each call takes a new sequence number, so a
        flight that is sent again is new to the peer's replay window.
        """
        datagrams = [b""]
        for kind, epoch, payload in self.entries:
            for piece in _pieces(kind, payload, min(fragment_limit, mtu - RECORD_ROOM)):
                record = write(kind, epoch, piece)
                if datagrams[-1] and len(datagrams[-1]) + len(record) > mtu:
                    datagrams.append(b"")
                datagrams[-1] += record
        return datagrams


def _pieces(kind: ContentType, payload: bytes, limit: int) -> Iterable[bytes]:
    if kind != ContentType.HANDSHAKE or len(payload) <= limit:
        return [payload]
    body = payload[HEADER_LENGTH:]
    sequence = int.from_bytes(payload[4:6], "big")
    step = limit - HEADER_LENGTH
    return [
        fragment_header(payload[0], len(body), sequence, at, len(body[at : at + step])) + body[at : at + step]
        for at in range(0, len(body), step)
    ]
