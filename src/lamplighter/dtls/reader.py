"""Reading length-prefixed fields (RFC 5246 section 4), checked at every step."""

from __future__ import annotations

import struct

from .failures import MalformedMessage


class Reader:
    """Reads a message from front to back. Raises MalformedMessage where bytes are missing."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise MalformedMessage(f"{length} bytes expected, {len(self._data) - self._at} left")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def number(self, length: int) -> int:
        """An unsigned integer of that many bytes."""
        return int.from_bytes(self.take(length), "big")

    def vector(self, prefix: int) -> bytes:
        """A field whose length stands before it in ``prefix`` bytes."""
        # number() and take() in one: a hello is mostly vectors, and calls are what reading it costs.
        data = self._data
        start = self._at + prefix
        end = start + int.from_bytes(data[self._at : start], "big")
        if end > len(data):
            raise MalformedMessage(f"a field of {end - start} bytes, {len(data) - self._at} left")
        self._at = end
        return data[start:end]

    def numbers(self) -> tuple[int, ...]:
        """A vector of integers of two bytes each, its length in two bytes: suites, groups, algorithms."""
        data = self.vector(2)
        if len(data) % 2:
            raise MalformedMessage(f"a list of 2-byte values has {len(data)} bytes")
        return struct.unpack(f"!{len(data) // 2}H", data)

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def end(self) -> None:
        """Raises MalformedMessage unless everything has been read."""
        if self.left:
            raise MalformedMessage(f"{self.left} bytes too many")


def vector(prefix: int, data: bytes) -> bytes:
    """The data with its length before it in ``prefix`` bytes."""
    return len(data).to_bytes(prefix, "big") + data
