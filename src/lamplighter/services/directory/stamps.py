"""New ids and the times that go with them."""

from __future__ import annotations

from typing import NamedTuple

from lamplighter.clock import Clock
from lamplighter.ids import Ids


class Stamp(NamedTuple):
    """An id and the time it was made, microseconds UTC."""

    id: str
    time: int


class Stamps:
    """Makes ids whose first digits are the millisecond of their time, always.

    Lists rely on it: what was created in a span of time has ids in a span of ids. An id counts on when the clock is
    set back, so its time does too.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    def new(self) -> Stamp:
        new_id = self._ids.new()
        millisecond = int(new_id[:12], 16)
        now = self._clock.now()
        return Stamp(new_id, now if now // 1000 == millisecond else millisecond * 1000)

    def after(self, before: int) -> int:
        """Now, and later than ``before``: the time of a change, which is its etag too."""
        return max(self._clock.now(), before + 1)
