"""Where a CoAP message begins and ends in a stream: RFC 8323 section 3.2, and the two ways of the vendor's client.

A frame of RFC 8323 is a datagram of RFC 7252 without version, type and message ID, and with a length. So the two are turned
into each other as bytes, and the endpoint need not know on what it runs.

======================  ====================================================  =================================
framing                 a message                                             how it is known
======================  ====================================================  =================================
``RFC8323``             length, token length, code, token, options, payload   code 7.01 (CSM) comes first
``RECORD``              the vendor's over TLS: a datagram is a TLS record     0x40 to 0x7F, and a request's code
``PREFIX``              the vendor's over TCP: 4 bytes of length, a datagram  begins with ``00 00``
======================  ====================================================  =================================
"""

from __future__ import annotations

from enum import Enum

from lamplighter.coap.message import MAX_TOKEN, FormatError
from lamplighter.coap.numbers import Signal, Type

#: Bytes of the vendor's length prefix.
PREFIX_LENGTH = 4
#: Bytes that a length nibble of 13, 14 and 15 is followed by, and what is added to them.
_EXTENDED = {13: (1, 13), 14: (2, 269), 15: (4, 65805)}
_NON = 0x40 | Type.NON << 4


class Framing(Enum):
    """How a stream is cut into messages."""

    RFC8323 = "RFC 8323"
    RECORD = "one message a TLS record"
    PREFIX = "a length before each message"


def detect(data: bytes, *, records: bool) -> Framing | None:
    """The framing of a stream that begins with these bytes; None: more are needed.

    ``records``: whether the stream keeps the sender's boundaries, as TLS does. Raises FormatError for none of the three.
    """
    if len(data) < 2:
        return None
    if not records and data[0] == data[1] == 0:
        return Framing.PREFIX
    if records and 0x40 <= data[0] < 0x80 and data[1] < 32:
        return Framing.RECORD
    # Two bytes are not enough where the length has more of its own: the code comes after them.
    place = 1 + _EXTENDED.get(data[0] >> 4, (0, 0))[0]
    if len(data) <= place:
        return None
    if data[place] == Signal.CSM:
        return Framing.RFC8323
    raise FormatError("the stream begins neither with a CSM nor as the vendor's client does")


class FrameReader:
    """Cuts a stream into datagrams of RFC 7252. Bytes go in with ``feed``, messages come out of ``next``.

    ``limit``: bytes of the largest message taken, head included.
    """

    def __init__(self, framing: Framing, limit: int) -> None:
        self.framing = framing
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next message, None while it is incomplete. Raises FormatError: then the stream is lost."""
        size = self._size()
        if size is None:
            return None
        if size > self._limit:
            raise FormatError(f"a message of {size} bytes; {self._limit} are taken")
        if len(self._buffer) < size:
            return None
        frame = bytes(self._buffer[:size])
        del self._buffer[:size]
        return frame[PREFIX_LENGTH:] if self.framing is Framing.PREFIX else frame

    def _size(self) -> int | None:
        """Bytes of the first message with its head; None while that cannot be told."""
        buffer = self._buffer
        if self.framing is Framing.PREFIX:
            return (
                None if len(buffer) < PREFIX_LENGTH else PREFIX_LENGTH + int.from_bytes(buffer[:PREFIX_LENGTH], "big")
            )
        if not buffer:
            return None
        if buffer[0] & 15 > MAX_TOKEN:
            raise FormatError("a reserved token length")
        more, base = _EXTENDED.get(buffer[0] >> 4, (0, buffer[0] >> 4))
        if len(buffer) < 1 + more:
            return None
        return 2 + more + (buffer[0] & 15) + base + int.from_bytes(buffer[1 : 1 + more], "big")


def datagram_of(frame: bytes, mid: int) -> bytes:
    """A whole frame of RFC 8323 as the non-confirmable datagram of the same content."""
    place = 1 + _EXTENDED.get(frame[0] >> 4, (0, 0))[0]
    return bytes((_NON | frame[0] & 15, frame[place], mid >> 8 & 0xFF, mid & 0xFF)) + frame[place + 1 :]


def frame_of(datagram: bytes) -> bytes:
    """A datagram of RFC 7252 as a frame of RFC 8323; type and message ID are left out."""
    token_length = datagram[0] & 15
    return frame_head(len(datagram) - 4 - token_length, token_length) + datagram[1:2] + datagram[4:]


def frame_head(length: int, token_length: int) -> bytes:
    """Length of options and payload with the token's, section 3.2."""
    if length < 13:
        return bytes((length << 4 | token_length,))
    nibble = 13 if length < 269 else 14 if length < 65805 else 15
    size, base = _EXTENDED[nibble]
    return bytes((nibble << 4 | token_length,)) + (length - base).to_bytes(size, "big")


def prefixed(datagram: bytes) -> bytes:
    """A datagram behind the vendor's length."""
    return len(datagram).to_bytes(PREFIX_LENGTH, "big") + datagram
