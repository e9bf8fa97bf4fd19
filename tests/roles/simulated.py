"""Simulated devices at a running process, for a test: on its event loop, with keys stored through the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lamplighter.roles.fleet import Conduct, Credential, Summary, credentials, run_fleet
from tests.roles.serving import Serving

PATIENCE = 20.0
"""Seconds until something awaited counts as never coming."""


@asynccontextmanager
async def simulated(serving: Serving, count: int, *, first: int = 1) -> AsyncIterator[list[str]]:
    """That many lamps, numbered from ``first`` on, registered: their device IDs. They deregister at the end."""
    known = credentials(serving.key, 0, count, first)
    others = set(await registered(serving))
    await store_keys(serving, known)
    assert serving.process.lwm2m is not None
    changed, stop = asyncio.Event(), asyncio.Event()
    await serving.process.events.on_append(changed.set)
    summaries: list[Summary] = []
    port = serving.process.lwm2m.port
    conduct = Conduct(first=first)
    fleet = asyncio.create_task(
        run_fleet(known, "127.0.0.1", port, seed=0, stop=stop, report=summaries.append, conduct=conduct)
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while len(found := [each for each in await registered(serving) if each not in others]) < count:
                await changed.wait()
                changed.clear()
        yield found
    finally:
        stop.set()
        await fleet


async def store_keys(serving: Serving, known: list[Credential]) -> None:
    """Give the server the devices' pre-shared keys."""
    for device in known:
        body = {"endpoint_name": device.endpoint_name, "secret_hex": device.key.hex()}
        stored = await serving.call("POST", "/v2/device-shared-keys", json=body)
        assert stored.status_code == 201, stored.text


async def registered(serving: Serving) -> list[str]:
    """The IDs of the devices that are registered now."""
    return [each["name"] for each in (await serving.call("GET", "/v2/endpoints")).json()]
