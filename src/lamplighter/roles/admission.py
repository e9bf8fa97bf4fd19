"""How many devices register at once: a storm of them waits in line, and whoever finds the line full is given a turn.

Nothing else that devices ask waits in that line: it shares the database with no more than ``AT_ONCE`` registrations. Turns are
given one after another, somewhat faster than devices were registered lately, so that a storm comes back as a stream.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

AT_ONCE = 16
"""Registrations under way: many enough to share a commit, few enough for the updates that wait behind them. The p99 of those
in a storm was 310 to 360 ms with 64 and is 140 to 170 ms with 16, and the storm is over as soon (``./dev soak --devices 5000
--nice 15 --scenarios connect,storm,handshakes``)."""
IN_LINE = 1000
"""Registrations that wait; at a few hundred a second they are all answered before devices repeat them twice."""
SOONEST, LATEST = 10.0, 300.0
"""Seconds after which a device that was put off may be told to come back. The last turn is followed by the first again."""
PACE = 0.005
"""Seconds from one registration to the next, as long as nothing else is known."""
PRESS = 0.5
"""The part of that time from one turn to the next. Turns at the pace that was measured in the first rush would never tell
that the server can do more: so more come than it did then, and whoever is too many is given another turn."""
_MEMORY = 0.01
"""The part that the last registration has in the measured pace."""


class RegistrationLine:
    """``now`` gives seconds of the loop's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._free = asyncio.Semaphore(AT_ONCE)
        self._count = 0
        self._pace = PACE
        self._ended = now()
        self._turn = 0.0

    def __len__(self) -> int:
        """Registrations that wait or are under way."""
        return self._count

    @property
    def is_full(self) -> bool:
        return self._count >= AT_ONCE + IN_LINE

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait in line, and be under way."""
        self._count += 1
        try:
            async with self._free:
                yield
        finally:
            self._leave()

    def seconds_until_turn(self) -> int:
        """When the next device that is put off shall come back."""
        now = self._now()
        self._turn = max(self._turn + self._pace * PRESS, now + SOONEST)
        if self._turn > now + LATEST:
            self._turn = now + SOONEST
        return math.ceil(self._turn - now)

    def _leave(self) -> None:
        now = self._now()
        if self._count > AT_ONCE:  # otherwise it is the devices that set the pace
            self._pace += _MEMORY * (now - self._ended - self._pace)
        self._ended = now
        self._count -= 1
