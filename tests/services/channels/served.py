"""The channels of one process behind a real server on loopback, and clients of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.api.server import ApiServer
from lamplighter.bus.bus import Bus
from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import EventLog
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock, SystemClock
from lamplighter.ids import Ids
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.channels.event_stream_operations import operations as event_stream_operations
from lamplighter.services.channels.named_operations import operations as named_operations
from lamplighter.services.channels.operations import operations
from lamplighter.services.channels.service import Channels as Service
from lamplighter.services.channels.webhook_operations import operations as webhook_operations
from lamplighter.services.connect import events
from lamplighter.settings import Channels, Http, Settings
from lamplighter.storage.database import Database
from lamplighter.storage.seal import MasterKey
from tests.api.toy import ACCOUNT, ADMIN, OTHER, Callers, Toy, caller
from tests.outbound.receivers import outbound as allowing_loopback

SECOND_KEY = "ak_2" + "e" * 107
"""Another key of ADMIN's application."""
OTHER_APP = "ak_2" + "f" * 107
"""A key of another application of the same account."""
SOCKET = "/v2/notification/websocket"
CONNECT = "/v2/notification/websocket-connect"
PULL = "/v2/notification/pull"
CALLBACK = "/v2/notification/callback"
MASTER_KEY = MasterKey(bytes(32))
DEVICE = "0" * 31 + "d"
PATIENCE = 10.0
"""Seconds after which a test that waits has failed."""


def callers() -> Callers:
    """The toy's credentials, and two more keys."""
    known = Callers()
    known.known[ADMIN] = caller(CredentialKind.ACCESS_KEY, {"connect.use"})
    known.known[SECOND_KEY] = _with(known.known[ADMIN], credential_id="second")
    known.known[OTHER_APP] = _with(known.known[ADMIN], credential_id="third", subject_id="elsewhere")
    known.known[OTHER] = _with(known.known[OTHER], credential_id="foreign", subject_id="foreign")
    return known


class Served:
    """One process: channels, kernel and listening socket."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        known: Callers,
        long_poll: float,
        look: float,
        *,
        clock: Clock | None = None,
        outbound: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.database = database
        self.bus = bus
        self.callers = known
        self.settings = Settings(
            http=Http(plaintext_api=True),
            channels=Channels(long_poll=long_poll, **(limits or {})),
            outbound=allowing_loopback(**(outbound or {})),
        )
        self.log = EventLog(database, bus)
        self.outbound = OutboundClient(self.settings.outbound)
        clock = clock or SystemClock()
        self.channels = Service(
            database,
            clock,
            Ids(clock),
            self.settings,
            bus,
            self.log,
            known,
            MASTER_KEY,
            self.outbound,
            look=look,
            **more,
        )
        tables = (operations, webhook_operations, named_operations, event_stream_operations)
        self.toy = Toy(self.settings, bound=[each for table in tables for each in table.bind(self.channels)])
        self.toy.callers.known = known.known
        self.server = ApiServer(self.toy.api, 5.0, 1.0)

    async def start(self) -> None:
        await self.channels.start()
        self.port = self.server.listen("127.0.0.1", 0, None, "http.plain_port")
        self.client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE, verify=False)

    async def close(self) -> None:
        await self.channels.close()
        await self.server.close()
        await self.outbound.close()

    async def call(self, method: str, path: str, key: str | None = ADMIN, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self.client.request(method, path, headers=headers, **more)

    @asynccontextmanager
    async def socket(self, key: str = ADMIN, *, by_header: bool = True, **more: Any) -> AsyncIterator[ClientConnection]:
        options: dict[str, Any] = (
            {"additional_headers": {"Authorization": f"Bearer {key}"}, "subprotocols": ["wss"]}
            if by_header
            else {"subprotocols": [f"pelion_{key}", "wss"]}
        )
        async with connect(f"ws://127.0.0.1:{self.port}{CONNECT}", **options, **more) as opened:
            yield opened

    async def registered(self, key: str = ADMIN, body: dict[str, Any] | None = None) -> httpx2.Response:
        return await self.call("PUT", SOCKET, key, **({"json": body} if body is not None else {}))

    async def happen(self, *happened: Event) -> None:
        async with self.database.transaction() as transaction:
            await append(transaction, *happened)


@asynccontextmanager
async def serving(
    database: Database,
    *,
    bus: Bus | None = None,
    known: Callers | None = None,
    long_poll: float = 5.0,
    look: float = 0.2,
    **more: Any,
) -> AsyncIterator[Served]:
    """:param more: what Served and the service take besides"""
    served = Served(database, bus or LocalBus(), known or callers(), long_poll, look, **more)
    await served.start()
    try:
        yield served
    finally:
        await served.close()
        await served.client.aclose()


async def frame(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    text = await asyncio.wait_for(socket.recv(), PATIENCE)
    assert isinstance(text, str)
    message: dict[str, Any] = json.loads(text)
    return message


async def close_code(socket: ClientConnection) -> int | None:
    """The code with which the server closes, once it does."""
    await asyncio.wait_for(socket.wait_closed(), PATIENCE)
    return socket.close_code


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - what it waits for announces nothing
            await asyncio.sleep(0)


async def collect(socket: ClientConnection, number: int) -> list[Any]:
    """That many items, whatever messages they come in."""
    found: list[Any] = []
    while len(found) < number:
        for items in (await frame(socket)).values():
            found += items
    return found


class ShiftedClock(SystemClock):
    """The machine's clock, some hours off."""

    shift = 0.0

    def now(self) -> int:
        return super().now() + round(self.shift * MICROSECONDS)


async def events_of(served: Served, kind: str) -> list[dict[str, Any]]:
    """The data of the log's events of that kind."""
    found = await served.log.read("0.0", 5000)
    return [dict(each.event.data) for each in found if each.event.kind == kind]


def now() -> int:
    return SystemClock().now()


def notified(number: int, *, subjects: tuple[str, ...] = ("subject",), account: str = ACCOUNT, **more: Any) -> Event:
    item = {"ep": DEVICE, "path": f"/3303/0/{number}", "ct": "text/plain", "payload": "MQ==", "max-age": "0", **more}
    return events.notified(account, DEVICE, now(), item, "lamp", subjects)


def finished(name: str, *, subject: str = "subject", time: int | None = None) -> Event:
    item = {"id": name, "status": 200, "payload": "", "ct": "text/plain", "max-age": "0"}
    return events.finished(ACCOUNT, DEVICE, time or now(), item, "lamp", subject)


def registered(name: str = DEVICE, *, account: str = ACCOUNT) -> Event:
    item = {"ep": name, "original-ep": "lamp", "ept": "", "q": False, "resources": []}
    return events.registered(account, name, now(), item, "lamp")


def deregistered(name: str = DEVICE) -> Event:
    return events.deregistered(ACCOUNT, name, now(), "lamp")


def _with(known: Caller, **more: Any) -> Caller:
    return msgspec.structs.replace(known, **more)
