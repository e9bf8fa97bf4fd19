"""One event stream (Server-Sent Events, HTML standard section 9.2): tells its client what happens until one of them ends.

Such a stream has no way back: nothing in it says what the client has. So each event carries its position as ``id``, and who
comes back with ``Last-Event-ID`` goes on exactly there. For those who come without one, a channel has its cursor. That goes
past an event when the client's system, or the proxy before it, has acknowledged its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

import structlog

from lamplighter.api.caller import Authenticator
from lamplighter.api.stream import Outlet
from lamplighter.errors import Error
from lamplighter.services.channels.connection import PROOF, STALLED, Presented, holds
from lamplighter.services.channels.messages import Message, loss_message, messages
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.store import Channel, Store
from lamplighter.services.channels.tail import Tail

log = structlog.get_logger("lamplighter.channels")

BEAT = 15.0
"""Seconds between two signs of life. Proxies close what is silent, most of them after a minute."""
RETRY = 2000
"""Milliseconds after which a client comes back. One that came while the server is about to stop would be refused for good:
browsers try again where nobody answers, and never after an error."""
SOON, LATE = 0.005, 0.25
"""Seconds between two looks for an acknowledgement, at first and of a client that takes its time."""

FORGOTTEN = b'{"notifications-discarded":[{"count":null,"reason":"age","first":null,"last":null}]}'
"""What a client is told that was away for longer than events are kept: nobody knows any more what it has missed."""

DELETED = "the channel was deleted"
REVOKED = "the key is no longer valid"
GONE = ""


class Mark(NamedTuple):
    """With so many bytes of the stream its client was told of everything up to the place, and of those losses."""

    written: int
    place: Place
    losses: str | None


class EventStream:
    """An open stream.

    :param channel: what it shows; of a stream without a registered channel, one that is in no table
    :param place: where it begins
    :param lost: whether something that the client does not have is kept no more
    :param store: where the channel is; None: it is in no table
    :param seen: is told that the channel has a client
    :param look: seconds between two looks at the key, the channel and the cursor
    :param beat: seconds between two signs of life
    """

    def __init__(
        self,
        id_: str,
        channel: Channel,
        place: Place,
        lost: bool,
        outlet: Outlet,
        key: Presented,
        *,
        store: Store | None,
        queue: Queue,
        tail: Tail,
        authenticator: Authenticator,
        seen: Callable[[Channel], Awaitable[object]],
        look: float,
        beat: float = BEAT,
    ) -> None:
        self.id = id_
        self.channel = channel
        self.place = place
        """Everything up to here was written."""
        self.ended = asyncio.Event()
        self._lost = lost
        self._outlet = outlet
        self._key = key
        self._store = store
        self._queue = queue
        self._tail = tail
        self._authenticator = authenticator
        self._seen = seen
        self._look_seconds = look
        self._beat_seconds = beat
        self._changed = asyncio.Event()
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._proven = Mark(0, place, None)
        self._marks: deque[Mark] = deque()
        """What is not known to have arrived."""
        self._losses: str | None = None
        """Those that were told last."""

    def look(self) -> None:
        """Something about the channel or its keys may have changed: look at once."""
        self._changed.set()

    async def answer(self, question: bytes) -> bytes:
        """What others ask of the stream that a channel's row names: how far it has come."""
        return str(self.place).encode()

    def stop(self) -> None:
        """The server stops."""
        self._outlet.end()

    async def run(self) -> None:
        """Tell what happens until something ends it, and leave the cursor behind what the client has."""
        try:
            await self._send(b"retry: %d\nid: %s\n\n" % (RETRY, self.place.uid.encode()))
            if self._lost:
                await self._send(event_of(Message(FORGOTTEN, self.place)))
            self._delivering = self._start(self._deliver())
            others = [self._start(self._watch()), self._start(self._beat())]
            leaving = asyncio.create_task(self._outlet.ended())
            try:
                await asyncio.wait((self._ending, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                tasks = [self._delivering, *others, leaving]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._leave()
            if self._ending.done() and (reason := self._ending.result()):
                await self._send(b": %s\n\n" % reason.encode())
        except OSError:
            pass  # the client has gone
        finally:
            self.ended.set()

    def _start(self, work: Coroutine[Any, Any, str]) -> asyncio.Task[None]:
        return asyncio.create_task(self._until(work))

    async def _until(self, work: Coroutine[Any, Any, str]) -> None:
        try:
            self._end(await work)
        except OSError:
            self._end(GONE)
        except Exception:
            log.exception("an event stream failed", channel=self.channel.id)
            self._end(GONE)

    def _end(self, reason: str) -> None:
        if not self._ending.done():
            self._ending.set_result(reason)

    async def _deliver(self) -> str:
        while True:
            news = self._tail.news
            losses = loss_message(self.channel, self.place)
            if losses is not None and losses.losses != self._losses:
                await self._tell(losses)
            try:
                waiting = await self._queue.read(self.channel, self.place)
            except Error:
                await asyncio.sleep(self._look_seconds)  # the database is away
                continue
            for message in messages(waiting.items, self.channel.serialization):
                await self._tell(message)
            if waiting.end == self.place and not waiting.items:
                await news.wait()
            self._mark(waiting.end, None)

    async def _tell(self, message: Message) -> None:
        await self._send(event_of(message))
        self._losses = message.losses or self._losses
        self._mark(message.place, message.losses)

    def _mark(self, place: Place, losses: str | None) -> None:
        self.place = place
        written = self._outlet.written
        if self._marks and self._marks[-1].written == written:
            losses = self._marks.pop().losses
        self._marks.append(Mark(written, place, losses))

    async def _beat(self) -> str:
        """Keep proxies from closing it, the client's ``Last-Event-ID`` young, and find out when the client is not there."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            await self._send(b":\nid: %s\n\n" % self.place.uid.encode())
            async with asyncio.timeout(STALLED):
                await self._taken(self._outlet.written)

    async def _send(self, piece: bytes) -> None:
        """Raises OSError when the client has gone, or takes nothing."""
        async with asyncio.timeout(STALLED):
            await self._outlet.send(piece)

    async def _taken(self, mark: int) -> None:
        delay = SOON
        while self._outlet.taken() < mark:
            await asyncio.sleep(delay)
            delay = min(LATE, 2 * delay)

    async def _watch(self) -> str:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._changed.wait()
            self._changed.clear()
            try:
                if (reason := await self._check()) is not None:
                    return reason
                await self._advance()
                await self._seen(self.channel)
            except Error as error:
                log.warning("an event stream could not be checked", error=error.name)

    async def _check(self) -> str | None:
        """Why the stream ends, if key or channel do not stand any more."""
        if not await holds(self._key, self.channel, self._authenticator):
            return REVOKED
        if self._store is None:
            return None
        current = await self._store.get(*self.channel.key)
        if current is None or current.id != self.channel.id:
            return DELETED
        if current.connection is None:  # the stream that the row named has ended
            await self._store.claim(current, self.id)
        replayed, lost = current.turn != self.channel.turn, current.losses != self.channel.losses
        self.channel = current
        if replayed:
            self._go_on(current.cursor)
        elif lost:
            self._tail.wake()
        return None

    def _go_on(self, place: Place) -> None:
        """What was read for the place before is not said any more."""
        self._delivering.cancel()
        self._marks.clear()
        self.place = place
        self._proven = Mark(self._outlet.written, place, None)
        self._delivering = self._start(self._deliver())

    async def _advance(self) -> None:
        taken, told = self._outlet.taken(), self._proven.losses
        while self._marks and self._marks[0].written <= taken:
            self._proven = self._marks.popleft()
            told = self._proven.losses or told
        self._proven = self._proven._replace(losses=told)
        place = self._proven.place
        if self._store is not None and (place > self.channel.cursor or told is not None):
            await self._store.advance(self.channel, place, told)
            self.channel = self.channel._replace(cursor=max(place, self.channel.cursor))
        self._proven = self._proven._replace(losses=None)

    async def _leave(self) -> None:
        if not self._outlet.left:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROOF):
                    await self._taken(self._outlet.written)
        try:
            await self._advance()
            await self._seen(self.channel)
            if self._store is not None:
                await self._store.release(self.channel, self.id)
        except Error as error:
            log.warning("an event stream could not leave its cursor", error=error.name)


def event_of(message: Message) -> bytes:
    """A message as an event: its ``id`` is the uid of the last notification in it, its type the kind of all of them.

    The body is JSON without line ends, so it is one ``data`` line.
    """
    kind = message.body[2 : message.body.index(b'"', 2)]
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (message.place.uid.encode(), kind, message.body)
