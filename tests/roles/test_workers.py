"""Several processes on one port for devices: real processes, on PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamplighter.coap.numbers import Code
from lamplighter.roles import workers
from lamplighter.roles.places import CannotStart
from lamplighter.roles.process import Process
from lamplighter.roles.workers import Supervisor, Worker, worker_command
from lamplighter.settings import Bus, Coap, Database, Lwm2m, Settings
from lamplighter.transport.reuseport import shards_of, slot_of
from tests.roles.lwm2m_device import PATIENCE, Device, with_key
from tests.roles.lwm2m_serving import SECRET
from tests.roles.serving import Serving, settings_for
from tests.servers import NatsServer, free_port

SLOTS = 2


class Fleet:
    """The supervisor with its workers, and devices at their port."""

    def __init__(self, supervisor: Supervisor, api: Serving) -> None:
        self.supervisor = supervisor
        self.api = api
        self.devices: list[Device] = []

    async def registered(self, name: str) -> Device:
        """A device that has registered. It tries again while no worker answers yet."""
        body = {"endpoint_name": name, "secret_hex": SECRET.hex()}
        assert (await self.api.call("POST", "/v2/device-shared-keys", json=body)).status_code == 201
        device = Device(asyncio.Event())
        self.devices.append(device)
        async with asyncio.timeout(12 * PATIENCE):  # two whole starts on a busy machine
            while device._peer is None:
                with contextlib.suppress(TimeoutError):
                    await device.connect(with_key(name, SECRET), self.supervisor.port)
        assert (await device.register(name)).code == Code.CREATED
        return device

    def slot(self, device: Device) -> int:
        """Which worker gave the connection ID."""
        session = device.dtls.session
        assert session is not None
        return slot_of(session.peer_cid[0], SLOTS)

    async def read(self, device: Device, async_id: str) -> bytes:
        path = f"/v2/device-requests/{device.location[-1]}?async-id={async_id}"
        answer = await self.api.call("POST", path, json={"method": "GET", "uri": "/3/0/0"})
        assert answer.status_code == 202, answer.text
        async with asyncio.timeout(PATIENCE):
            while True:
                found = (await self.api.call("GET", "/v2/notification/pull")).json()
                for each in found.get("async-responses", []):
                    if each["id"] == async_id:
                        assert each["status"] == 200
                        return base64.b64decode(each["payload"])


async def updated(device: Device) -> bool:
    """Whether an update was answered in time: a worker may be starting."""
    with contextlib.suppress(TimeoutError):
        return (await device.update()).code == Code.CHANGED
    return False


@pytest.fixture
async def fleet(database_url: str, nats: NatsServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    settings = settings_for(database_url, bus={"url": nats.url}, channels={"long_poll": 0.5})
    api = Serving(tmp_path, settings)
    api.process = Process(tmp_path, settings, "api")
    await api.start()
    port = free_port()
    config = tmp_path / "workers.toml"
    config.write_text(
        f'[database]\nurl = "{database_url}"\n[bus]\nurl = "{nats.url}"\n[coap]\nhost = "127.0.0.1"\n'
        f"[lwm2m]\nport = {port}\nworkers = {SLOTS}\n"
    )
    chosen = Settings(
        database=Database(url=database_url),
        bus=Bus(url=nats.url),
        coap=Coap(host="127.0.0.1"),
        lwm2m=Lwm2m(port=port, workers=SLOTS),
    )
    supervisor = Supervisor(worker_command("lwm2m", tmp_path, config), chosen)
    running = asyncio.create_task(supervisor.run())
    fleet = Fleet(supervisor, api)
    yield fleet
    for device in fleet.devices:
        device.close()
    supervisor.stop()
    await asyncio.wait_for(running, 3 * PATIENCE)
    await api.close()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_devices_keep_their_worker_when_their_address_changes_and_survive_its_death(fleet: Fleet) -> None:
    devices = {}
    for number in range(40):
        device = await fleet.registered(f"lamp-of-workers-{number:02}")
        devices[fleet.slot(device)] = device
        if len(devices) == SLOTS:
            break
    assert sorted(devices) == list(range(SLOTS))
    for device in devices.values():
        for _ in range(3):
            device.go_to(fleet.supervisor.port)
            assert (await device.update()).code == Code.CHANGED
    victim, other = devices[0], devices[1]
    killed = fleet.supervisor.processes[0]
    os.kill(killed, signal.SIGKILL)
    assert (await other.update()).code == Code.CHANGED
    async with asyncio.timeout(12 * PATIENCE):
        while not await updated(victim):
            pass
    assert killed not in fleet.supervisor.processes
    assert await fleet.read(victim, "after-the-kill") == b"maker"
    assert not victim.closed.done() and not other.closed.done()


def test_workers_without_anything_to_share_are_refused() -> None:
    with pytest.raises(CannotStart, match=r"lwm2m\.workers = 2 needs PostgreSQL and NATS"):
        Supervisor(["true"], Settings(lwm2m=Lwm2m(port=0, workers=2)))


def test_workers_and_a_port_without_security_are_refused() -> None:
    settings = Settings(
        database=Database(url="postgresql://here"),
        bus=Bus(url="nats://here"),
        coap=Coap(insecure=True),
        lwm2m=Lwm2m(port=0, workers=2),
    )
    with pytest.raises(CannotStart, match=r"coap\.insecure do not go together"):
        Supervisor(["true"], settings)


async def test_a_worker_that_ends_is_started_again_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LEAST_LIFE", 0.0)
    lives = tmp_path / "lives"
    program = f'echo "$LAMPLIGHTER_WORKER" >> {lives}; test $(wc -l < {lives}) -lt 6 || exec sleep 60'
    settings = Settings(
        database=Database(url="postgresql://here"),
        bus=Bus(url="nats://here"),
        coap=Coap(host="127.0.0.1"),
        lwm2m=Lwm2m(port=0, workers=SLOTS),
    )
    supervisor = Supervisor(["sh", "-c", program], settings)
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(PATIENCE):
        while not lives.exists() or lives.read_text().count("\n") < 6:
            supervisor.changed.clear()
            await supervisor.changed.wait()
    supervisor.stop()
    await asyncio.wait_for(running, PATIENCE)
    assert supervisor.processes == []
    slots = [line.partition(":")[0] for line in lives.read_text().splitlines()]
    assert set(slots) == {"0/2", "1/2"} and len(slots) >= 6


def test_a_worker_takes_its_shard_from_its_own() -> None:
    import socket

    with socket.socket() as sock:
        worker = Worker(1, 3, sock)
        assert {worker.shard() for _ in range(200)} <= set(shards_of(1, 3))
