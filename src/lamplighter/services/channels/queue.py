"""What waits for a channel: results from before it was registered, then everything that happens."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from lamplighter.clock import MICROSECONDS
from lamplighter.services.channels.losses import Loss, Reason
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.store import Channel, Store
from lamplighter.services.channels.tail import Item, Tail, item_of

RESULTS = 100
"""Results from before the registration that are read at once, at most."""
COUNTED_PAGES = 20
"""Pages of the log that counting a queue looks at, at most: 10,000 events of all accounts together."""


class Waiting(NamedTuple):
    """Events for the channel, and the place up to which there is nothing else for it."""

    items: list[Item]
    end: Place


class Excess(NamedTuple):
    """Events that wait longer, or are more, than a limit allows: everything up to the place."""

    place: Place
    losses: list[Loss]

    @property
    def number(self) -> int:
        return sum(each.count for each in self.losses)


class Ahead(NamedTuple):
    """What waits: how many events, and when the first of them happened."""

    number: int
    first: int | None


class Queue:
    """Reads channels' events.

    :param kept: seconds for which events wait
    :param largest: bytes that may wait for one channel
    """

    def __init__(self, store: Store, tail: Tail, kept: float, largest: int) -> None:
        self._store = store
        self._tail = tail
        self._kept = round(kept * MICROSECONDS)
        self._largest = largest

    async def read(self, channel: Channel, place: Place) -> Waiting:
        """What comes after the place. At the end of the log there is nothing, and the place has not moved."""
        if place < channel.since:
            return await self._results(channel, place)
        page = await self._tail.read(place)
        found = page.items.get(channel.account_id, ())
        return Waiting([item for item in found if item.place > place and item.is_for(channel.subject_id)], page.end)

    async def _results(self, channel: Channel, place: Place) -> Waiting:
        found = await self._store.results(
            channel.account_id, place, channel.since, channel.created_at - self._kept, RESULTS
        )
        items = [item for at, event in found if (item := item_of(at, event)) and item.is_for(channel.subject_id)]
        return Waiting(items, found[-1][0] if len(found) == RESULTS else channel.since)

    async def excess(self, channel: Channel, place: Place, now: int) -> Excess:
        """What of the events after the place is too old, or too much: then the oldest go, in pages.

        It reads all that waits, so it is for channels that have fallen behind.

        :param now: microseconds UTC
        """
        oldest = now - self._kept
        pages: deque[_Page] = deque()
        aged, cropped = _Count("age"), _Count("size")
        waiting_bytes = 0
        cut = at = place
        while True:
            waiting = await self.read(channel, at)
            if waiting.end == at and not waiting.items:
                return Excess(cut, [*aged.losses(), *cropped.losses()])
            old = sum(1 for item in waiting.items if item.time < oldest)
            if old:
                cut = waiting.items[old - 1].place
                aged.add(old, waiting.items[0].time, waiting.items[old - 1].time)
            kept = waiting.items[old:]
            size = sum(item.size for item in kept)
            times = (kept[0].time, kept[-1].time) if kept else (0, 0)
            pages.append(_Page(waiting.end, len(kept), size, *times))
            waiting_bytes += size
            while waiting_bytes > self._largest and len(pages) > 1:
                page = pages.popleft()
                cut = page.end
                cropped.add(page.number, page.first, page.last)
                waiting_bytes -= page.size
            at = waiting.end

    async def size(self, channel: Channel, place: Place) -> int:
        """How many events wait after the place; of a long queue, those within COUNTED_PAGES."""
        return (await self.ahead(channel, place)).number

    async def ahead(self, channel: Channel, place: Place) -> Ahead:
        """What waits after the place; of a long queue, what is within COUNTED_PAGES."""
        count, first = 0, None
        for _ in range(COUNTED_PAGES):
            waiting = await self.read(channel, place)
            count += len(waiting.items)
            if first is None and waiting.items:
                first = waiting.items[0].time
            if waiting.end == place:
                break
            place = waiting.end
        return Ahead(count, first)


class _Page(NamedTuple):
    """A page of what waits: how many events, about how many bytes, and the times of the first and the last."""

    end: Place
    number: int
    size: int
    first: int
    last: int


class _Count:
    """Counts what one limit takes."""

    def __init__(self, reason: Reason) -> None:
        self._reason = reason
        self._number = 0
        self._first = self._last = 0

    def add(self, number: int, first: int, last: int) -> None:
        if number:
            self._first = self._first if self._number else first
            self._number, self._last = self._number + number, last

    def losses(self) -> list[Loss]:
        return [Loss(self._reason, self._number, self._first, self._last)] if self._number else []
