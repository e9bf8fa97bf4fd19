"""What waits for devices when their process starts again: those that always listen are asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lamplighter.services.connect import service
from tests.api.toy import ACCOUNT
from tests.services.connect.bench import PATIENCE, Bench, FakePeer


@asynccontextmanager
async def restarted(bench: Bench, process: str = "lwm2m") -> AsyncIterator[list[str]]:
    """Another life of the process: the ids of devices that it wants the sessions of."""
    there = Bench(bench.database, clock=bench.clock, process=process)
    wanted: list[str] = []
    there.connect.device_wanted = lambda account_id, device_id: wanted.append(device_id)
    there.connect.resume()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*there.connect._tasks)
    yield wanted
    await there.connect.close()


async def test_a_device_that_listens_is_asked_what_waits_for_it_after_a_restart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RESUMED_TOGETHER", 2)
    monkeypatch.setattr(service, "RESUME", 0)
    listening = [await bench.register(FakePeer(), f"lamp-{number}") for number in range(5)]
    asleep = await bench.register(FakePeer(), "asleep", queue_mode=True)
    idle = await bench.register(FakePeer(), "idle")
    for device in (*listening, asleep):
        await bench.request(device.device_id, "one")
        await bench.request(device.device_id, "two")
    async with restarted(bench) as wanted:
        assert wanted == sorted(device.device_id for device in listening)
        assert idle.account_id == ACCOUNT and idle.device_id not in wanted
    async with restarted(bench, "another") as wanted:
        assert wanted == []
