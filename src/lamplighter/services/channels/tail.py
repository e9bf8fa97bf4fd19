"""The event log as all channels of a process read it: in pages that they share, woken by what is appended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from lamplighter.bus.bus import Subscription
from lamplighter.bus.event import Event, Recorded
from lamplighter.bus.log import EventLog
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.connect.events import Key, delivery_of

PAGE = 500
"""Events read at once, at most."""
PAGE_BYTES = 2 * 1024 * 1024
"""Payload in a page above which the next one is read smaller."""
KEPT_PAGES = 16
KEPT_BYTES = 16 * 1024 * 1024
"""Bounds of the pages kept for those who come next."""

SOON, LATE = 0.005, 1.0
"""Seconds between looks for events that were announced and cannot be seen yet (see bus/log.py on PostgreSQL)."""


class Item(NamedTuple):
    """An event as channels deliver it, and its place."""

    place: Place
    key: Key
    item: dict[str, Any] | str
    subjects: tuple[str, ...] | None
    endpoint_name: str
    time: int
    device_id: str

    def is_for(self, subject_id: str) -> bool:
        return self.subjects is None or subject_id in self.subjects

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        if isinstance(self.item, str):
            return 100
        return 300 + len(self.item.get("payload") or "") + 60 * len(self.item.get("resources") or ())


class Page(NamedTuple):
    """What the log has after ``start`` and up to ``end``, by account."""

    start: Place
    end: Place
    items: dict[str, list[Item]]
    events: Sequence[Recorded]
    size: int
    """About how many bytes its payloads have."""


class Tail:
    """Reads the log for many readers.

    It wakes them when something was appended, and every ``look`` seconds, because the word of that may be lost: all at
    once, so that one read does for all.

    Readers that keep up are all at the end and share one read. One that lags reads pages of its own until it has caught
    up; a page that covers its place is used from the middle.
    """

    def __init__(self, log: EventLog, look: float) -> None:
        self._log = log
        self._look = look
        self._pages: deque[Page] = deque()
        self._reading: dict[Place, asyncio.Task[Page]] = {}
        self._limit = PAGE
        # The furthest place that a reader has come to: whatever lies before it can be read already.
        self._edge = BEGINNING
        # A read that found nothing, while there is no word of more: its start, and how far that holds.
        self._quiet: tuple[Place, Place] | None = None
        self._news = asyncio.Event()
        self._unseen = False
        self._delay = SOON
        self._timer: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        self._subscription = await self._log.on_append(self._appended)
        self._tick()

    async def close(self) -> None:
        if self._subscription is not None:
            await self._subscription.cancel()
            self._subscription = None
        for timer in (self._timer, self._ticker):
            if timer is not None:
                timer.cancel()
        for task in tuple(self._reading.values()):
            task.cancel()

    @property
    def news(self) -> asyncio.Event:
        """Set when there may be more. Take it before you read, and wait for it when you found nothing."""
        return self._news

    async def read(self, place: Place) -> Page:
        """A page that goes on after that place: its items up to the place are behind you. At the end of the log it is empty
        and ends where you are.

        Raises DatabaseUnavailable.
        """
        self._edge = max(self._edge, place)
        page = self._known(place)
        if page is None and place not in self._reading and (before := [at for at in self._reading if at < place]):
            await asyncio.wait([self._reading[max(before)]])  # its page is likely to cover this place
            page = self._known(place)
        if page is not None:
            return page
        task = self._reading.get(place)
        if task is None:
            task = self._reading[place] = asyncio.create_task(self._read(place))
            task.add_done_callback(lambda done: self._done(place, done))
        return await asyncio.shield(task)  # one reader's end is not the others'

    def _known(self, place: Place) -> Page | None:
        """The page after the place, if it needs no reading."""
        if self._quiet is not None and self._quiet[0] <= place <= self._quiet[1]:
            return _page(place, (), self._quiet[1])
        return next((page for page in self._pages if page.start <= place < page.end), None)

    async def _read(self, place: Place) -> Page:
        limit, news, edge = self._limit, self._news, self._edge
        found = await self._log.read(str(place), limit)
        # Where there is nothing, all readers meet at the edge.
        page = _page(place, found, Place.of(found[-1].position) if found else edge)
        if found:
            self._unseen = False
            if self._quiet is not None and self._quiet[1] < page.end:
                self._quiet = None
            self._keep(page)
            self._limit = max(1, limit // 2) if page.size > PAGE_BYTES else min(PAGE, limit * 2)
            return page
        if news is self._news:
            self._quiet = (place, page.end)
        if self._unseen and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self._again)
        return page

    def _done(self, place: Place, task: asyncio.Task[Page]) -> None:
        if self._reading.get(place) is task:
            del self._reading[place]
        if not task.cancelled():
            task.exception()  # those who waited have seen it

    def _keep(self, page: Page) -> None:
        self._pages.append(page)
        while len(self._pages) > KEPT_PAGES or sum(each.size for each in self._pages) > KEPT_BYTES:
            self._pages.popleft()

    def _appended(self) -> None:
        self._unseen = True
        self._delay = SOON
        self.wake()

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(self._look, self._tick)
        self.wake()

    def _again(self) -> None:
        self._timer = None
        self._delay = min(LATE, 2 * self._delay)
        self.wake()

    def wake(self) -> None:
        """Have everybody look."""
        self._quiet = None
        self._reading.clear()  # a read under way began before: who is woken must not join it
        self._news.set()
        self._news = asyncio.Event()


def item_of(place: Place, event: Event) -> Item | None:
    """How channels deliver an event; None: they do not."""
    delivery = delivery_of(event)
    if delivery is None:
        return None
    return Item(
        place, delivery.key, delivery.item, delivery.subjects, delivery.endpoint_name, event.time, event.device_id or ""
    )


def _page(start: Place, found: Sequence[Recorded], end: Place) -> Page:
    items: dict[str, list[Item]] = {}
    size = 0
    for recorded in found:
        item = item_of(Place.of(recorded.position), recorded.event)
        if item is not None:
            items.setdefault(recorded.event.account_id, []).append(item)
            size += item.size
    return Page(start, end, items, found, size)
