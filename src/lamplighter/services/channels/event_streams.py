"""The event streams that are open in this process: of registered channels, and of whoever just wants to watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lamplighter.api.caller import Authenticator, Caller, credential_of
from lamplighter.api.stream import Outlet
from lamplighter.bus.bus import Server, Subscription
from lamplighter.errors import channels, requests
from lamplighter.errors.requests import InvalidParameters
from lamplighter.ids import Ids
from lamplighter.services.channels.connection import Presented
from lamplighter.services.channels.event_stream import BEAT, EventStream
from lamplighter.services.channels.model import Serialization
from lamplighter.services.channels.named_model import EARLIEST
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.replay import Places
from lamplighter.services.channels.retention import Limits
from lamplighter.services.channels.store import Channel, Key, Store
from lamplighter.services.channels.tail import Tail

MOST = 100
"""Streams that one application may have open in one process."""


class EventStreams:
    """Opens event streams, and ends them.

    Several may be open on one channel: each tells everything from where it began, as polls do. One that took the channel over
    would have the client of the other come back at once and take it over again, because browsers do so without being asked.

    :param serve: lets every process ask the stream of that id how far it has come
    :param seen: is told that a channel has a client
    :param look: seconds between two looks at what is open
    :param beat: seconds between two signs of life
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        tail: Tail,
        ids: Ids,
        serve: Callable[[str, Server], Awaitable[Subscription]],
        places: Places,
        authenticator: Authenticator,
        limits: Limits,
        seen: Callable[[Channel], Awaitable[object]],
        look: float,
        beat: float = BEAT,
    ) -> None:
        self._store = store
        self._queue = queue
        self._tail = tail
        self._ids = ids
        self._serve = serve
        self._places = places
        self._authenticator = authenticator
        self._limits = limits
        self._seen = seen
        self._look = look
        self._beat = beat
        self._open: dict[tuple[str, str], set[EventStream]] = {}
        self._closing = False

    async def follow(self, caller: Caller, channel: Channel, last: Place | None, outlet: Outlet) -> None:
        """Tell what waits for a registered channel, and what comes.

        :param last: the place up to which the client has everything; None: it goes on at the channel's cursor

        Raises, before the first piece, NamedChannelNotFound, TooManyEventStreams, ShuttingDown and DatabaseUnavailable.
        """
        self._admit(caller)
        place, lost = await self._after(last)
        if place is None:
            place = await self._limits.apply(channel, channel.cursor)
            channel = await self._store.get(*channel.key) or channel  # with what the limits have taken
        elif lost:
            lost = channel.losses is None  # otherwise these say more
        else:
            await self._store.advance(channel, place)
        stream = self._stream(channel, place, lost, outlet, self._store)
        if await self._store.claim(channel, stream.id) is None:
            raise channels.NamedChannelNotFound(name=channel.name, kind="event-stream")
        serving = await self._serve(stream.id, stream.answer)
        try:
            await self._run(stream)
        finally:
            await serving.cancel()

    async def watch(
        self, caller: Caller, serialization: Serialization, since: str, last: Place | None, outlet: Outlet
    ) -> None:
        """Tell what happens, without a registered channel: nothing is kept of it.

        :param since: from where on, as ``Places.of`` takes it
        :param last: the place up to which the client has everything; then ``since`` was for its first request

        Raises, before the first piece, InvalidParameters, TooManyEventStreams, ShuttingDown and DatabaseUnavailable.
        """
        self._admit(caller)
        place, lost = await self._after(last)
        if place is None:
            place = await self._places.of(since)
        shown = Channel(
            account_id=caller.account_id,
            subject_id=caller.subject_id,
            id="",
            mechanism="EVENT_STREAM",
            serialization=serialization,
            cursor=place,
            since=BEGINNING,
            connection=None,
            created_at=0,
        )
        await self._run(self._stream(shown, place, lost, outlet, None))

    def changed(self, key: Key) -> None:
        """That channel may be another: look at it."""
        for each in self._open.get((key.account_id, key.subject_id), ()):
            each.look()

    def revoked(self, account_id: str) -> None:
        """A key of the account may be void."""
        for (account, _), group in self._open.items():
            for each in group if account == account_id else ():
                each.look()

    async def close(self) -> None:
        """End them all."""
        self._closing = True
        everything = [each for group in self._open.values() for each in group]
        for each in everything:
            each.stop()
        for each in everything:
            await each.ended.wait()

    def _admit(self, caller: Caller) -> None:
        if self._closing:
            raise requests.ShuttingDown(retry_after=1)
        if len(self._open.get((caller.account_id, caller.subject_id), ())) >= MOST:
            raise channels.TooManyEventStreams(limit=MOST, retry_after=1)

    async def _after(self, last: Place | None) -> tuple[Place | None, bool]:
        """Where a client goes on that has everything up to there, and whether some of what follows is kept no more.

        None: it has not said, or the place is of another installation, or of a database before it was restored.
        """
        if last is None:
            return None, False
        try:
            return await self._places.of(last.uid), False
        except InvalidParameters:
            earliest = await self._places.of(EARLIEST)
            return (earliest, True) if last < earliest else (None, False)

    def _stream(self, channel: Channel, place: Place, lost: bool, outlet: Outlet, store: Store | None) -> EventStream:
        return EventStream(
            self._ids.new(),
            channel,
            place,
            lost,
            outlet,
            Presented(*credential_of(outlet.authorization)),
            store=store,
            queue=self._queue,
            tail=self._tail,
            authenticator=self._authenticator,
            seen=self._seen if store is not None else _nobody,
            look=self._look,
            beat=self._beat,
        )

    async def _run(self, stream: EventStream) -> None:
        key = stream.channel.account_id, stream.channel.subject_id
        self._open.setdefault(key, set()).add(stream)
        try:
            if self._closing:
                stream.stop()
            await stream.run()
        finally:
            self._open[key].discard(stream)
            if not self._open[key]:
                del self._open[key]


async def _nobody(channel: Channel) -> None:
    """Nobody keeps when a stream without a registered channel was open."""
