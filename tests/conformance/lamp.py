"""The simulated device at the LwM2M role over DTLS, and an application that manages it through the REST API.

Minutes pass when a test says so, on the device and on the server apart: nobody waits for them.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path as Folder
from typing import Any

from lamplighter.clock import MICROSECONDS, SystemClock
from lamplighter.coap.numbers import ContentFormat
from lamplighter.lwm2m.codecs import Value, decode, encode, write_paths
from lamplighter.lwm2m.path import ROOT, Path, parse_path
from lamplighter.services.connect import store
from lamplighter.services.connect.formats import MEDIA_TYPES, content_format_of
from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.simulator.behaviour import Behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import ConnectRequested, Deregistered, Event, Registered, RegistrationUpdated
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.registration import Phase
from lamplighter.storage.database import Database
from lamplighter.transport.dtls_client import DtlsClientTransport
from tests.api.toy import ACCOUNT
from tests.roles.lwm2m_device import PATIENCE, with_key
from tests.roles.lwm2m_serving import SECRET, Serving

NAME = "conforming-lamp-01"
TEXT, TLV, JSON, CBOR = ContentFormat.TEXT, ContentFormat.LWM2M_TLV, ContentFormat.LWM2M_JSON, ContentFormat.CBOR
SENML_JSON, SENML_CBOR = ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR


class LateClock:
    """The machine's clock, that many seconds ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._clock = SystemClock()

    def now(self) -> int:
        return self._clock.now() + round(self.ahead * MICROSECONDS)

    def monotonic(self) -> float:
        return self._clock.monotonic() + self.ahead


