"""Time, handed in and never fetched: the clock, and the conversions between its units.

Protocol cores take seconds as ``float``; rows hold whole microseconds since 1970 UTC; the wire shows RFC 3339 with ``Z``.
The conversions live here and nowhere else.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = 1_000_000
_ORIGIN = EPOCH.replace(tzinfo=None)
"""Without a time zone it is shown in half the time."""


class Clock(Protocol):
    """Two readings of the time."""

    def now(self) -> int:
        """Wall-clock time in microseconds since 1970 UTC, for rows, ids and answers."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back: for timers and durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until told, for tests and simulations. Both readings advance together."""

    def __init__(self, now: int = 1_700_000_000 * MICROSECONDS) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += round(seconds * MICROSECONDS)
        self._monotonic += seconds


def to_rfc3339(microseconds: int) -> str:
    """``2026-11-21T20:15:01.000123Z``: always six digits and ``Z``, the one form that every known client parses."""
    return (_ORIGIN + timedelta(0, 0, microseconds)).isoformat("T", "microseconds") + "Z"


def to_rfc3339_seconds(microseconds: int) -> str:
    """``2026-11-21T20:15:01Z``: the account services' form."""
    return f"{datetime.fromtimestamp(microseconds // MICROSECONDS, UTC).isoformat()[:19]}Z"


_TIMESTAMP = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d):?(\d\d)(?:[.,](\d{1,9}))?\s*(?:Z|z|[+-]00:?00|\+00:00Z)?", re.ASCII
)


def from_rfc3339(text: str) -> int:
    """Microseconds of a UTC date-time in any form that real clients send.

    With 0 to 9 fraction digits, ``Z``, ``+00:00``, the compact ``20161130T162512Z`` and the doubled ``+00:00Z`` of an old SDK.

    Raises ValueError for anything else, other offsets included.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a UTC date-time such as 2026-11-21T20:15:01Z")
    year, month, day, hour, minute, second, fraction = match.groups()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    micros = int(((fraction or "") + "000000")[:6])
    return (moment - EPOCH) // timedelta(microseconds=1) + micros
