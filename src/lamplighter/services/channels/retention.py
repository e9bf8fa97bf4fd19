"""What becomes of channels and events that nobody takes: limits, applied where all can see it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import takewhile

import structlog

from lamplighter.bus.event import Event
from lamplighter.bus.log import START, EventLog
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error
from lamplighter.services.channels.model import Mechanism
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.store import Channel, Key
from lamplighter.services.channels.webhook_store import WebhookStore

log = structlog.get_logger("lamplighter.channels")

DISCARDED = "NotificationsDiscarded"
"""Event: a limit took notifications from a channel before they were delivered."""
REMOVED = "ChannelRemoved"
"""Event: a channel was removed by a rule, not by its application."""

CURSOR = "channels.aged"
"""The log is not pruned before what grows too old in it has been counted."""
SWEPT = 60.0
"""Seconds between two sweeps."""
SEEN = 60 * MICROSECONDS
"""How old ``seen_at`` may be although the client is there."""
TOGETHER = 100
READ = 500


class Limits:
    """Applies the limits of one channel, and leaves an event of each thing that is lost by them."""

    def __init__(self, store: WebhookStore, queue: Queue, clock: Clock, tell: Callable[[Key], None]) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._tell = tell
        self.discarded: Counter[str] = Counter()
        """How many events this process has discarded, by reason."""

    async def apply(self, channel: Channel, place: Place, least: Place = BEGINNING) -> Place:
        """Drop what waits after the place and is too old or too much; the place to go on from.

        :param least: a place before which everything is too old
        """
        now = self._clock.now()
        excess = await self._queue.excess(channel, place, now)
        excess = excess._replace(place=max(excess.place, least))
        if excess.place <= place:
            return place
        happened = None
        if excess.number:
            happened = event_of(DISCARDED, channel, now, number=excess.number)
            log.warning(
                "notifications were discarded: they waited too long, or were too many",
                account=channel.account_id,
                application=channel.subject_id,
                name=channel.name,
                number=excess.number,
            )
        await self._store.discard(channel, excess.place, excess.losses, happened)
        self.discarded.update({each.reason: each.count for each in excess.losses})
        return excess.place

    async def end(self, channel: Channel, reason: str, since: int) -> bool:
        """Remove a channel whose client is gone; whether it was still there.

        :param since: since when, microseconds UTC
        """
        happened = event_of(REMOVED, channel, self._clock.now(), reason=reason, since=since)
        ended = await self._store.end(channel, happened)
        if ended:
            self._tell(channel.key)
            log.warning(
                "a notification channel was removed",
                account=channel.account_id,
                application=channel.subject_id,
                name=channel.name,
                reason=reason,
            )
        return ended


class Sweeper:
    """Looks after channels that nobody looks at: one process of an installation is enough, and several do no harm.

    :param kept: seconds for which events wait
    :param patience: seconds that a channel of that mechanism may be without its client
    """

    def __init__(
        self,
        log_: EventLog,
        store: WebhookStore,
        limits: Limits,
        clock: Clock,
        kept: float,
        patience: Mapping[Mechanism, float],
        every: float = SWEPT,
    ) -> None:
        self._log = log_
        self._store = store
        self._limits = limits
        self._clock = clock
        self._kept = round(kept * MICROSECONDS)
        self._patience = {mechanism: round(seconds * MICROSECONDS) for mechanism, seconds in patience.items()}
        self._every = every
        self._began = clock.now()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._began = self._clock.now()
        self._task = asyncio.create_task(self._run(), name="channels sweeper")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def sweep(self) -> None:
        """Count and drop what has grown too old, and remove channels whose clients are gone. Raises DatabaseUnavailable."""
        await self._age(self._clock.now() - self._kept)
        for mechanism, patience in self._patience.items():
            now = self._clock.now()
            if now - self._began < patience:
                continue  # nobody could poll or connect while the server was away
            for channel in await self._store.silent(mechanism, now - patience - SEEN, TOGETHER):
                await self._limits.end(channel, "no client has come for it since then", channel.seen_at)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.sweep()
            except Error as error:
                log.warning("channels are not swept", error=error.name)
            except Exception:
                log.exception("channels could not be swept")

    async def _age(self, oldest: int) -> None:
        found_at = await self._log.cursor(CURSOR)
        if found_at is None:
            await self._log.commit(CURSOR, START)  # from now on nothing is pruned that was not counted
        position = began = found_at or START
        while found := await self._log.read(position, READ, ()):
            old = list(takewhile(lambda each: each.event.time < oldest, found))
            position = old[-1].position if old else position
            if len(old) < len(found):
                break
        if position == began:
            return
        place = Place.of(position)
        while lagging := await self._store.lagging(place, TOGETHER):
            for channel in lagging:
                await self._limits.apply(channel, channel.cursor, place)
        await self._log.commit(CURSOR, position)


def event_of(kind: str, channel: Channel, now: int, **data: str | int) -> Event:
    """An event about a channel."""
    return Event(
        kind=kind,
        account_id=channel.account_id,
        time=now,
        data={
            "id": channel.subject_id,
            "channel": channel.id,
            "name": channel.name,
            "mechanism": channel.mechanism,
            **data,
        },
    )
