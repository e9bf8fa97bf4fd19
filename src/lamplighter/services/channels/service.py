"""What may happen to channels, and what is open on them in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

import structlog

from lamplighter.api.caller import Authenticator, Caller
from lamplighter.bus.bus import Bus, NoResponder, RequestFailed, Subscription
from lamplighter.bus.log import LOOK, EventLog
from lamplighter.clock import Clock
from lamplighter.errors import Error, channels, requests
from lamplighter.ids import Ids
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.access.events import REVOKED
from lamplighter.services.channels.carriers import open_carriers
from lamplighter.services.channels.connection import (
    PLACE,
    RELEASE,
    STOPPING,
    UNREGISTERED,
    Connection,
    Presented,
    Socket,
    close,
)
from lamplighter.services.channels.courier import BEAT, Courier
from lamplighter.services.channels.deliveries import Deliveries
from lamplighter.services.channels.delivery import Pause, pause_after
from lamplighter.services.channels.event_stream import BEAT as STREAM_BEAT
from lamplighter.services.channels.event_streams import EventStreams
from lamplighter.services.channels.handlers import Follower
from lamplighter.services.channels.model import Mechanism, Serialization, WebhookTarget, WebsocketChannel
from lamplighter.services.channels.named import Named
from lamplighter.services.channels.named_model import WORDS
from lamplighter.services.channels.named_store import NamedStore
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.channels.poll import Poll
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.replay import Places
from lamplighter.services.channels.retention import SEEN, Limits, Sweeper
from lamplighter.services.channels.store import Channel, Key, Store
from lamplighter.services.channels.tail import Tail
from lamplighter.services.channels.vault import Vault
from lamplighter.services.channels.webhook_store import WebhookStore
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from lamplighter.storage.seal import MasterKey

log = structlog.get_logger("lamplighter.channels")

CHANGED = "channels.changed"
"""Bus subject: that channel (account, subject and name, with slashes) is another; whoever has it open, look."""
HOLDER = "channels.holder."
"""Bus subject of the one connection of that id."""
ASKED = 2.0
"""Seconds that the process of another connection gets to answer."""


PATHS: dict[Mechanism, str] = {
    "CALLBACK": "/v2/notification/callback",
    "LONG_POLLING": "/v2/notification/pull",
    "WEB_SOCKET": "/v2/notification/websocket",
}
"""Where channels without a name are deleted."""


class Handed(NamedTuple):
    """What polls were answered and the database does not know yet."""

    turn: int
    place: Place
    told: str | None


NOTHING = Handed(0, BEGINNING, None)


class Channels:
    """The channels of this installation, and the polls and sockets of this process.

    :param authenticator: checks the keys of open sockets again
    :param client: sends to webhooks
    :param process: this process's name, the same after a restart; empty: one of its own
    :param look: seconds between two looks at what is open: its key, its channel, its cursor
    :param beat: seconds between two signs of life of a process that delivers webhooks
    :param stream_beat: seconds between two signs of life of an event stream
    :param pause: after how many seconds a webhook is tried again
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        bus: Bus,
        event_log: EventLog,
        authenticator: Authenticator,
        master_key: MasterKey,
        client: OutboundClient,
        *,
        process: str = "",
        look: float = LOOK,
        beat: float = BEAT,
        stream_beat: float = STREAM_BEAT,
        pause: Pause = pause_after,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._settings = settings.channels
        self._bus = bus
        self._log = event_log
        self._authenticator = authenticator
        self._look = look
        self._store = Store(database)
        self._tail = Tail(event_log, look)
        self._queue = Queue(self._store, self._tail, self._settings.results_kept, self._settings.queue_bytes)
        self._vault = Vault(master_key)
        self._carriers = open_carriers(client, self._vault, clock, ids)
        self._webhooks = WebhookStore(database)
        self._limits = Limits(self._webhooks, self._queue, clock, self._tell)
        self._sweeper = Sweeper(
            event_log,
            self._webhooks,
            self._limits,
            clock,
            self._settings.results_kept,
            {
                "LONG_POLLING": self._settings.unpolled,
                "WEB_SOCKET": self._settings.unconnected,
                "EVENT_STREAM": self._settings.unconnected,
            },
        )
        self._courier = Courier(
            name=process or ids.new(),
            store=self._webhooks,
            queue=self._queue,
            tail=self._tail,
            clock=clock,
            ids=ids,
            carriers=self._carriers,
            limits=self._limits,
            end=event_log.end,
            timeout=settings.outbound.timeout,
            longest_failing=self._settings.failing,
            look=look,
            beat=beat,
            pause=pause,
        )
        self._delivers = False
        self.tally = self._courier.tally
        self.discarded = self._limits.discarded
        """How many events this process has discarded, by reason."""
        self.delivered = self._courier.states
        self.deliveries = Deliveries(self._carriers, self._webhooks, self._queue, self._vault, clock)
        places = Places(event_log, clock, self._settings.results_kept)
        self.named = Named(
            self._store,
            NamedStore(database, self._settings.named),
            self.deliveries,
            self._carriers,
            self._queue,
            places,
            self._vault,
            event_log,
            clock,
            ids,
            self.state,
            self._tell,
        )
        self.event_streams = EventStreams(
            self._store,
            self._queue,
            self._tail,
            ids,
            lambda id_, server: bus.serve(HOLDER + id_, server),
            places,
            authenticator,
            self._limits,
            self._seen,
            look,
            stream_beat,
        )
        self._follower = Follower(event_log, self._tail, self.end_subject, self._tell_revoked, look)
        self._subscriptions: list[Subscription] = []
        self._open: dict[Key, set[Connection | Poll]] = {}
        self._handshakes: set[tuple[str, str]] = set()
        self._handed: dict[Key, Handed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self, *, clients: bool = True, deliveries: bool = True) -> None:
        """Begin.

        :param clients: serve polls and sockets
        :param deliveries: deliver webhooks, and look after channels that nobody has open
        """
        await self._tail.start()
        self._subscriptions = [
            await self._bus.subscribe(CHANGED, self._changed),
            await self._bus.subscribe(REVOKED, self._revoked),
        ]
        if clients:
            await self._follower.start()
        self._delivers = deliveries
        if deliveries:
            await self._courier.start()
            self._sweeper.start()

    async def close(self) -> None:
        """End what is open: sockets with 1012, polls with 204. Cursors are left where clients are."""
        self._closing = True
        everything = [each for group in self._open.values() for each in group]
        for each in everything:
            if isinstance(each, Connection):
                each.end(STOPPING)
            else:
                each.stop()
        for each in everything:
            await each.ended.wait()
        await self.event_streams.close()
        if self._delivers:
            await self._sweeper.close()
            await self._courier.close()
        for carrier in self._carriers.values():
            await carrier.close()
        await self._follower.close()
        for subscription in self._subscriptions:
            await subscription.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._tail.close()

    # Registered channels

    async def channel(self, caller: Caller, mechanism: Mechanism | None = None) -> Channel:
        """The caller's channel. Raises ChannelNotFound, also when it is of another mechanism than asked for."""
        found = await self._store.get(caller.account_id, caller.subject_id)
        if found is None or mechanism not in (None, found.mechanism):
            raise channels.ChannelNotFound(mechanism=WORDS[mechanism] if mechanism else "notification")
        return found

    async def register(
        self, caller: Caller, mechanism: Mechanism, serialization: Serialization, endpoint: bytes | None = None
    ) -> tuple[Channel, bool]:
        """Register the caller's channel, or change its serialization; whether it is new. Events queue from now on.

        Raises OtherChannelExists.
        """
        now = self._clock.now()
        wanted = Channel(
            account_id=caller.account_id,
            subject_id=caller.subject_id,
            id=self._ids.new(),
            mechanism=mechanism,
            serialization=serialization,
            cursor=BEGINNING,
            since=Place.of(await self._log.end()),
            connection=None,
            created_at=now,
            endpoint=endpoint,
            seen_at=now,
        )
        registered, new = await self._store.register(wanted)
        must_be(registered, mechanism)
        self._tell(registered.key)
        return registered, new

    async def register_webhook(self, caller: Caller, target: WebhookTarget, serialization: Serialization) -> None:
        """Register the caller's webhook, or replace it, once its receiver has confirmed it.

        Raises OtherChannelExists, WebhookAddressRefused, WebhookNotAnswering.
        """
        key = Key(caller.account_id, caller.subject_id)
        found = await self._store.get(*key)
        if found is not None:
            must_be(found, "CALLBACK")
        await self.deliveries.confirm("CALLBACK", target, found)
        await self.register(caller, "CALLBACK", serialization, self._vault.seal(target, key))

    async def delete(self, caller: Caller, mechanism: Mechanism) -> bool:
        """Delete the caller's channel of that mechanism, and end what is open on it; whether there was one.

        What waits is dropped but for results: they wait for the next channel.
        """
        key = Key(caller.account_id, caller.subject_id)
        deleted = await self._store.delete(key, mechanism)
        if deleted:
            self._tell(key)
        return deleted

    async def end_subject(self, account_id: str, subject_id: str) -> None:
        """An application or API key is no more: neither are its channels."""
        for key in await self._store.forget(account_id, subject_id):
            self._tell(key)

    async def state(self, channel: Channel) -> WebsocketChannel:
        """Whether a websocket channel is connected, here or in another process, and how much waits for it."""
        place, connected = channel.cursor, False
        if channel.connection is not None:
            with contextlib.suppress(NoResponder, RequestFailed, TimeoutError):
                answer = await self._bus.request(HOLDER + channel.connection, PLACE, ASKED)
                place, connected = max(place, Place.of(answer.decode())), True
        return WebsocketChannel(
            status="connected" if connected else "disconnected",
            queue_size=await self._queue.size(channel, place),
            serialization=channel.serialization,
        )

    # Open ends

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
            channel, _ = await self.register(caller, "LONG_POLLING", Serialization())
        if self._closing:
            return None
        place, told = channel.cursor, None
        if handed.turn == channel.turn:
            place, told = max(place, handed.place), handed.told
        if self._clock.now() - channel.seen_at > SEEN:
            await self._webhooks.seen(channel, self._clock.now())
            place = await self._limits.apply(channel, place)
        poll = Poll(channel, place, told, store=self._store, queue=self._queue, tail=self._tail, look=self._look)
        gone = asyncio.ensure_future(disconnected())
        try:
            with self._opened(poll):
                found = await poll.run(self._settings.long_poll, gone)
            await asyncio.sleep(0)  # a client that left at this very moment is known to have left
            # From here to the write of the answer nothing is awaited.
            if gone.done() and found.body is not None:
                return None
            self._hand(poll.channel, found.place, found.losses)
            return found.body
        finally:
            gone.cancel()

    async def connect(self, caller: Caller, key: Presented, socket: Socket, name: str = "") -> None:
        """Serve the WebSocket of the caller's channel of that name until it ends.

        Raises, before the handshake is answered, HandshakeInProgress, ShuttingDown and DatabaseUnavailable.
        """
        if self._closing:
            raise requests.ShuttingDown(retry_after=1)
        handshake = caller.credential_id, name
        if handshake in self._handshakes:
            raise channels.HandshakeInProgress(retry_after=1)
        self._handshakes.add(handshake)
        try:
            connection = await self._claim(caller, key, socket, name)
            await socket.accept()
        finally:
            self._handshakes.discard(handshake)
        if connection is None:
            await close(socket, UNREGISTERED)
        else:
            await self._serve(connection)

    async def _claim(self, caller: Caller, key: Presented, socket: Socket, name: str) -> Connection | None:
        """Take the channel over from the connection that has it; None when there is no such channel."""
        channel = await self._store.get(caller.account_id, caller.subject_id, name)
        if channel is None or channel.mechanism != "WEB_SOCKET":
            return None
        if channel.connection is not None:
            with contextlib.suppress(NoResponder, RequestFailed, TimeoutError):
                await self._bus.request(HOLDER + channel.connection, RELEASE, ASKED)
        connection_id = self._ids.new()
        claimed = await self._store.claim(channel, connection_id)
        if claimed is None:
            return None
        await self._webhooks.seen(claimed, self._clock.now())
        claimed = claimed._replace(cursor=await self._limits.apply(claimed, claimed.cursor))
        return Connection(
            connection_id,
            claimed,
            socket,
            key,
            store=self._store,
            queue=self._queue,
            tail=self._tail,
            authenticator=self._authenticator,
            seen=self._seen,
            look=self._look,
        )

    async def _seen(self, channel: Channel) -> None:
        """The channel's client is connected: note it now and then."""
        now = self._clock.now()
        if now - channel.seen_at > SEEN:
            await self._webhooks.seen(channel, now)

    async def _serve(self, connection: Connection) -> None:
        serving = await self._bus.serve(HOLDER + connection.id, connection.answer)
        try:
            with self._opened(connection):
                # Two that connect at once do not hear each other's request: the one whose claim was overwritten sees it now.
                self._tell(connection.channel.key)
                if self._closing:
                    connection.end(STOPPING)
                await connection.run()
        finally:
            await serving.cancel()

    @contextlib.contextmanager
    def _opened(self, each: Connection | Poll) -> Iterator[None]:
        key = each.channel.key
        self._open.setdefault(key, set()).add(each)
        try:
            yield
        finally:
            each.ended.set()
            self._open[key].discard(each)
            if not self._open[key]:
                del self._open[key]

    def _tell(self, key: Key) -> None:
        self._bus.publish(CHANGED, str(key).encode())

    def _changed(self, message: bytes) -> None:
        key = Key.of(message.decode())
        for each in self._open.get(key, ()):
            each.look()
        self.event_streams.changed(key)
        self._courier.changed(key)

    def _tell_revoked(self, account_id: str) -> None:
        """The log says so: the word of the bus, which this process can tell itself in any case, may have been lost."""
        self._bus.publish(REVOKED, account_id.encode())

    def _revoked(self, message: bytes) -> None:
        """A key of the account may be void: sockets check theirs, and polls come back with theirs."""
        account_id = message.decode()
        for key, group in self._open.items():
            for each in group if key.account_id == account_id else ():
                if isinstance(each, Connection):
                    each.look()
                else:
                    each.stop()
        self.event_streams.revoked(account_id)

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


def must_be(channel: Channel, mechanism: Mechanism) -> None:
    """Raises OtherChannelExists."""
    present = channel.mechanism
    if present is not None and present != mechanism:
        raise channels.OtherChannelExists(present=WORDS[present], path=PATHS[present])
