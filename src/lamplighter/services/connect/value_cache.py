"""The values that a device told and that are still of age: a read of one of them need not reach it (contract: max-age)."""

from __future__ import annotations

from typing import NamedTuple

MOST = 100
"""Values of one device; the one longest unchanged gives way."""
LARGEST = 16_384
"""Bytes of a value."""


class Cached(NamedTuple):
    """A value, and until when it may be given as the device's, seconds of the monotonic clock."""

    payload: bytes
    content_format: int | None
    expires: float


class Fresh(NamedTuple):
    """A value that is of age, and for how many seconds it goes on being so."""

    payload: bytes
    content_format: int
    age: int


class ValueCache:
    """Of one device, in the process that has it: what changes a value goes the same way. A restart begins with nothing.

    :param longest: seconds that a value is of age at most; 0: none ever is
    """

    __slots__ = ("_longest", "_values")

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._values: dict[str, Cached] = {}

    def put(self, path: str, payload: bytes, content_format: int | None, max_age: int, now: float) -> None:
        """The device told a value. ``max_age``: seconds."""
        values = self._values
        values.pop(path, None)
        if len(payload) <= LARGEST:
            values[path] = Cached(payload, content_format, now + min(max_age, self._longest))
            if len(values) > MOST:
                del values[next(iter(values))]

    def fresh(self, path: str, accept: int | None, now: float) -> Cached | None:
        """The value, if it is of age and in the content format that is asked for."""
        found = self._values.get(path)
        if found is None or found.expires <= now or accept not in (None, found.content_format or 0):
            return None
        return found

    def latest(self, path: str) -> tuple[bytes, int] | None:
        """The value last told, whatever its age."""
        found = self._values.get(path)
        return (found.payload, found.content_format or 0) if found is not None else None

    def outdate(self, path: str) -> None:
        """It was written to the resource, or to what it lies in or contains: what was told before is of no age now."""
        for known, value in self._values.items():
            if known == path or known.startswith(path + "/") or path.startswith(known + "/"):
                self._values[known] = value._replace(expires=0.0)

    def outdate_all(self) -> None:
        """What the device was asked for may have changed anything."""
        for known, value in self._values.items():
            self._values[known] = value._replace(expires=0.0)

    def is_fresh(self, now: float) -> bool:
        """Whether there is any value of age."""
        return any(value.expires > now for value in self._values.values())

    def clear(self) -> None:
        """The device begins anew."""
        self._values.clear()
