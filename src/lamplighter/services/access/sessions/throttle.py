"""Slows down guessing: after some wrong passwords in a row, each attempt waits longer than the one before."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from lamplighter.errors import access as errors

FIRST: Final = 0.5
LONGEST: Final = 8.0
"""Seconds between attempts: the first wait, doubled for each attempt, up to the longest."""
PATIENCE: Final = 10.0
"""Seconds that an attempt may be held; those who would wait longer are refused."""
FORGOTTEN: Final = 900.0
"""Seconds without an attempt after which the count begins anew."""
KEYS: Final = 100_000


class _Attempts(NamedTuple):
    made: int
    next_at: float


class Throttle:
    """Counts attempts by user. An attempt counts as wrong until it has succeeded, so many at once gain nothing.

    :param free: attempts without a wait
    :param sleep: how to wait
    """

    def __init__(self, free: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._free = free
        self._sleep = sleep
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    async def admit(self, key: str, now: float) -> None:
        """Wait until an attempt may be made. Raises LoginsTooFast instead of a long wait.

        :param now: monotonic seconds
        """
        attempts = self._attempts.get(key, _Attempts(0, now))
        if now - attempts.next_at > FORGOTTEN:
            attempts = _Attempts(0, now)
        beyond = attempts.made - self._free
        wait = 0.0
        if beyond >= 0:
            wait = max(attempts.next_at - now, 0.0) + min(FIRST * 2.0 ** min(beyond, 16), LONGEST)
            if wait > PATIENCE:
                raise errors.LoginsTooFast(retry_after=wait)
        self._attempts[key] = _Attempts(attempts.made + 1, now + wait)
        self._attempts.move_to_end(key)
        if len(self._attempts) > KEYS:
            self._attempts.popitem(last=False)
        if wait:
            await self._sleep(wait)

    def succeeded(self, key: str) -> None:
        """Forget the attempts: the password was right."""
        self._attempts.pop(key, None)
