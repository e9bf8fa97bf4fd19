"""The long polls that are open in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from lamplighter.api.caller import Caller
from lamplighter.errors import Error
from lamplighter.services.channels.model import Mechanism, Serialization
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.channels.poll import Poll
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.retention import Limits
from lamplighter.services.channels.store import Channel, Key, Store
from lamplighter.services.channels.tail import Tail

log = structlog.get_logger("lamplighter.channels")

Register = Callable[[Caller, Mechanism, Serialization], Awaitable[tuple[Channel, bool]]]


class Handed(NamedTuple):
    """What polls were answered and the database does not know yet."""

    turn: int
    place: Place
    told: str | None


NOTHING = Handed(0, BEGINNING, None)


class Polls:
    """Holds polls, and answers them.

    :param register: registers a channel
    :param seen: is told that a channel has a client; whether it was silent before
    :param hold: seconds that a poll without news is held
    :param look: seconds between two looks at what is open
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        tail: Tail,
        limits: Limits,
        register: Register,
        seen: Callable[[Channel], Awaitable[bool]],
        hold: float,
        look: float,
    ) -> None:
        self._store = store
        self._queue = queue
        self._tail = tail
        self._limits = limits
        self._register = register
        self._seen = seen
        self._hold = hold
        self._look = look
        self._open: set[Poll] = set()
        self._handed: dict[Key, Handed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def poll(self, caller: Caller, disconnected: Callable[[], Awaitable[None]]) -> bytes | None:
        """Wait for a message of the caller's long-poll channel, which is registered when there is none.

        None: nothing to tell within the time. The cursor moves when the answer is on its way to a client that is still
        there.

        Raises OtherChannelExists, ChannelDeleted.
        """
        # Taken before the row is read: the cursor may reach the disk, and be forgotten here, while the row is on its way.
        handed = self._handed.get(Key(caller.account_id, caller.subject_id), NOTHING)
        channel = await self._store.get(caller.account_id, caller.subject_id)
        if channel is None or channel.mechanism != "LONG_POLLING":
            channel, _ = await self._register(caller, "LONG_POLLING", Serialization())
        if self._closing:
            return None
        place, told = channel.cursor, None
        if handed.turn == channel.turn:
            place, told = max(place, handed.place), handed.told
        if await self._seen(channel):
            place = await self._limits.apply(channel, place)
        poll = Poll(channel, place, told, store=self._store, queue=self._queue, tail=self._tail, look=self._look)
        gone = asyncio.ensure_future(disconnected())
        self._open.add(poll)
        try:
            found = await poll.run(self._hold, gone)
            self._ended(poll)
            await asyncio.sleep(0)  # a client that left at this very moment is known to have left
            # From here to the write of the answer nothing is awaited.
            if gone.done() and found.body is not None:
                return None
            self._hand(poll.channel, found.place, found.losses)
            return found.body
        finally:
            self._ended(poll)
            gone.cancel()

    def changed(self, key: Key) -> None:
        """That channel may be another: look at it."""
        for each in self._open:
            if each.channel.key == key:
                each.look()

    def revoked(self, account_id: str) -> None:
        """A key of the account may be void: polls come back with theirs."""
        for each in self._open:
            if each.channel.account_id == account_id:
                each.stop()

    async def close(self) -> None:
        """Answer them all."""
        self._closing = True
        everything = [*self._open]
        for each in everything:
            each.stop()
        for each in everything:
            await each.ended.wait()

    async def settle(self) -> None:
        """Wait until the database knows what polls were answered."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, poll: Poll) -> None:
        poll.ended.set()
        self._open.discard(poll)

    def _hand(self, channel: Channel, place: Place, told: str | None) -> None:
        """Move the cursor: here at once, for the next poll, and in the database as soon as may be."""
        before = self._handed.get(channel.key, NOTHING)
        if before.turn > channel.turn:
            return
        if before.turn == channel.turn:
            if place <= max(channel.cursor, before.place) and told is None:
                return
            place = max(place, before.place)
        handed = self._handed[channel.key] = Handed(channel.turn, place, told or before.told)
        task = asyncio.create_task(self._advance(channel, handed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _advance(self, channel: Channel, handed: Handed) -> None:
        try:
            await self._store.advance(channel, handed.place, handed.told)
        except Error as error:
            log.warning("a long-poll cursor could not be moved; its events will come again", error=error.name)
        finally:
            if self._handed.get(channel.key) is handed:
                del self._handed[channel.key]
