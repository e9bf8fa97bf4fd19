"""The LwM2M role on loopback, with a database of its own and the API in memory beside it."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

from lamplighter.bus.bus import Bus
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.clock import Clock, SystemClock
from lamplighter.ids import Ids
from lamplighter.roles.lwm2m import Lwm2mRole
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.connect.events import Delivery, delivery_of
from lamplighter.services.connect.operations import operations
from lamplighter.services.connect.service import Connect, Peer
from lamplighter.services.connect.sessions.service import DeviceSessions
from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.services.credentials.service import Credentials
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory
from lamplighter.settings import Coap, Lwm2m, Settings
from lamplighter.storage.database import Database
from lamplighter.storage.seal import MasterKey
from tests import contract
from tests.api.toy import ACCOUNT, Toy
from tests.roles.lwm2m_device import PATIENCE, Device, with_key
from tests.services.connect.bench import commercial, fifty

SETTINGS = Settings(coap=Coap(host="127.0.0.1", port=0, insecure=True), lwm2m=Lwm2m(port=0))
SECRET = b"\x5a" * 16
MASTER_KEY = MasterKey(b"k" * 32)


class Serving:
    """The role, the services it stands on, and what an application sees."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        settings: Settings = SETTINGS,
        process: str = "lwm2m",
        bus: Bus | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.database = database
        self.clock = clock = clock or SystemClock()
        self.ids = Ids(clock)
        self.bus = bus or LocalBus()
        self.log = EventLog(database, self.bus)
        self.authority = Authority(folder / "pki", clock.now())
        self.directory = Directory(database, clock, self.ids, settings)
        self.credentials = Credentials(
            database, clock, self.ids, settings, MASTER_KEY, self.authority, self.bus, clock.now(), fifty
        )
        self.connect = Watched(
            database, clock, self.ids, settings, self.bus, self.log, self.directory, commercial, process=process
        )
        self.connect.changed = self.changed = asyncio.Event()
        self.role = Lwm2mRole(
            settings,
            clock,
            self.bus,
            self.connect,
            self.credentials,
            self.authority,
            DeviceSessions(database, clock, self.bus, MASTER_KEY, process=process),
            MASTER_KEY,
            insecure_account=ACCOUNT,
        )
        self.toy = Toy(settings, bound=operations.bind(self.connect))
        self.devices: list[Device] = []
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        await self.bus.start()
        await self.role.start()
        await self.log.on_append(self.changed.set)

    async def close(self) -> None:
        for device in self.devices:
            device.close()
        await self.role.close()

    def new_device(self) -> Device:
        device = Device(self.changed)
        self.devices.append(device)
        return device

    async def device_with_key(self, name: str, **config: Any) -> Device:
        """A device in a session by pre-shared key, not registered."""
        if await self.credentials.owner_of_identity(name.encode()) is None:
            await self.credentials.create_key(ACCOUNT, PreSharedKey(name, SECRET.hex()))
        device = self.new_device()
        await device.connect(with_key(name, SECRET, **config), self.role.port)
        return device

    def plain_device(self) -> Device:
        device = self.new_device()
        device.connect_plain(self.role.plain_port)
        return device

    async def ensured(self, name: str) -> str:
        """The id of the directory's device of that name, made when there is none."""
        async with self.database.transaction() as tx:
            return (await self.directory.ensure_device(tx, ACCOUNT, name, Facts())).device_id

    async def call(self, method: str, path: str, operation_id: str = "", **more: Any) -> httpx2.Response:
        """Call the API; the answer is held against the contract where the operation is named."""
        answer = await self.toy.call(method, path, **more)
        if operation_id:
            is_json = answer.headers.get("content-type", "").startswith("application/json")
            body: Any = (answer.json() if is_json else answer.text) if answer.content else None
            contract.check(operation_id, answer.status_code, body)
        return answer

    async def request(self, device_id: str, method: str, uri: str, payload: bytes = b"", **more: Any) -> dict[str, Any]:
        """Ask something of a device, and wait for its async response."""
        async_id = f"request-{next(self._numbers)}"
        body = {"method": method, "uri": uri, **more}
        if payload:
            body["payload-b64"] = base64.b64encode(payload).decode()
        path = f"/v2/device-requests/{device_id}?async-id={async_id}"
        answer = await self.call("POST", path, "createAsyncRequest", json=body)
        assert (answer.status_code, answer.content) == (202, b""), answer.text
        return await self.response(async_id)

    async def response(self, async_id: str) -> dict[str, Any]:
        """The one async response of that id."""

        async def find() -> Any:
            found = [each.item for each in await self.deliveries("async-responses") if each.item["id"] == async_id]  # type: ignore[index]
            assert len(found) <= 1
            return found[0] if found else None

        item: dict[str, Any] = await self.until(find)
        return item

    async def deliveries(self, key: str) -> list[Delivery]:
        """What channels would show under that key, in order."""
        found = [delivery_of(each.event) for each in await self.log.read(START, 10_000)]
        return [each for each in found if each is not None and each.key == key]

    async def until(self, look: Callable[[], Awaitable[Any]]) -> Any:
        """The first true result. It is looked for whenever the log, a session or a device has changed."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.changed.clear()
                if result := await look():
                    return result
                await self.changed.wait()


class Watched(Connect):
    """Tells when a session ended."""

    changed: asyncio.Event

    def disconnected(self, peer: Peer) -> None:
        super().disconnected(peer)
        self.changed.set()
