"""Fragments of handshake messages: putting the peer's together (RFC 6347 section 4.2.3). ``flights`` cuts ours."""

from __future__ import annotations

from .failures import too_large
from .handshake import Fragment

HANDSHAKE_LIMIT = 16 * 1024
"""Bytes that one peer may send in a handshake, what is still incomplete included."""
AHEAD_LIMIT = 8
"""How many messages beyond the next one are kept: no flight of DTLS 1.2 is longer."""
RANGES_LIMIT = 64
"""Separate pieces of one message. A 4 KB message cut to 64 bytes is below it; only an attacker is above."""


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