class Lamp:
    """A simulated device with a socket; to its transport it is a core that lives ``ahead`` seconds later."""

    def __init__(self, port: int, profile: Profile, behaviours: Behaviours, lifetime: int) -> None:
        now = asyncio.get_running_loop().time()
        self.device = Device(
            NAME, now, profile=profile, lifetime=lifetime, epoch=time.time() - now, behaviours=behaviours
        )
        self.events: list[Event] = []
        self.ahead = 0.0
        self._port = port
        self._news = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self.transport = DtlsClientTransport(with_key(NAME, SECRET), self, self._take)

    async def start(self) -> None:
        """Switch it on; it is registered afterwards."""
        self.device.start(self._now())
        self._take_events()
        await self.until(Registered)

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        self.transport.close()

    def live(self, seconds: float) -> None:
        """Let that time pass for the device."""
        self.ahead += seconds
        self.device.handle_timer(self._now())
        self.transport.flush()

    async def until(self, kind: type[Event], count: int = 1) -> None:
        """Until so many such events have happened."""
        await self.until_true(lambda: self.count(kind) >= count)

    async def settled(self) -> None:
        """Until every notification is acknowledged."""
        await self.until_true(lambda: all(each.delivery is None for each in self.device.observations))

    async def until_true(self, holds: Callable[[], bool]) -> None:
        """Until that is true, looked at after every event and datagram."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    # The face of a core

    def receive_datagram(self, data: bytes, peer: object, now: float) -> None:
        self.device.receive_datagram(data, peer, now + self.ahead)
        self._news.set()

    def handle_timer(self, now: float) -> None:
        self.device.handle_timer(now + self.ahead)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, object]]:
        return self.device.datagrams_to_send(now + self.ahead)

    def get_timer(self) -> float | None:
        when = self.device.get_timer()
        return None if when is None else when - self.ahead

    def next_event(self) -> Event | None:
        return self.device.next_event()

    # What it asks for

    def _take_events(self) -> None:
        while (event := self.device.next_event()) is not None:
            self._take(event)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        if isinstance(event, ConnectRequested):
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        await self.transport.connect("127.0.0.1", self._port)
        self.device.connected(self._now())
        self.transport.flush()

    def _now(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


class Site:
    """The lamp, its server and an application."""

    def __init__(self, serving: Serving, clock: LateClock, lamp: Lamp) -> None:
        self.serving = serving
        self.clock = clock
        self.lamp = lamp
        self.device_id = ""

    async def start(self) -> None:
        await self.serving.credentials.create_key(ACCOUNT, PreSharedKey(NAME, SECRET.hex()))
        await self.lamp.start()
        (endpoint,) = await self.serving.connect.endpoints(ACCOUNT)
        self.device_id = endpoint.name

    async def ask(
        self,
        method: str,
        uri: str,
        payload: bytes = b"",
        *,
        accept: int | None = None,
        content_format: int | None = None,
    ) -> dict[str, Any]:
        """What came of a request: status, payload, content type."""
        more: dict[str, Any] = {} if accept is None else {"accept": MEDIA_TYPES[accept]}
        if content_format is not None:
            more["content-type"] = MEDIA_TYPES[content_format]
        return await self.serving.request(self.device_id, method, uri, payload, **more)

    async def read(self, path: str, accept: int | None = None) -> dict[str, Value]:
        """The values below a path, in the format that was asked for."""
        answer = await self.ask("GET", path, accept=accept)
        assert answer["status"] == 200, answer
        assert accept is None or answer["ct"] == MEDIA_TYPES[accept]
        return values_of(answer, parse_path(path))

    async def value(self, path: str, accept: int | None = None) -> Value:
        """The only value there."""
        (value,) = (await self.read(path, accept)).values()
        return value

    async def write(self, path: str, values: Mapping[str, Value], content_format: int, *, method: str = "PUT") -> int:
        """The status of a write; POST writes a part, PUT replaces."""
        base = parse_path(path)
        body = encode(content_format, [(parse_path(at), value) for at, value in values.items()], base)
        status: int = (await self.ask(method, path, body, content_format=content_format))["status"]
        return status

    async def read_together(self, *paths: str, content_format: int = SENML_CBOR) -> dict[str, Value]:
        """Read-Composite."""
        body = write_paths(content_format, [parse_path(path) for path in paths])
        answer = await self.ask("FETCH", "/", body, content_format=content_format, accept=content_format)
        assert (answer["status"], answer["ct"]) == (200, MEDIA_TYPES[content_format]), answer
        return values_of(answer, ROOT)

    async def write_together(self, values: Mapping[str, Value], content_format: int = SENML_CBOR) -> int:
        """The status of a Write-Composite."""
        body = encode(content_format, [(parse_path(at), value) for at, value in values.items()], ROOT)
        status: int = (await self.ask("IPATCH", "/", body, content_format=content_format))["status"]
        return status

    async def subscribe(self, path: str) -> dict[str, Any]:
        """The first answer of an observation."""
        answer = await self.serving.call("PUT", f"/v2/subscriptions/{self.device_id}{path}")
        assert answer.status_code == 202, answer.text
        return await self.serving.response(answer.json()["async-response-id"])

    async def unsubscribe(self, path: str) -> None:
        answer = await self.serving.call("DELETE", f"/v2/subscriptions/{self.device_id}{path}")
        assert answer.status_code == 204

    async def notifications(self, count: int) -> list[dict[str, Any]]:
        """Those that the channel has, once there are so many."""

        async def enough() -> list[Any]:
            found = [each.item for each in await self.serving.deliveries("notifications")]
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = await self.serving.until(enough)
        return found

    async def lifetime(self) -> int:
        """Seconds that the server has granted; 0 when the lamp is not registered."""
        row = await store.registration(self.serving.database, ACCOUNT, self.device_id)
        return 0 if row is None else int(row["lifetime"])

    async def is_registered(self) -> bool:
        return bool(await self.serving.connect.endpoints(ACCOUNT))

    async def pass_on_server(self, seconds: float) -> None:
        """Let that time pass for the server, and what is due with it."""
        self.clock.ahead += seconds
        await self.serving.connect.expire()


def values_of(item: Mapping[str, Any], base: Path) -> dict[str, Value]:
    """The values that an async response or a notification carries, by path."""
    payload = base64.b64decode(item["payload"])
    return {str(path): value for path, value in decode(content_format_of(item["ct"]), payload, base)}


@asynccontextmanager
async def site(
    database: Database,
    folder: Folder,
    *,
    profile: Profile = Profile.LWM2M_1_1,
    behaviours: Behaviours | None = None,
    lifetime: int = 600,
) -> AsyncIterator[Site]:
    """The server, with the lamp registered."""
    clock = LateClock()
    serving = Serving(database, folder, clock=clock)
    await serving.start()
    lamp = Lamp(serving.role.port, profile, behaviours or {}, lifetime)
    place = Site(serving, clock, lamp)
    try:
        await place.start()
        yield place
    finally:
        lamp.close()
        await serving.close()


__all__ = [
    "CBOR",
    "JSON",
    "NAME",
    "SENML_CBOR",
    "SENML_JSON",
    "TEXT",
    "TLV",
    "Deregistered",
    "Phase",
    "Registered",
    "RegistrationUpdated",
    "Site",
    "site",
    "values_of",
]
