"""What this process has delivered, in plain numbers, for whoever shows them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Seconds."""

TAKEN = "taken"
"""The outcome of a delivery that was acknowledged; others are called as ``Outcome.kind`` has them."""


class Tally:
    """Counts deliveries by the type of their channel."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """By type and outcome."""
        self.took: Counter[str] = Counter()
        """Microseconds that they took, by type."""
        self.buckets: dict[str, list[int]] = {}
        """How many took up to each bound and no less, the last one longer than all; by type."""

    def count(self, type_: str, outcome: str, took: int) -> None:
        """A delivery has ended.

        :param took: microseconds
        """
        self.outcomes[type_, outcome] += 1
        self.took[type_] += took
        buckets = self.buckets.setdefault(type_, [0] * (len(BOUNDS) + 1))
        buckets[bisect_left(BOUNDS, took / 1_000_000)] += 1
