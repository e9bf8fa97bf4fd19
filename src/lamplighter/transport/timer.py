"""One timer for a whole core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """Calls back once the moment has come that was set last; setting the same or a later one costs no new handle."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[float], None]) -> None:
        """``call`` gets the moment it was meant for."""
        self._loop = loop
        self._call = call
        self._handle: asyncio.TimerHandle | None = None
        self._when = 0.0
        self._armed = 0.0

    def set(self, when: float | None) -> None:
        """Seconds on the loop's clock; None: never."""
        if when is None:
            self.cancel()
            return
        self._when = when
        if self._handle is not None:
            if self._armed <= when:
                return  # it fires earlier, and is set again then
            self._handle.cancel()
        self._arm()

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        self._armed = self._when
        self._handle = self._loop.call_at(self._when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self._when > self._armed:
            self._arm()
        else:
            self._call(self._when)
