"""What may happen to channels, and what is open on them in this process."""

from __future__ import annotations

import structlog

from lamplighter.api.caller import Authenticator, Caller
from lamplighter.bus.bus import Bus, Subscription
from lamplighter.bus.log import LOOK, EventLog
from lamplighter.clock import Clock
from lamplighter.errors import channels
from lamplighter.ids import Ids
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.access.events import REVOKED
from lamplighter.services.channels.carriers import open_carriers
from lamplighter.services.channels.courier import BEAT, Courier
from lamplighter.services.channels.deliveries import Deliveries
from lamplighter.services.channels.delivery import Pause, pause_after
from lamplighter.services.channels.event_stream import BEAT as STREAM_BEAT
from lamplighter.services.channels.event_streams import EventStreams
from lamplighter.services.channels.handlers import Follower
from lamplighter.services.channels.model import Mechanism, Serialization, WebhookTarget
from lamplighter.services.channels.named import Named
from lamplighter.services.channels.named_model import WORDS
from lamplighter.services.channels.named_store import NamedStore
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.channels.polls import Polls
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.replay import Places
from lamplighter.services.channels.retention import SEEN, Limits, Sweeper
from lamplighter.services.channels.sockets import Sockets
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

PATHS: dict[Mechanism, str] = {
    "CALLBACK": "/v2/notification/callback",
    "LONG_POLLING": "/v2/notification/pull",
    "WEB_SOCKET": "/v2/notification/websocket",
}
"""Where channels without a name are deleted."""


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
        self.sockets = Sockets(
            self._store,
            self._queue,
            self._tail,
            bus,
            ids,
            authenticator,
            self._limits,
            self._seen,
            self._tell,
            look,
        )
        self.polls = Polls(
            self._store,
            self._queue,
            self._tail,
            self._limits,
            self.register,
            self._seen,
            self._settings.long_poll,
            look,
        )
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
            self.sockets.state,
            self._tell,
        )
        self.event_streams = EventStreams(
            self._store,
            self._queue,
            self._tail,
            ids,
            self.sockets.hold,
            places,
            authenticator,
            self._limits,
            self._seen,
            look,
            stream_beat,
        )
        self._follower = Follower(event_log, self._tail, self.end_subject, self._tell_revoked, look)
        self._subscriptions: list[Subscription] = []

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
        for opened in (self.sockets, self.polls, self.event_streams):
            await opened.close()
        if self._delivers:
            await self._sweeper.close()
            await self._courier.close()
        for carrier in self._carriers.values():
            await carrier.close()
        await self._follower.close()
        for subscription in self._subscriptions:
            await subscription.cancel()
        await self.polls.settle()
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

    async def _seen(self, channel: Channel) -> bool:
        """The channel's client is there: note it now and then; whether it was not there lately."""
        now = self._clock.now()
        if now - channel.seen_at <= SEEN:
            return False
        await self._webhooks.seen(channel, now)
        return True

    def _tell(self, key: Key) -> None:
        self._bus.publish(CHANGED, str(key).encode())

    def _changed(self, message: bytes) -> None:
        key = Key.of(message.decode())
        for each in (self.sockets, self.polls, self.event_streams, self._courier):
            each.changed(key)

    def _tell_revoked(self, account_id: str) -> None:
        """The log says so: the word of the bus, which this process can tell itself in any case, may have been lost."""
        self._bus.publish(REVOKED, account_id.encode())

    def _revoked(self, message: bytes) -> None:
        for each in (self.sockets, self.polls, self.event_streams):
            each.revoked(message.decode())


def must_be(channel: Channel, mechanism: Mechanism) -> None:
    """Raises OtherChannelExists."""
    present = channel.mechanism
    if present is not None and present != mechanism:
        raise channels.OtherChannelExists(present=WORDS[present], path=PATHS[present])
