"""A firmware image on its way to a device, and all that can go wrong with it."""

from __future__ import annotations

import hashlib
from enum import Enum

from lamplighter.simulator.behaviour import Behaviour, Behaviours
from lamplighter.simulator.draws import Draws

CAPACITY = 16 << 20
"""Bytes of the largest image that a device has room for."""


class Fault(Enum):
    """Why there is no new firmware."""

    BAD_IMAGE = "the image is damaged"
    NO_MEMORY = "there is no room for the image"
    LOST = "the connection was lost in the middle"
    NOT_FOUND = "the image is not there"
    SCHEME = "the address is of a kind that is not fetched"
    ROLLBACK = "the new firmware does not start, and the old one is back"


class ImageFailed(Exception):
    """The image does not come to its end."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Image:
    """Counted and hashed, not kept: ten thousand devices may fetch one at once. ``fault`` is what was told to go wrong."""

    __slots__ = ("fault", "over", "size", "total", "uri", "_hash")

    def __init__(self, uri: str = "", fault: Fault | None = None) -> None:
        self.uri = uri
        self.fault = fault
        self.size = 0
        """Bytes so far."""
        self.total: int | None = None
        """Bytes of the whole, where the sender says it."""
        self.over = False
        """Nobody wants it any more."""
        self._hash = hashlib.sha256()

    def again(self) -> Image:
        """The same as far as it has come, for another attempt; this one is over."""
        self.over = True
        image = Image(self.uri, self.fault)
        image.size, image.total, image._hash = self.size, self.total, self._hash.copy()
        return image

    def expect(self, total: int) -> None:
        """So many bytes will come. Raises ImageFailed."""
        self.total = total
        if total > CAPACITY or self.fault is Fault.NO_MEMORY:
            raise ImageFailed(Fault.NO_MEMORY)

    def add(self, data: bytes) -> None:
        """The next bytes. Raises ImageFailed."""
        self.size += len(data)
        self._hash.update(data)
        if self.over or (self.fault is Fault.LOST and 2 * self.size >= (self.total or 0)):
            raise ImageFailed(Fault.LOST)
        if self.size > CAPACITY or self.fault is Fault.NO_MEMORY:
            raise ImageFailed(Fault.NO_MEMORY)

    def finish(self, digest: bytes | None = None) -> None:
        """That was the last; ``digest`` is its SHA-256, where the device was told it. Raises ImageFailed."""
        if self.total is not None and self.size < self.total:
            raise ImageFailed(Fault.LOST)
        if not self.size or self.fault is Fault.BAD_IMAGE or digest not in (None, self._hash.digest()):
            raise ImageFailed(Fault.BAD_IMAGE)


class Failures:
    """Which firmware updates fail, and how, as the behaviours say: drawn once for each update."""

    __slots__ = ("_parts", "_random")

    def __init__(self, behaviours: Behaviours, seed: str) -> None:
        every = behaviours.get(Behaviour.FIRMWARE, 0.0) / len(_FAULTS)
        parts = ((fault, every + behaviours.get(behaviour, 0.0)) for behaviour, fault in _FAULTS.items())
        self._parts = tuple([each for each in parts if each[1]])
        self._random = Draws(seed) if self._parts else None

    def draw(self) -> Fault | None:
        if self._random is None:
            return None
        drawn = self._random.random()
        for fault, part in self._parts:
            if drawn < part:
                return fault
            drawn -= part
        return None


_FAULTS = {
    Behaviour.BAD_IMAGE: Fault.BAD_IMAGE,
    Behaviour.NO_MEMORY: Fault.NO_MEMORY,
    Behaviour.LOST_IMAGE: Fault.LOST,
    Behaviour.ROLLBACK: Fault.ROLLBACK,
}
