"""One heap of what is due when. An item is disarmed by changing its ``due``: its old place in the heap then means nothing."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    due: float | None


T = TypeVar("T", bound=Timed)


class Timers(Generic[T]):
    """Items by the time at which they want attention, in seconds of the caller's clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0

    def arm(self, item: T, when: float) -> None:
        item.due = when
        self._count += 1  # breaks ties, so that items are never compared
        heappush(self._heap, (when, self._count, item))

    def next(self) -> float | None:
        """When the first armed item is due, or None."""
        heap = self._heap
        while heap and heap[0][2].due != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> T | None:
        """The first item due by now, disarmed; None when there is none."""
        when = self.next()
        if when is None or when > now:
            return None
        item = heappop(self._heap)[2]
        item.due = None
        return item
