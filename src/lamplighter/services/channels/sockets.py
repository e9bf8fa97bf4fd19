"""The WebSockets that are open in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from lamplighter.api.caller import Authenticator, Caller
from lamplighter.bus.bus import Bus, NoResponder, RequestFailed, Server, Subscription
from lamplighter.errors import channels, requests
from lamplighter.ids import Ids
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
from lamplighter.services.channels.model import WebsocketChannel
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.retention import Limits
from lamplighter.services.channels.store import Channel, Key, Store
from lamplighter.services.channels.tail import Tail

HOLDER = "channels.holder."
"""Bus subject of the one connection of that id."""
ASKED = 2.0
"""Seconds that the process of another connection gets to answer."""


class Sockets:
    """Opens WebSockets, one for a channel, and ends them.

    :param seen: is told that a channel has a client
    :param tell: says that a channel is another
    :param look: seconds between two looks at what is open
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        tail: Tail,
        bus: Bus,
        ids: Ids,
        authenticator: Authenticator,
        limits: Limits,
        seen: Callable[[Channel], Awaitable[object]],
        tell: Callable[[Key], None],
        look: float,
    ) -> None:
        self._store = store
        self._queue = queue
        self._tail = tail
        self._bus = bus
        self._ids = ids
        self._authenticator = authenticator
        self._limits = limits
        self._seen = seen
        self._tell = tell
        self._look = look
        self._open: dict[Key, set[Connection]] = {}
        self._handshakes: set[tuple[str, str]] = set()
        self._closing = False

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

    async def state(self, channel: Channel) -> WebsocketChannel:
        """Whether a channel is connected, here or in another process, and how much waits for it."""
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

    async def hold(self, connection_id: str, answer: Server) -> Subscription:
        """Answer what others ask of the connection of that id."""
        return await self._bus.serve(HOLDER + connection_id, answer)

    def changed(self, key: Key) -> None:
        """That channel may be another: look at it."""
        for each in self._open.get(key, ()):
            each.look()

    def revoked(self, account_id: str) -> None:
        """A key of the account may be void."""
        for key, group in self._open.items():
            for each in group if key.account_id == account_id else ():
                each.look()

    async def close(self) -> None:
        """End them all. Cursors are left where clients are."""
        self._closing = True
        everything = [each for group in self._open.values() for each in group]
        for each in everything:
            each.end(STOPPING)
        for each in everything:
            await each.ended.wait()

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
        await self._seen(claimed)
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

    async def _serve(self, connection: Connection) -> None:
        serving = await self.hold(connection.id, connection.answer)
        key = connection.channel.key
        self._open.setdefault(key, set()).add(connection)
        try:
            # Two that connect at once do not hear each other's request: the one whose claim was overwritten sees it now.
            self._tell(key)
            if self._closing:
                connection.end(STOPPING)
            await connection.run()
        finally:
            connection.ended.set()
            self._open[key].discard(connection)
            if not self._open[key]:
                del self._open[key]
            await serving.cancel()
