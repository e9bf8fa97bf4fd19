"""How many claims an account may still make whose devices have not come."""

from __future__ import annotations

from lamplighter.clock import Clock
from lamplighter.services.enrollment import store
from lamplighter.storage.database import Transaction

MARGIN = 10_000
"""Claims that others may add meanwhile: a count that is further from the limit is believed for a while."""
BELIEVED = 5.0
"""Seconds."""
ACCOUNTS = 1000
"""Counts that are remembered at most."""


class Room:
    """Counts exactly near the limit, and rarely far from it: to count a hundred thousand takes milliseconds.

    :param most: open claims of one account; 0: no limit
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self.most = most
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    async def take(self, tx: Transaction, account_id: str, wanted: int) -> int:
        """How many of the wanted claims may be made in this transaction."""
        if self.most <= 0:
            return wanted
        used, at = self._seen.get(account_id, (0, float("-inf")))
        if self._clock.monotonic() - at > BELIEVED or used + wanted + MARGIN > self.most:
            used, at = await store.count_open(tx, account_id, self._clock.now()), self._clock.monotonic()
            while len(self._seen) >= ACCOUNTS:
                del self._seen[next(iter(self._seen))]
        granted = max(0, min(wanted, self.most - used))
        self._seen[account_id] = (used + granted, at)
        return granted
