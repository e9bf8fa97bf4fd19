"""A ``lamplighter serve`` that is killed under load, and what it had confirmed before each kill."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from lamplighter.coap.numbers import Code
from tests.roles.lwm2m_device import Device, with_key
from tests.servers import free_port

READY = b"Lamplighter is running"
PATIENCE = 60.0
"""Seconds for whatever must happen."""
PAGE = 1000
SECRET = b"\x6b" * 16
ROOT = Path(__file__).parent.parent.parent


class Server:
    """The process, with the same ports and data in every life."""

    def __init__(self, data: Path, database_url: str, **more: Any) -> None:
        self.data = data
        self.port, self.lwm2m_port = free_port(), free_port()
        unlimited = dict.fromkeys(("RATE_PER_SECOND", "RATE_BURST"), 1_000_000)
        values = {
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": free_port(),
            "HTTP_PLAIN_PORT": self.port,
            "HTTP_PLAINTEXT_API": "true",
            "COAP_HOST": "127.0.0.1",
            "LWM2M_PORT": self.lwm2m_port,
            "BOOTSTRAP_PORT": 0,
            "PUBLIC_LWM2M_URI": f"coaps://127.0.0.1:{self.lwm2m_port}",
            "DATABASE_URL": database_url,
            "LOG_LEVEL": "error",
            **{f"API_{name}": value for name, value in unlimited.items()},
            **more,
        }
        self._forker: asyncio.subprocess.Process | None = None
        self._process = 0
        self._environment = {**os.environ, **{f"LAMPLIGHTER_{name}": str(value) for name, value in values.items()}}

    async def start(self) -> None:
        """Start it, and wait until it says that it runs."""
        if self._forker is None:
            await self._prepare()
        assert self._forker is not None and self._forker.stdin is not None and self._forker.stderr is not None
        self._forker.stdin.write(f"{self.data}\n".encode())
        self._process = int(await self._line())
        said = []
        try:
            async with asyncio.timeout(PATIENCE):
                while not (line := await self._forker.stderr.readline()).startswith(READY):
                    said.append(line.decode())
        except TimeoutError:
            raise AssertionError(f"the server did not start:\n{''.join(said)}") from None

    async def _prepare(self) -> None:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "tests.roles.serve_forked")
        environment = {
            **self._environment,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        self._forker = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, env=environment
        )

    async def stop(self, how: signal.Signals) -> int:
        """Send the signal, and wait for the end; its code."""
        os.kill(self._process, how)
        return int(await self._line())

    async def close(self) -> None:
        """No more lives."""
        if self._forker is not None and self._forker.stdin is not None:
            self._forker.stdin.close()
            await self._forker.communicate()

    async def _line(self) -> str:
        assert self._forker is not None and self._forker.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self._forker.stdout.readline()).decode()

    def client(self) -> httpx2.AsyncClient:
        key = (self.data / "admin-key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=PATIENCE)


class Confirmed:
    """What the server said was done; ``enough`` is set when it has said so a chosen number of times."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self.keys: set[str] = set()
        self.devices: set[str] = set()
        self.commands: set[str] = set()
        self.lamps: set[str] = set()
        """Where the device that gets commands is registered, once it is."""
        self.enough = asyncio.Event()
        self._left = 0

    def wait_for(self, count: int) -> None:
        self._left = count
        self.enough.clear()

    def add(self, kind: set[str], name: str) -> None:
        kind.add(name)
        self._left -= 1
        if self._left <= 0:
            self.enough.set()


