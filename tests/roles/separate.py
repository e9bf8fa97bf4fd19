"""An installation of processes, as operators run many: two of the API, some for devices and chores, on PostgreSQL and NATS.

What is revoked through the one (``here``) has to end at the others. Each ``revoke_…`` makes something and uses it there,
revokes it here, and returns the seconds from the answer to that until it had ended there.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2

from lamplighter.coap.numbers import Code
from tests.roles.killed import PATIENCE, READY, ROOT
from tests.roles.lwm2m_device import Device, with_key
from tests.servers import free_port

SECRET = b"\x6c" * 16
PASSWORD = "a lamp in every street"


class Separate:
    """The processes, while the block lasts.

    :param more: settings beyond what is set here, by the names of their variables
    """

    def __init__(
        self,
        data: Path,
        database_url: str,
        bus_url: str,
        *,
        gateways: int = 1,
        workers: int = 0,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.lwm2m_ports = [free_port() for _ in range(gateways)]
        self.pids: list[int] = []
        self.key = ""
        self._data = data
        self._workers = workers
        self._settings = {"DATABASE_URL": database_url, "BUS_URL": bus_url, **more}
        self._parts = AsyncExitStack()
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Separate:
        try:
            here = await self._serve("api")  # the first one makes the installation
            there, *_ = await asyncio.gather(
                self._serve("api"),
                *(self._serve("lwm2m", port) for port in self.lwm2m_ports),
                *(self._serve("worker") for _ in range(self._workers)),
            )
            self.key = (self._data / "admin-key").read_text().strip()
            self.api_ports = here, there
            self.here, self.there = [await self._client(port, self.key) for port in (here, there)]
        except BaseException:
            await self._parts.aclose()
            raise
        return self

    async def __aexit__(self, *how: object) -> None:
        await self._parts.aclose()

    async def _serve(self, role: str, lwm2m_port: int = 0) -> int:
        """Start a process; the port of its API."""
        port = free_port()
        values = {
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": free_port(),
            "HTTP_PLAIN_PORT": port,
            "HTTP_PLAINTEXT_API": "true",
            "COAP_HOST": "127.0.0.1",
            "LWM2M_PORT": lwm2m_port or free_port(),
            "LOG_LEVEL": "error",
            "API_RATE_PER_SECOND": 1_000_000,
            "API_RATE_BURST": 1_000_000,
            "API_RATE_PER_SECOND_ADDRESS": 1_000_000,
            "API_RATE_BURST_ADDRESS": 1_000_000,
            **self._settings,
        }
        environment = {
            **os.environ,
            **{f"LAMPLIGHTER_{name}": str(value) for name, value in values.items()},
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lamplighter", "serve", role, "--data", str(self._data)),
            env=environment,
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        self._parts.push_async_callback(process.communicate)
        self._parts.callback(process.kill)
        self.pids.append(process.pid)
        assert process.stderr is not None
        said = []
        async with asyncio.timeout(PATIENCE):
            while not (line := await process.stderr.readline()).startswith(READY):
                said.append(line.decode())
                assert line, f"serve {role} did not start:\n{''.join(said)}"
        return port

    async def _client(self, port: int, key: str) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE
        )
        return await self._parts.enter_async_context(client)

    # What can be revoked

    async def revoke_access_key(self) -> float:
        """An access key is deleted."""
        application = await self._make("/v3/applications", {"name": f"application {next(self._numbers)}"})
        path = f"/v3/applications/{application['id']}/access-keys"
        key = await self._make(path, {"name": "key"})
        await self._used(key["key"])
        await self._done("DELETE", f"{path}/{key['id']}")
        seconds = await self._refused(key["key"])
        await self._done("DELETE", f"/v3/applications/{application['id']}")
        return seconds

    async def revoke_token(self) -> float:
        """A user logs out."""
        name = f"lamp_lighter_{next(self._numbers)}"
        user = await self._make("/v3/users", {"username": name, "email": f"{name}@lamps.test", "password": PASSWORD})
        login = {"username": name, "password": PASSWORD, "account": user["account_id"]}
        token = (await self._ask(self.here, "POST", "/auth/login", json=login)).json()["token"]
        await self._used(token)
        await self._done("POST", "/auth/logout", headers={"Authorization": f"Bearer {token}"})
        return await self._refused(token)

    async def revoke_device_key(self) -> float:
        """The pre-shared key of a device is deleted."""
        name, device = await self.registered()
        await self._done("DELETE", f"/v2/device-shared-keys/{name}")
        return await self._closed(device)

    async def suspend_device(self) -> float:
        """A device is suspended."""
        _, device = await self.registered()
        body = {"category": "lost_or_stolen", "description": "It was not where it had been."}
        await self._done("POST", f"/v3/devices/{device.location[-1]}/suspend", json=body)
        return await self._closed(device)

    async def connect(self, name: str) -> Device:
        """A device in a session by its key."""
        device = Device(asyncio.Event())
        self._parts.callback(device.close)
        await device.connect(with_key(name, SECRET), self.lwm2m_ports[0])
        return device

    async def registered(self) -> tuple[str, Device]:
        """A device at the first gateway, and its name."""
        name = f"device-of-many-{next(self._numbers):04}"
        await self._make("/v2/device-shared-keys", {"endpoint_name": name, "secret_hex": SECRET.hex()})
        device = await self.connect(name)
        assert (await device.register(name)).code == Code.CREATED
        return name, device

    async def _closed(self, device: Device) -> float:
        loop = asyncio.get_running_loop()
        since = loop.time()
        await asyncio.wait_for(device.closed, PATIENCE)
        return loop.time() - since

    async def _used(self, credential: str) -> None:
        """The other process knows the credential from now on."""
        assert (await self._with(credential)).status_code != 401

    async def _refused(self, credential: str) -> float:
        loop = asyncio.get_running_loop()
        since = loop.time()
        async with asyncio.timeout(PATIENCE):
            while (await self._with(credential)).status_code != 401:
                pass
        return loop.time() - since

    async def _with(self, credential: str) -> httpx2.Response:
        return await self.there.get("/v3/accounts/me", headers={"Authorization": f"Bearer {credential}"})

    async def _make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._ask(self.here, "POST", path, json=body)
        made: dict[str, Any] = answer.json() if answer.content else {}
        return made

    async def _done(self, method: str, path: str, **more: Any) -> None:
        await self._ask(self.here, method, path, **more)

    async def _ask(self, client: httpx2.AsyncClient, method: str, path: str, **more: Any) -> httpx2.Response:
        answer = await client.request(method, path, **more)
        assert answer.is_success, answer.text
        return answer
