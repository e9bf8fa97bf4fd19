"""What waits for a channel: results from before it was registered, then everything that happens."""

from __future__ import annotations

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


class Queue:
    """Reads channels' events.

    :param results_kept: seconds for which results wait for a channel to be registered
    """

    def __init__(self, store: Store, tail: Tail, results_kept: float) -> None:
        self._store = store
        self._tail = tail
        self._kept = round(results_kept * MICROSECONDS)

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