class Town:
    """Applications and devices that keep one server busy, and know what it confirmed."""

    def __init__(self, server: Server, random: Random) -> None:
        self.server = server
        self.confirmed = Confirmed()
        self.asked = asyncio.Event()
        self._random = random
        self._numbers = itertools.count(1)
        self._devices: list[Device] = []

    async def live_and_be_killed(self, confirmations: int = 0) -> None:
        """One life of the server: what it confirmed in earlier ones is there; then load, and SIGKILL amid it.

        :param confirmations: after how many; 0: as chance has it
        """
        await self.server.start()
        async with self.server.client() as http:
            await self.check(http)
            self.confirmed.wait_for(confirmations or self._random.randint(1, 40))
            loads: list[Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]]] = [
                self.create_groups,
                self.create_groups,
                self.register_devices,
                self.send_commands,
            ]
            tasks = [asyncio.create_task(load(http)) for load in loads]
            enough = asyncio.create_task(self.confirmed.enough.wait())
            async with asyncio.timeout(PATIENCE):
                done, _ = await asyncio.wait([enough, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            code = await self.server.stop(signal.SIGKILL)
            assert code == -signal.SIGKILL
            for task in (enough, *tasks):
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                # What was under way when the server died failed; that is all that may have.
                assert isinstance(outcome, (asyncio.CancelledError, httpx2.TransportError)), repr(outcome)
        self._close_devices()

    async def create_groups(self, http: httpx2.AsyncClient) -> None:
        while True:
            name = f"group {next(self._numbers)}"
            answer = await http.post("/v3/device-groups", json={"name": name})
            assert answer.status_code == 201, answer.text
            self.confirmed.add(self.confirmed.groups, name)

    async def register_devices(self, http: httpx2.AsyncClient) -> None:
        while True:
            name = f"device-of-town-{next(self._numbers):05}"
            device = await self._device(http, name)
            answer = await device.register(name)
            assert answer.code == Code.CREATED, answer
            self.confirmed.add(self.confirmed.devices, device.location[-1])
            device.close()
            self._devices.remove(device)

    async def send_commands(self, http: httpx2.AsyncClient) -> None:
        device = await self.lamp(http)
        while True:
            async_id = f"command-{next(self._numbers)}"
            body = {"method": "PUT", "uri": "/1/0/1", "content-type": "text/plain", "payload-b64": "NjA="}
            path = f"/v2/device-requests/{device.location[-1]}?async-id={async_id}"
            self.asked.clear()
            answer = await http.post(path, json=body)
            if answer.status_code == 202:
                self.confirmed.add(self.confirmed.commands, async_id)
            else:
                assert (answer.status_code, answer.text) == (400, "QUEUE_IS_FULL"), answer.text
                await self.asked.wait()

    async def lamp(self, http: httpx2.AsyncClient) -> Device:
        """The device that gets commands: it registered in its first life only, and its updates must do ever after."""
        name = "the-lamp-of-the-town"
        device = await self._device(http, name)
        for location in self.confirmed.lamps:
            device.location = tuple(location.split("/"))
            answer = await device.update()
            assert answer.code == Code.CHANGED, answer
        if not self.confirmed.lamps:
            answer = await device.register(name)
            assert answer.code == Code.CREATED, answer
            self.confirmed.add(self.confirmed.lamps, "/".join(device.location))
            self.confirmed.add(self.confirmed.devices, device.location[-1])
        return device

    async def _device(self, http: httpx2.AsyncClient, name: str) -> Device:
        """A device in a session, its key stored."""
        if name not in self.confirmed.keys:
            answer = await http.post("/v2/device-shared-keys", json={"endpoint_name": name, "secret_hex": SECRET.hex()})
            # A key of which nobody knows whether it was stored is there, or is stored now.
            assert answer.status_code == 201 or answer.text == "KEY_ALREADY_EXISTS_FOR_ENDPOINT", answer.text
            self.confirmed.add(self.confirmed.keys, name)
        device = Device(self.asked)
        self._devices.append(device)
        await device.connect(with_key(name, SECRET), self.server.lwm2m_port)
        return device

    def _close_devices(self) -> None:
        for device in self._devices:
            device.close()
        self._devices.clear()

    async def check(self, http: httpx2.AsyncClient) -> None:
        """Everything that was confirmed is there; devices are still registered."""
        groups = {each["name"] for each in await everything(http, "/v3/device-groups")}
        assert self.confirmed.groups <= groups
        known = {each["id"]: each["state"] for each in await everything(http, "/v3/devices")}
        assert {known.get(each) for each in self.confirmed.devices} <= {"registered"}
        endpoints = {each["name"] for each in (await http.get("/v2/endpoints")).json()}
        assert self.confirmed.devices <= endpoints
        keys = {each["endpoint_name"] for each in await everything(http, "/v2/device-shared-keys")}
        assert self.confirmed.keys <= keys

    async def settle(self) -> None:
        """A last life without a kill: everything is there, and every command that was accepted comes to its end."""
        await self.server.start()
        async with self.server.client() as http:
            await self.check(http)
            await self.lamp(http)
            unanswered = set(self.confirmed.commands)
            async with asyncio.timeout(PATIENCE):
                while unanswered:
                    answer = await http.get("/v2/notification/pull")
                    assert answer.status_code in (200, 204), answer.text
                    news = answer.json() if answer.content else {}
                    unanswered -= {each["id"] for each in news.get("async-responses", ())}
        self._close_devices()
        assert await self.server.stop(signal.SIGTERM) == 0


async def everything(http: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    """All entries of a list, page by page."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        answer = await http.get(f"{path}?limit={PAGE}{after}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&after={page.get('continuation_marker') or found[-1]['id']}"
