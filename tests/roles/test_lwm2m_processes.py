"""Two LwM2M processes that no message of the bus connects: what one cannot tell the other, the log does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lamplighter.coap.numbers import Code
from lamplighter.services.connect.service import Ending
from lamplighter.services.directory.model import Block
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.roles.lwm2m_device import PATIENCE, Device
from tests.roles.lwm2m_serving import Serving
from tests.services.channels.served import until

NAME = "my-first-device-01"


@pytest.fixture
async def two(open_database: Callable[[], Database], tmp_path: Path) -> AsyncIterator[tuple[Serving, Serving]]:
    databases = [open_database(), open_database()]
    first, second = (
        Serving(database, tmp_path, process=f"lwm2m-{number}") for number, database in enumerate(databases)
    )
    for serving in (first, second):
        await serving.database.start()
        await serving.start()
    yield first, second
    for serving in (first, second):
        await serving.close()
        await serving.database.close()


async def registered(serving: Serving) -> Device:
    device = await serving.device_with_key(NAME)
    assert (await device.register(NAME)).code == Code.CREATED
    return device


async def test_a_device_suspended_through_another_process_loses_its_session(two: tuple[Serving, Serving]) -> None:
    first, second = two
    device = await registered(second)
    await first.directory.suspend(ACCOUNT, device.location[-1], Block(category="lost_or_stolen"))
    await asyncio.wait_for(device.closed, PATIENCE)
    assert not second.connect.attached.devices


async def test_a_key_deleted_through_another_process_ends_sessions_and_lets_nothing_register(
    two: tuple[Serving, Serving],
) -> None:
    first, second = two
    device = await registered(second)
    unregistered = await second.device_with_key(NAME)
    await first.credentials.delete_key(ACCOUNT, NAME)
    await asyncio.wait_for(device.closed, PATIENCE)
    await asyncio.wait_for(unregistered.closed, PATIENCE)
    await until(lambda: not second.connect.attached.devices)


async def test_a_device_that_went_to_another_process_is_left_alone_there(two: tuple[Serving, Serving]) -> None:
    first, second = two
    device_id = (await registered(first)).location[-1]
    await first.directory.suspend(ACCOUNT, device_id, Block(category="lost_or_stolen"))
    await first.directory.resume(ACCOUNT, device_id, Block(category="lost_or_stolen"))
    device = await registered(second)
    path = f"/v2/subscriptions/{device_id}/3303/0/5700"
    answer = await second.call("PUT", path, "addResourceSubscription")
    assert (await second.response(answer.json()["async-response-id"]))["status"] == 200
    assert not device.closed.done()


async def test_a_device_whose_registration_expired_elsewhere_is_not_kept_in_memory(
    two: tuple[Serving, Serving],
) -> None:
    first, second = two
    device_id = (await registered(second)).location[-1]
    ended = await first.connect.registering.end(ACCOUNT, device_id, Ending.EXPIRED, before=first.clock.now())
    assert ended is not None
    await until(lambda: not second.connect.attached.devices)
