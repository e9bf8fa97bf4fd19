"""Writes down what a core did not serve, at a sampled rate: a flood of bad datagrams must not become a flood of lines."""

from __future__ import annotations

import logging
from typing import Any

EVERY = 10.0
"""Seconds between two lines."""


class RefusalLog:
    """``look`` after each batch. A core without refusals is left alone."""

    def __init__(self, core: Any, log: logging.Logger) -> None:
        self._refusals = getattr(core, "refusals", None)
        self._log = log
        self._seen = 0
        self._next = float("-inf")

    def look(self, now: float) -> None:
        """One line for all that was refused since the last, with the latest as example."""
        refusals = self._refusals
        if refusals is None or refusals.total == self._seen or now < self._next:
            return
        count = refusals.total - self._seen
        reason, peer, detail = refusals.last
        where = getattr(peer, "address", peer)
        self._log.info("messages refused: %d, the last from %s: %s, %s", count, where, reason.value, detail)
        self._seen = refusals.total
        self._next = now + EVERY
