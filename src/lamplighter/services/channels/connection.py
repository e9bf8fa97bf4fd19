"""One WebSocket of a channel: sends what waits, and ends when the channel, the key or the server does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Protocol

import structlog

from lamplighter.api.caller import Authenticator, CredentialKind
from lamplighter.errors import Error
from lamplighter.services.channels.messages import Message, loss_message, messages
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.store import Channel, Store
from lamplighter.services.channels.tail import Tail

log = structlog.get_logger("lamplighter.channels")

PERMISSION = "connect.use"
STALLED = 60.0
"""Seconds after which a peer that takes nothing has gone. The server's pings give it as long."""
CLOSING = 5.0
"""Seconds that writing the close frame may take."""
PROOF = 1.0
"""Seconds that a peer gets to prove that it has the last frames, when its connection ends from our side."""
DONE = frozenset({1000, 1001})
"""Close codes of a client that left of its own will (RFC 6455 section 7.4.1)."""

RELEASE = b"release"
"""Asked of the connection that has a channel, by the one that takes it over."""
PLACE = b"place"
"""Asked of the connection that has a channel: how far has it come?"""


class Socket(Protocol):
    """The server's end of a WebSocket (api/http.py)."""

    async def accept(self) -> None: ...

    async def send(self, text: str) -> None: ...

    @property
    def close_code(self) -> int | None: ...

    async def receive(self) -> str | bytes | None: ...

    async def reached(self) -> bool: ...

    async def close(self, code: int, reason: str = "") -> None: ...


class Presented(NamedTuple):
    """The key that a connection was opened with, to be checked again while it lasts."""

    kind: CredentialKind
    credential: str


async def holds(key: Presented, channel: Channel, authenticator: Authenticator) -> bool:
    """Whether a key that opened a channel may still have it. Raises DatabaseUnavailable."""
    try:
        caller = await authenticator.caller_of(*key)
    except Error as error:
        if error.status == 401:
            return False
        raise
    return caller.subject_id == channel.subject_id and caller.may(PERMISSION)


class Ending(NamedTuple):
    """Why a connection ends (the contract's close codes); code None: it has ended from the other side."""

    code: int | None
    reason: str


GONE = Ending(None, "")
LEFT = Ending(None, "the client closed")
DELETED = Ending(1000, "the channel was deleted")
REPLACED = Ending(1001, "a newer connection has the channel")
REVOKED = Ending(1008, "the key is no longer valid")
UNREGISTERED = Ending(1011, "no websocket channel is registered; send PUT /v2/notification/websocket first")
FAILED = Ending(1011, "the server failed; connect again")
STOPPING = Ending(1012, "the server is restarting; connect again")


class _Way:
    """How far a connection has come, since its channel was last given another place by a replay."""

    def __init__(self, start: Place) -> None:
        self.sent = self.frame = self.proven = start
        self.told: str | None = None
        """The losses that were sent last."""
        self.proven_told: str | None = None


