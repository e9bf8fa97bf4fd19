"""Several processes for devices on one database, one after the other or side by side, and what is stored of sessions there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from lamplighter.bus.bus import Bus
from lamplighter.coap.numbers import Code
from lamplighter.dtls import SessionEstablished
from lamplighter.services.connect.sessions import store
from lamplighter.settings import Lwm2m
from lamplighter.storage.database import Database
from tests.roles.lwm2m_device import PATIENCE, Device
from tests.roles.lwm2m_serving import SETTINGS, Serving

NAME = "my-first-device-01"
PATH = "/3303/0/5700"


class House:
    """Processes on one database, one after the other or side by side."""

    def __init__(self, open_database: Callable[[], Database], folder: Path) -> None:
        self._open_database = open_database
        self._folder = folder
        self._parts: dict[Serving, AsyncExitStack] = {}
        self._devices: list[Device] = []
        self.handshakes = 0

    async def start(self, process: str = "lwm2m", *, port: int = 0, bus: Bus | None = None) -> Serving:
        parts = AsyncExitStack()
        database = self._open_database()
        await database.start()
        parts.push_async_callback(database.close)
        settings = msgspec.structs.replace(SETTINGS, lwm2m=Lwm2m(port=port))
        serving = Serving(database, self._folder, settings, process, bus)
        await serving.start()
        parts.push_async_callback(serving.role.close)
        self._parts[serving] = parts
        take = serving.role.ports.dtls._on_session

        def count(event: Any) -> None:
            self.handshakes += isinstance(event, SessionEstablished)
            take(event)
            serving.changed.set()

        serving.role.ports.dtls._on_session = count
        return serving

    async def stop(self, serving: Serving) -> None:
        """Without a word to the devices."""
        await self._parts.pop(serving).aclose()
        self._devices += serving.devices

    async def close(self) -> None:
        for serving in list(self._parts):
            await self.stop(serving)
        for device in self._devices:
            if device.transport is not None:
                device.close()


async def registered(serving: Serving, **config: Any) -> Device:
    device = await serving.device_with_key(NAME, **config)
    assert (await device.register(NAME)).code == Code.CREATED
    return device


async def subscribe(serving: Serving, device: Device) -> None:
    path = f"/v2/subscriptions/{device.location[-1]}/{PATH}"
    answer = await serving.call("PUT", path, "addResourceSubscription")
    assert (await serving.response(answer.json()["async-response-id"]))["status"] == 200


async def notifications(serving: Serving, number: int) -> None:
    """Until so many have been stored."""

    async def enough() -> bool:
        return len(await serving.deliveries("notifications")) >= number

    await serving.until(enough)


def sessions_in(serving: Serving) -> int:
    return len(serving.role.ports.dtls.server.sessions)


async def stored(serving: Serving, device: Device) -> Any:
    session = device.dtls.session
    assert session is not None
    return await store.session(serving.database, session.peer_cid.hex())


async def refused(serving: Serving, provoke: Callable[[], object]) -> None:
    """Until what that sends has been looked at, and was not found good for any session."""
    refuse = serving.role.ports.dtls.server.refuse_session
    done = asyncio.Event()

    def note(wanted: Any) -> None:
        refuse(wanted)
        done.set()

    serving.role.ports.dtls.server.refuse_session = note  # type: ignore[method-assign]
    provoke()
    await asyncio.wait_for(done.wait(), PATIENCE)
    serving.role.ports.dtls.server.refuse_session = refuse  # type: ignore[method-assign]


async def gone(serving: Serving) -> None:
    """Until no session is in its memory."""

    async def look() -> bool:
        return sessions_in(serving) == 0

    await serving.until(look)
