"""A client on our endpoint for the cases in which the server is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import (
    DeliveryReset,
    NotificationReceived,
    RequestFailed,
    RequestReset,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.parameters import Parameters
from lamplighter.transport.udp_client import open_udp_client
from tests.conformance.wire import Wire

PATIENCE = 20.0
FAST = Parameters(ack_timeout=0.2, max_retransmit=8)
"""Repeats soon: so it also waits for a server that is only starting."""


class PlugtestClient:
    """Asks one server. ``notifications`` are acknowledged as they come."""

    def __init__(self, transport: Any = None) -> None:
        self.endpoint = Endpoint(Random(2), FAST, block_size=1024)
        self.wire = Wire(self.endpoint)
        self.notifications: list[Message] = []
        self.pongs = 0
        self.peer: Any = None
        self.transport = transport
        self._waiting: dict[Exchange, asyncio.Future[Message]] = {}
        self._news = asyncio.Event()
        self.wire.listeners.append(lambda seen: self._news.set())

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def ask(
        self,
        code: int,
        path: str,
        payload: bytes = b"",
        *,
        options: Iterable[tuple[int, bytes]] = (),
        confirmable: bool = True,
        token: bytes | None = None,
        block_size: int | None = None,
    ) -> Message:
        """The server's answer. ``path`` may end with a query."""
        where, _, query = path.partition("?")
        message = Message(code, path_options(filter(None, where.split("/"))), payload)
        message.options += path_options(filter(None, query.split("&")), Option.URI_QUERY)
        message.options += options
        message.type = Type.CON if confirmable else Type.NON
        exchange = self.endpoint.request(self.peer, message, self.now(), token=token, block_size=block_size)
        future = self._waiting[exchange] = asyncio.get_running_loop().create_future()
        self.transport.flush()
        async with asyncio.timeout(PATIENCE):
            return await future

    async def get(self, path: str, **more: Any) -> Message:
        return await self.ask(Code.GET, path, **more)

    async def observe(self, path: str, **more: Any) -> Message:
        """The first answer; its token is that of the notifications."""
        return await self.get(path, options=[(Option.OBSERVE, b"")], **more)

    async def cancel(self, token: bytes) -> Message:
        """The answer to a GET with Observe 1."""
        exchange = self.endpoint.cancel_observation(self.peer, token, self.now())
        assert exchange is not None
        future = self._waiting[exchange] = asyncio.get_running_loop().create_future()
        self.transport.flush()
        async with asyncio.timeout(PATIENCE):
            return await future

    async def ping(self) -> None:
        """Until the server says that it is there."""
        self.endpoint.ping(self.peer, self.now())
        self.transport.flush()
        await self.until(lambda: self.pongs > 0)

    async def notified(self, count: int) -> list[Message]:
        """The notifications, once there are so many."""
        await self.until(lambda: len(self.notifications) >= count)
        return self.notifications

    async def until(self, holds: Any) -> None:
        """Until that is true, looked at after every event and message."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def take(self, event: Any) -> None:
        """An event of the endpoint."""
        match event:
            case ResponseReceived(exchange, message):
                self._waiting.pop(exchange).set_result(message)
            case RequestTimedOut(exchange) | RequestReset(exchange) | RequestFailed(exchange):
                self._waiting.pop(exchange).set_exception(ConnectionError(repr(event)))
            case NotificationReceived(_, _, message):
                self.notifications.append(message)
                self.endpoint.accept_notification(event)
            case DeliveryReset():
                self.pongs += 1
        self._news.set()


@asynccontextmanager
async def plugtest_client(port: int) -> AsyncIterator[PlugtestClient]:
    """The client, with a socket to that port."""
    client = PlugtestClient()
    client.transport = open_udp_client(client.wire, client.take, "127.0.0.1", port)
    client.peer = ("127.0.0.1", port)
    try:
        yield client
    finally:
        client.transport.close()
