"""How often a device may register: one that does it in a loop must not cost the others their database."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

REGISTRATIONS, PERIOD, BLOCK = 10, 10.0, 60.0
"""Registrations in so many seconds, and seconds for which more are put off (the contract's figures)."""
REMEMBERED: Final = 20_000
"""Devices whose last registrations are remembered at once; beyond them the longest known are forgotten."""


class _Seen(NamedTuple):
    since: float
    number: int
    blocked_until: float


class RegistrationPace:
    """Counts the registrations of each device."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def wait(self, device: str, now: float) -> int:
        """Count a registration; the seconds after which it may be tried again, 0 when it may go on at once."""
        seen = self._seen.pop(device, None)
        if seen is None or now >= max(seen.since + PERIOD, seen.blocked_until):
            seen = _Seen(now, 0, 0.0)
        if seen.number < REGISTRATIONS:
            seen = seen._replace(number=seen.number + 1)
        elif not seen.blocked_until:
            seen = seen._replace(blocked_until=now + BLOCK)
        self._seen[device] = seen
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return max(1, round(seen.blocked_until - now)) if seen.blocked_until else 0
