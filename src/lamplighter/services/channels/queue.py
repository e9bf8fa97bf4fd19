"""What waits for a channel: results from before it was registered, then everything that happens."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from lamplighter.clock import MICROSECONDS
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
    number: int


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
        pages: deque[tuple[Place, int, int]] = deque()
        waiting_bytes = number = 0
        cut = at = place
        while True:
            waiting = await self.read(channel, at)
            if waiting.end == at and not waiting.items:
                return Excess(cut, number)
            old = sum(1 for item in waiting.items if item.time < oldest)
            number += old
            if old:
                cut = waiting.items[old - 1].place
            size = sum(item.size for item in waiting.items[old:])
            pages.append((waiting.end, len(waiting.items) - old, size))
            waiting_bytes += size
            while waiting_bytes > self._largest and len(pages) > 1:
                cut, many, size = pages.popleft()
                number += many
                waiting_bytes -= size
            at = waiting.end

    async def size(self, channel: Channel, place: Place) -> int:
        """How many events wait after the place; of a long queue, those within COUNTED_PAGES."""
        count = 0
        for _ in range(COUNTED_PAGES):
            waiting = await self.read(channel, place)
            count += len(waiting.items)
            if waiting.end == place:
                break
            place = waiting.end
        return count
