"""One long poll: held until there is something to tell, the time is up, or the channel is deleted."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from lamplighter.errors.channels import ChannelDeleted
from lamplighter.services.channels.messages import loss_message, messages
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.store import Channel, Store
from lamplighter.services.channels.tail import Tail


class Found(NamedTuple):
    """What a poll came to."""

    body: bytes | None
    """The message; None: nothing to tell."""
    losses: str | None
    """Those that the message tells of."""
    place: Place
    """Where the channel's cursor belongs once this was answered."""


class Poll:
    """Each poll reads by itself from where the channel stood when it came: polls that are open together all get
    everything.

    :param place: where it begins
    :param told: losses that a poll before has told already
    :param look: seconds between two looks at the channel
    """

    def __init__(
        self,
        channel: Channel,
        place: Place,
        told: str | None = None,
        *,
        store: Store,
        queue: Queue,
        tail: Tail,
        look: float,
    ) -> None:
        self.channel = channel
        self.ended = asyncio.Event()
        self._place = place
        self._told = told
        self._store = store
        self._queue = queue
        self._tail = tail
        self._look_seconds = look
        self._changed = asyncio.Event()
        self._stopped = False

    def look(self) -> None:
        """The channel may have been deleted: look at once."""
        self._changed.set()

    def stop(self) -> None:
        """Answer now that there is nothing."""
        self._stopped = True
        self._changed.set()

    async def run(self, hold: float, gone: asyncio.Future[None]) -> Found:
        """Wait for a message.

        :param hold: seconds to wait at most
        :param gone: done when the client has left

        Raises ChannelDeleted, DatabaseUnavailable.
        """
        until = asyncio.get_running_loop().time() + hold
        while True:
            news = self._tail.news
            losses = loss_message(self.channel, self._place)
            if losses is not None and losses.losses != self._told:
                return Found(losses.body, losses.losses, losses.place)
            waiting = await self._queue.read(self.channel, self._place)
            message = next(messages(waiting.items, self.channel.serialization), None)
            if message is not None:
                return Found(message.body, None, message.place)
            at_end, self._place = waiting.end == self._place, waiting.end
            if not await self._goes_on(news if at_end else None, gone, until):
                return Found(None, None, self._place)

    async def _goes_on(self, news: asyncio.Event | None, gone: asyncio.Future[None], until: float) -> bool:
        """Whether to read on, once there is news (None: there is more already); False when the poll is over."""
        while True:
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or self._stopped or gone.done():
                return False
            if self._changed.is_set() and await self._check():
                return True
            if news is None or news.is_set():
                return True
            await self._wait(news, gone, min(left, self._look_seconds))
            self._changed.set()  # the word of a deletion may have been lost: each turn looks

    async def _wait(self, news: asyncio.Event, gone: asyncio.Future[None], seconds: float) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (news, self._changed)]
        watched: list[asyncio.Future[Any]] = [*waits, gone]
        try:
            await asyncio.wait(watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _check(self) -> bool:
        """Whether there is something else to read now."""
        self._changed.clear()
        current = await self._store.get(*self.channel.key)
        if current is None or current.id != self.channel.id:
            raise ChannelDeleted()
        replayed, lost = current.turn != self.channel.turn, current.losses != self.channel.losses
        self.channel = current
        if replayed:
            self._place = current.cursor
        return replayed or lost
