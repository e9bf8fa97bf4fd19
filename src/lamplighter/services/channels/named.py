"""What may happen to an application's channels by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from lamplighter.api.caller import Caller
from lamplighter.bus.log import EventLog
from lamplighter.clock import Clock, to_rfc3339
from lamplighter.errors import FieldFault, channels
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids
from lamplighter.services.channels.carrier import Carrier
from lamplighter.services.channels.deliveries import Deliveries
from lamplighter.services.channels.model import Mechanism, WebsocketChannel, serialization_of
from lamplighter.services.channels.named_model import (
    DEFAULT,
    NAME,
    TYPES,
    WORDS,
    ChannelList,
    ChannelRequest,
    ChannelState,
    Replayed,
)
from lamplighter.services.channels.named_store import NamedStore
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.replay import REPLAYED, Places
from lamplighter.services.channels.retention import SEEN, event_of
from lamplighter.services.channels.store import Channel, Key, Store
from lamplighter.services.channels.vault import Vault

CONNECTED: frozenset[Mechanism] = frozenset({"WEB_SOCKET", "EVENT_STREAM"})
"""Mechanisms whose clients come here, and are served."""


class Named:
    """The channels of this installation by their names, towards the applications that own them.

    :param connection: how a channel stands whose client comes here
    :param tell: says that a channel is another
    """

    def __init__(
        self,
        store: Store,
        named: NamedStore,
        deliveries: Deliveries,
        carriers: Mapping[Mechanism, Carrier],
        queue: Queue,
        places: Places,
        vault: Vault,
        log: EventLog,
        clock: Clock,
        ids: Ids,
        connection: Callable[[Channel], Awaitable[WebsocketChannel]],
        tell: Callable[[Key], None],
    ) -> None:
        self._store = store
        self._named = named
        self._deliveries = deliveries
        self._carriers = carriers
        self._queue = queue
        self._places = places
        self._vault = vault
        self._log = log
        self._clock = clock
        self._ids = ids
        self._connection = connection
        self._tell = tell

    async def find(self, caller: Caller, name: str, *mechanisms: Mechanism) -> Channel:
        """The caller's channel of that name; of one of the mechanisms, if any are given. Raises NamedChannelNotFound."""
        found = None
        if NAME.fullmatch(name):
            found = await self._store.get(caller.account_id, caller.subject_id, "" if name == DEFAULT else name)
        if found is None or (mechanisms and found.mechanism not in mechanisms):
            raise channels.NamedChannelNotFound(
                name=name[:40], kind=" or ".join(WORDS[each] for each in mechanisms) or "notification"
            )
        return found

    async def delivered(self, caller: Caller, name: str) -> Channel:
        """The caller's channel of that name, which this server delivers. Raises NamedChannelNotFound."""
        return await self.find(caller, name, *self._carriers)

    async def list(self, caller: Caller) -> ChannelList:
        """All channels of the caller, with the one without a name."""
        found = [await self.state(channel) for channel in await self._named.all(caller.account_id, caller.subject_id)]
        return ChannelList(total_count=len(found), data=found)

    async def state(self, channel: Channel) -> ChannelState:
        """How a channel stands."""
        assert channel.mechanism is not None
        target = self._deliveries.target(channel)
        state = ChannelState(
            name=channel.name or DEFAULT,
            type=WORDS[channel.mechanism],
            state="delivering" if channel.failing_since is None else "failing",
            queue_size=0,
            discarded=channel.discarded,
            position=channel.cursor.uid,
            since=to_rfc3339(channel.created_at),
            serialization=channel.serialization,
        )
        if channel.mechanism in CONNECTED:
            connection = await self._connection(channel)
            return msgspec.structs.replace(state, state=connection.status, queue_size=connection.queue_size)
        if channel.mechanism == "LONG_POLLING":
            state.state = "connected" if self._clock.now() - channel.seen_at < 2 * SEEN else "disconnected"
        elif target is not None:
            setattr(state, state.type, target.shown())
        state.queue_size = await self._queue.size(channel, channel.cursor)
        return state

    async def put(self, caller: Caller, name: str, wanted: ChannelRequest) -> tuple[Channel, bool]:
        """Register a channel of that name, or change the one there is; whether it is new. An existing one keeps its place.

        Raises InvalidParameters, ChannelNameReserved, ChannelTypeUnavailable, NamedChannelLimitReached, and what
        ``Deliveries.confirm`` does.
        """
        if name == DEFAULT:
            raise channels.ChannelNameReserved()
        if not NAME.fullmatch(name):
            fault = "must have 1 to 40 of a-z, 0-9, - and _, and begin with a letter or a digit"
            raise invalid([FieldFault("name", fault)])
        mechanism = TYPES[wanted.type]
        if mechanism not in self._carriers and mechanism not in CONNECTED:
            raise channels.ChannelTypeUnavailable(type=wanted.type)
        key = Key(caller.account_id, caller.subject_id, name)
        found = await self._store.get(*key)
        # Where to begin is said before anybody is asked, and counts for a new channel only.
        start = await self._places.of(wanted.from_) if wanted.from_ is not None and found is None else None
        target = wanted.target()
        if target is not None:
            same = found is not None and found.mechanism == mechanism
            await self._deliveries.confirm(mechanism, target, found if same else None)
        if start is None:
            start = Place.of(await self._log.end())
        now = self._clock.now()
        put = await self._named.put(
            Channel(
                account_id=key.account_id,
                subject_id=key.subject_id,
                name=name,
                id=self._ids.new(),
                mechanism=mechanism,
                serialization=serialization_of(wanted.serialization),
                cursor=start,
                since=start,
                connection=None,
                created_at=now,
                endpoint=None if target is None else self._vault.seal(target, key),
                seen_at=now,
            )
        )
        self._tell(key)
        return put

    async def delete(self, caller: Caller, name: str) -> None:
        """Delete the channel and what waits for it. Raises NamedChannelNotFound."""
        channel = await self.find(caller, name)
        assert channel.mechanism is not None
        if channel.name:
            await self._named.delete(channel.key)
        else:
            await self._store.delete(channel.key, channel.mechanism)
        self._tell(channel.key)

    async def replay(self, caller: Caller, name: str, from_: str) -> Replayed:
        """Have the channel go on from another place, back or forward. Raises NamedChannelNotFound, InvalidParameters."""
        channel = await self.find(caller, name)
        place = await self._places.of(from_)
        happened = event_of(REPLAYED, channel, self._clock.now(), position=place.uid)
        replayed = await self._named.replay(channel, place, happened)
        if replayed is None:
            raise channels.NamedChannelNotFound(name=name, kind="notification")
        self._tell(channel.key)
        ahead = await self._queue.ahead(replayed, replayed.cursor)
        first = None if ahead.first is None else to_rfc3339(ahead.first)
        return Replayed(place.uid, first, ahead.number)
