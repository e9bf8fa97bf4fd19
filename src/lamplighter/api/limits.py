"""Limits a caller can run into: the rate per credential and per address, and the operations of a month."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Protocol

from lamplighter.api.caller import Caller
from lamplighter.clock import EPOCH, MICROSECONDS


class Buckets:
    """Token buckets by key. Bounded: the least recently used key is forgotten, which fills its bucket again.

    :param rate: tokens per second
    :param burst: tokens a full bucket holds
    """

    def __init__(self, rate: float, burst: int, keys: int = 100_000) -> None:
        self.rate = rate
        self.burst = burst
        self._keys = keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take a token. The tokens left; below zero when there was none, and then none is taken.

        :param now: monotonic seconds
        """
        tokens = self._level(key, now) - 1.0
        if tokens < 0.0:
            return tokens
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return tokens

    def is_empty(self, key: str, now: float) -> bool:
        """Whether a key that was seen before has no token left. Takes none."""
        return key in self._buckets and self._level(key, now) < 1.0

    def wait(self, key: str, now: float) -> float:
        """Seconds until the next token."""
        return max((1.0 - self._level(key, now)) / self.rate, 0.0)

    def _level(self, key: str, now: float) -> float:
        before = self._buckets.get(key)
        if before is None:
            return float(self.burst)
        tokens, since = before
        tokens += (now - since) * self.rate
        return tokens if tokens < self.burst else float(self.burst)


class Quota(Protocol):
    """The number of operations that accounts have made this calendar month."""

    def count(self, caller: Caller, now: int) -> None:
        """Count one authenticated call. Raises OperationsQuotaReached where the tier has a limit and it is used up.

        :param now: microseconds UTC
        """
        ...


def month_of(now: int) -> str:
    """The UTC calendar month of a time: ``2026-11``."""
    return (EPOCH + timedelta(microseconds=now)).strftime("%Y-%m")


def next_month(now: int) -> int:
    """The first microsecond of the next UTC calendar month."""
    moment = (EPOCH + timedelta(microseconds=now)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (moment + timedelta(days=32)).replace(day=1)
    return (following - EPOCH) // timedelta(seconds=1) * MICROSECONDS
