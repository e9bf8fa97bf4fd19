"""Entity ids: 32 lower-case hex digits that sort by time, in the shape of the public API's own.

The first 12 digits are milliseconds since 1970, the next 4 count within a millisecond, the rest is random, so that ids made
in one process sort in the order they were made and ids of many processes do not meet.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

from lamplighter.clock import Clock

TOGETHER = 64
"""Ids whose random digits are drawn at once: every request has an id."""

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Ids:
    """Makes ids from the clock it is handed.

    Not thread-safe: each process makes its ids on its event loop.
    """

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last = 0
        self._drawn: Iterator[str] = iter(())

    def new(self) -> str:
        """A new id, greater than every id this object made before."""
        ordered = (self._clock.now() // 1000) << 16
        if ordered <= self._last:
            ordered = self._last + 1
        self._last = ordered
        return f"{ordered:016x}{next(self._drawn, None) or self._draw()}"

    def _draw(self) -> str:
        """Random digits for one id; those for the next ids are drawn with them, in one call of the system."""
        digits = f"{self._random_bits(64 * TOGETHER):0{16 * TOGETHER}x}"
        self._drawn = iter([digits[at : at + 16] for at in range(0, len(digits), 16)])
        return next(self._drawn)


def is_id(text: str) -> bool:
    """True when the text has the shape of an id. Upper-case digits are not an id: ids are compared as text."""
    return _ID.fullmatch(text) is not None


def first_id_at(microseconds: int) -> str:
    """The smallest id that could have been made at that time: a bound for scans by time."""
    return f"{(microseconds // 1000) << 16:016x}{0:016x}"
