"""What the role has confirmed outlives it: registrations and requests of a process that was killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.coap.numbers import Code
from lamplighter.services.connect.events import FINISHED
from lamplighter.storage.sqlite import SqliteDatabase
from tests.roles.lwm2m_device import PATIENCE, Device, with_key
from tests.roles.lwm2m_serving import SECRET

NAME = "my-first-device-01"
ROOT = Path(__file__).parent.parent.parent


class Child:
    """The process; ``say`` gives it a line and gives back the one it answers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    @classmethod
    async def start(cls, folder: Path, url: str = "") -> Child:
        command = (sys.executable, "-m", "tests.roles.lwm2m_child", str(folder), url)
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT, env=environment)
        child = cls(process)
        child.port = int(await child._line())
        return child

    async def say(self, **call: Any) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._line()

    async def kill(self) -> None:
        self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.communicate()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(3 * PATIENCE):  # it is a whole start on a busy machine
            while line := (await self._process.stdout.readline()).decode().strip():
                if line.isalnum():  # others are the log's
                    return line
        raise AssertionError("the process ended")


async def asked(device: Device, changed: asyncio.Event, path: tuple[str, ...]) -> None:
    """Until the device was asked for that path."""
    async with asyncio.timeout(PATIENCE):
        while path not in [each.uri_path() for each in device.requests]:
            changed.clear()
            await changed.wait()


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    shutil.copyfile(sqlite_template, tmp_path / "test.db")
    return tmp_path


async def test_a_request_accepted_before_a_kill_reaches_the_device_at_its_next_contact(folder: Path) -> None:
    changed = asyncio.Event()
    child = await Child.start(folder)
    await child.say(key=NAME)
    device = Device(changed)
    await device.connect(with_key(NAME, SECRET), child.port)
    assert (await device.register(NAME)).code == Code.CREATED
    location = device.location
    device.transport.socket.close()  # type: ignore[union-attr]  # silent from now on, but not gone
    request = {"method": "POST", "path": f"/v2/device-requests/{location[-1]}?async-id=survives"}
    assert await child.say(**request, json={"method": "GET", "uri": "/3/0/0"}) == "202"
    await child.kill()

    child = await Child.start(folder)
    again = Device(changed)
    await again.connect(with_key(NAME, SECRET), child.port)
    again.location = location
    assert (await again.update()).code == Code.CHANGED
    await asked(again, changed, ("3", "0", "0"))
    listed = {"method": "GET", "path": f"/v2/endpoints/{location[-1]}"}
    assert await child.say(**listed) == "200"
    await finished(folder, "survives")
    again.close()
    device.close()
    await child.kill()


async def finished(folder: Path, async_id: str) -> None:
    """Until the async response of that id is on disk."""
    database = SqliteDatabase(folder / "test.db", readers=1, timeout=5)
    await database.start()
    log = EventLog(database, LocalBus())
    async with asyncio.timeout(PATIENCE):
        while not [
            each
            for each in await log.read(START, 100)
            if each.event.kind == FINISHED and each.event.data["item"]["id"] == async_id
        ]:
            await asyncio.to_thread(os.sched_yield)  # another process writes it
    await database.close()