class Connection:
    """One accepted connection that has claimed its channel.

    Writing a frame delivers nothing yet: it may stay in the buffers of a peer that went without a word. The cursor goes
    past a frame when the peer has answered a ping that was sent behind it, or has closed the connection properly.
    Whatever else ends the connection, the frames after that come again, with the same ``uid``.

    :param seen: is told that the channel has its client
    :param look: seconds between two looks at the key, the channel and the cursor
    """

    def __init__(
        self,
        id_: str,
        channel: Channel,
        socket: Socket,
        key: Presented,
        *,
        store: Store,
        queue: Queue,
        tail: Tail,
        authenticator: Authenticator,
        seen: Callable[[Channel], Awaitable[object]],
        look: float,
    ) -> None:
        self.id = id_
        self.channel = channel
        self.released = asyncio.Event()
        """Set when the cursor has been left for the next connection."""
        self.ended = asyncio.Event()
        self._socket = socket
        self._key = key
        self._store = store
        self._queue = queue
        self._tail = tail
        self._authenticator = authenticator
        self._seen = seen
        self._look_seconds = look
        self._changed = asyncio.Event()
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._sending = False
        self._way = _Way(channel.cursor)

    @property
    def sent(self) -> Place:
        """Everything up to here was written, or was for others."""
        return self._way.sent

    def look(self) -> None:
        """Something about the channel or its keys may have changed: look at once."""
        self._changed.set()

    def end(self, ending: Ending) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    async def answer(self, question: bytes) -> bytes:
        """What others ask of the connection that has a channel."""
        if question == RELEASE:
            self.end(REPLACED)
            await self.released.wait()
        return str(self.sent).encode()

    async def run(self) -> None:
        """Deliver until something ends it, leave the cursor behind what the peer has, and close."""
        watch = asyncio.create_task(self._until(self._watch()))
        others = [asyncio.create_task(self._until(each)) for each in (self._deliver(), self._listen(), self._prove())]
        ending = GONE
        try:
            ending = await self._ending
        finally:
            for task in others:
                task.cancel()
            self._changed.set()  # it writes to the database, and is not torn from that
            await asyncio.gather(watch, *others, return_exceptions=True)
            await self._leave(ending)
        if ending.code is not None:
            await close(self._socket, ending)

    async def _until(self, work: Coroutine[Any, Any, Ending]) -> None:
        try:
            self.end(await work)
        except Exception:
            log.exception("a notification connection failed", channel=self.channel.id)
            self.end(FAILED)

    async def _deliver(self) -> Ending:
        while True:
            way, news = self._way, self._tail.news
            losses = loss_message(self.channel, way.sent)
            if losses is not None and losses.losses != way.told and not await self._send(losses, way):
                return GONE
            try:
                waiting = await self._queue.read(self.channel, way.sent)
            except Error:
                await asyncio.sleep(self._look_seconds)  # the database is away
                continue
            for message in messages(waiting.items, self.channel.serialization):
                if way is not self._way:
                    break
                if not await self._send(message, way):
                    return GONE
            if waiting.end == way.sent and not waiting.items and way is self._way:
                await news.wait()
            way.sent = waiting.end

    async def _send(self, message: Message, way: _Way) -> bool:
        """Whether the peer is still there."""
        self._sending = True
        try:
            async with asyncio.timeout(STALLED):
                await self._socket.send(message.body.decode())
        except (OSError, RuntimeError):  # RuntimeError: the server has given the connection up already
            return False
        finally:
            self._sending = False
        way.sent = way.frame = message.place
        if message.losses is not None:
            way.told = message.losses
        return True

    async def _listen(self) -> Ending:
        while await self._socket.receive() is not None:
            pass  # applications have nothing to say here
        return LEFT if self._socket.close_code in DONE else GONE

    async def _prove(self) -> Ending:
        while True:
            await asyncio.sleep(self._look_seconds)
            if not await self._reached():
                await asyncio.sleep(0)  # the listener's turn: it knows how it ended
                return GONE

    async def _reached(self) -> bool:
        """Find out whether the peer has what was sent until now. False: it has gone."""
        way = self._way
        sent, told = way.sent, way.told
        if (way.frame > way.proven or told != way.proven_told) and not await self._socket.reached():
            return False
        way.proven, way.proven_told = sent, told
        return True

    async def _watch(self) -> Ending:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._changed.wait()
            if self._ending.done():
                return self._ending.result()
            self._changed.clear()
            try:
                ending = await self._check()
                if ending is not None:
                    return ending
                await self._advance()
                await self._seen(self.channel)
            except Error as error:
                log.warning("a notification connection could not be checked", error=error.name)

    async def _check(self) -> Ending | None:
        """Whether key and channel still stand."""
        if not await holds(self._key, self.channel, self._authenticator):
            return REVOKED
        current = await self._store.get(*self.channel.key)
        if current is None or current.id != self.channel.id:
            return DELETED
        if current.connection != self.id:
            return REPLACED
        replayed = current.turn != self.channel.turn
        self.channel = current
        if replayed:
            self._way = _Way(current.cursor)
            self._tail.wake()  # it waits for what comes after the place where it was
        return None

    async def _advance(self) -> None:
        way, channel = self._way, self.channel
        if way.proven > channel.cursor or way.proven_told is not None:
            await self._store.advance(channel, way.proven, way.proven_told)
            left = None if channel.losses == way.proven_told else channel.losses
            self.channel = channel._replace(cursor=max(way.proven, channel.cursor), losses=left)
            if way.told == way.proven_told:
                way.told = None
            way.proven_told = None

    async def _leave(self, ending: Ending) -> None:
        if ending is LEFT:
            way = self._way
            way.proven, way.proven_told = way.sent, way.told
        elif ending is not GONE:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROOF):
                    await self._reached()
        try:
            await self._advance()
            await self._seen(self.channel)
            await self._store.release(self.channel, self.id)
        except Error as error:
            log.warning("a notification connection could not leave its cursor", error=error.name)
        finally:
            self.released.set()


async def close(socket: Socket, ending: Ending) -> None:
    """Send the close frame, unless the peer has gone or takes nothing."""
    assert ending.code is not None
    with contextlib.suppress(OSError, RuntimeError):
        async with asyncio.timeout(CLOSING):
            await socket.close(ending.code, ending.reason)
