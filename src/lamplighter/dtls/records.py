"""The record layer: headers, sequence numbers, replay window, protection, connection IDs.

RFC 6347 section 4.1 for the record, RFC 5288 and RFC 6655 for AEAD, RFC 9146 for connection IDs; and
draft-ietf-tls-dtls-connection-id-05 for devices built on mbed TLS 2.28, whose additional data are laid out otherwise.
"""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidTag

from .ciphers import Aead
from .numbers import DTLS_1_2, ContentType

HEADER_LENGTH = 13
EXPLICIT_NONCE_LENGTH = 8
PLAINTEXT_LIMIT = 2**14
COUNTER_BITS = 32
"""The low bits of the 48-bit sequence number count records."""
INCARNATION_LIMIT = 2**16
"""The 16 bits above number the lives of a session: each process that loads it takes the next (see ``sessions``)."""
WINDOW = 64
"""Records older than the newest that are still told apart, in records (RFC 6347 section 4.1.2.6)."""

HEADER = struct.Struct("!BHQH")
"""Content type, version, epoch and sequence number as one number, length."""
CID_HEADER = struct.Struct("!BHQ")
_AAD = struct.Struct("!QBHH")
EPOCH_1, EPOCH_2 = 1 << 48, 2 << 48
"""Where the numbers of records begin in each: an epoch and the sequence number in it are one number of 64 bits."""
_NUMBER_LIMIT = 2**48
_CID_TYPE = ContentType.TLS12_CID.value


class SequenceExhausted(Exception):
    """Every number of this incarnation is used. The session has to end: a number used twice would break the cipher."""


class ReplayWindow:
    """Which numbers have been seen. Numbers include the epoch."""

    __slots__ = ("_seen", "highest")

    def __init__(self, highest: int = -1, *, closed: bool = False) -> None:
        """With ``closed``, everything up to ``highest`` counts as seen."""
        self.highest = highest
        self._seen = 2**WINDOW - 1 if closed else 1

    def is_new(self, number: int) -> bool:
        behind = self.highest - number
        return behind < 0 or (behind < WINDOW and not self._seen >> behind & 1)

    def mark(self, number: int) -> bool:
        """Note a number whose record proved authentic. True when it is the newest so far."""
        ahead = number - self.highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & (2**WINDOW - 1) if ahead < WINDOW else 1
            self.highest = number
            return True
        self._seen |= 1 << -ahead
        return False


class RecordWriter:
    """Protects what we send in epoch 1."""

    __slots__ = ("_aead", "_cid", "_cid_data", "_salt", "next_number")

    def __init__(self, aead: Aead, salt: bytes, cid: bytes, draft: bool, incarnation: int) -> None:
        """``cid`` is the one the peer asked us to use, empty for none."""
        self._aead = aead
        self._salt = salt
        self._cid = cid
        self._cid_data = _cid_associated_data(cid, draft)
        self.next_number = EPOCH_1 | incarnation << COUNTER_BITS
        """Epoch, incarnation and counter of the next record."""

    def protect(self, content_type: int, plaintext: bytes) -> bytes:
        """The record. Raises SequenceExhausted when the counter has run out."""
        number = self.next_number
        if number & 0xFFFF_FFFF == 0xFFFF_FFFF:
            raise SequenceExhausted
        self.next_number = number + 1
        explicit = number.to_bytes(8, "big")
        if not self._cid:
            associated = _AAD.pack(number, content_type, DTLS_1_2, len(plaintext))
            sealed = self._aead.encrypt(self._salt + explicit, plaintext, associated)
            return HEADER.pack(content_type, DTLS_1_2, number, 8 + len(sealed)) + explicit + sealed
        plaintext += bytes((content_type,))
        before, after = self._cid_data
        associated = before + explicit + after + len(plaintext).to_bytes(2, "big")
        sealed = self._aead.encrypt(self._salt + explicit, plaintext, associated)
        header = CID_HEADER.pack(_CID_TYPE, DTLS_1_2, number) + self._cid
        return header + (8 + len(sealed)).to_bytes(2, "big") + explicit + sealed


class RecordReader:
    """Opens what the peer sends in epoch 1, each record once."""

    __slots__ = ("_aead", "_cid", "_cid_data", "_salt", "_tag_length", "failures", "window")

    def __init__(self, aead: Aead, salt: bytes, tag_length: int, cid: bytes, draft: bool, window: ReplayWindow) -> None:
        """``cid`` is the one we asked the peer to use, empty for none."""
        self._aead = aead
        self._salt = salt
        self._tag_length = tag_length
        self._cid = cid
        self._cid_data = _cid_associated_data(cid, draft)
        self.window = window
        self.failures = 0
        """Records that failed authentication."""

    def unprotect(self, content_type: int, number: int, fragment: bytes) -> tuple[int, bytes, bool] | None:
        """Content type, plaintext, and whether the record is the newest so far; None for what must be dropped.

        A peer that was given a connection ID has to use it (RFC 9146 section 3).
        """
        length = len(fragment) - EXPLICIT_NONCE_LENGTH - self._tag_length
        if not 0 <= length <= PLAINTEXT_LIMIT or not self.window.is_new(number):
            return None
        if (content_type == _CID_TYPE) != bool(self._cid):
            return None
        if self._cid:
            before, after = self._cid_data
            associated = before + number.to_bytes(8, "big") + after + length.to_bytes(2, "big")
        else:
            associated = _AAD.pack(number, content_type, DTLS_1_2, length)
        try:
            plaintext = self._aead.decrypt(self._salt + fragment[:8], fragment[8:], associated)
        except InvalidTag:
            self.failures += 1
            return None
        if self._cid:
            plaintext = plaintext.rstrip(b"\0")
            if not plaintext:
                return None
            content_type = plaintext[-1]
            plaintext = plaintext[:-1]
        return content_type, plaintext, self.window.mark(number)


def plaintext_record(content_type: int, version: int, sequence: int, payload: bytes) -> bytes:
    """A record of epoch 0."""
    return HEADER.pack(content_type, version, sequence & _NUMBER_LIMIT - 1, len(payload)) + payload


def _cid_associated_data(cid: bytes, draft: bool) -> tuple[bytes, bytes]:
    """What stands before a record's number in its additional data, and between the number and the length."""
    if not cid:
        return _NO_CID
    if draft:  # draft-05 section 5
        return b"", _CID_VERSION + cid + bytes((len(cid),))
    return _BEFORE[len(cid)], cid


_NO_CID = (b"", b"")
_CID_VERSION = bytes((_CID_TYPE,)) + DTLS_1_2.to_bytes(2, "big")
_BEFORE = [b"\xff" * 8 + bytes((_CID_TYPE, size)) + _CID_VERSION for size in range(256)]
"""RFC 9146 section 5.3, by the length of the connection ID: shared by all sessions."""
