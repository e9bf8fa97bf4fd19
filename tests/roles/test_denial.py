"""A device that is kept out: its sessions end, over DTLS and TLS, by certificate and by key (gateway rule 1.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.services.directory.model import DEVELOPER_MODE, Block, Facts
from lamplighter.storage.database import Database
from lamplighter.transport.tls_client import TlsClientTransport
from tests.api.toy import ACCOUNT, FOREIGN
from tests.roles.lwm2m_device import PATIENCE, Device, with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET, Serving
from tests.roles.stream_device import StreamDevice

NAME = "my-first-device-01"
BLOCK = Block(category="lost_or_stolen")


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[Serving]:
    serving = Serving(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


async def credential(serving: Serving, proof: str) -> ClientConfig:
    device_id = await serving.ensured(NAME)
    if proof == "certificate":
        issued = serving.authority.issue_device(NAME, ACCOUNT, device_id)
        return with_certificate(issued, serving.authority.device_ca.certificate)
    await serving.device_with_key(NAME)
    return with_key(NAME, SECRET)


async def connected(serving: Serving, transport: str, config: ClientConfig) -> Device:
    if transport == "dtls":
        device = serving.new_device()
        await device.connect(config, serving.role.port)
        return device
    stream = StreamDevice(serving.changed, Framing.RECORD)
    serving.devices.append(stream)
    await stream.connect_tls(config, serving.role.tls_port)
    return stream


async def ended(device: Device) -> None:
    """Until the server has closed its session."""
    async with asyncio.timeout(PATIENCE):
        if isinstance(device, StreamDevice):
            assert await device.reasons.get() == "the server closed the session"
        else:
            await device.closed


async def kept_out(device: Device) -> None:
    """It cannot register: it is refused, or the word of its denial comes first and ends this session too."""
    asking, ending = asyncio.create_task(device.register(NAME)), asyncio.create_task(ended(device))
    await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
    if ending.done():
        ending.result()
    else:
        assert (await asking).code == Code.FORBIDDEN
    for task in (asking, ending):
        task.cancel()
    await asyncio.gather(asking, ending, return_exceptions=True)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("proof", ["certificate", "key"])
@pytest.mark.parametrize("registered", [True, False])
async def test_suspending_a_device_ends_its_session_whether_it_is_registered_or_not(
    serving: Serving, transport: str, proof: str, registered: bool
) -> None:
    config = await credential(serving, proof)
    device = await connected(serving, transport, config)
    if registered:
        assert (await device.register(NAME)).code == Code.CREATED
    await serving.directory.suspend(ACCOUNT, await serving.ensured(NAME), BLOCK)
    await ended(device)
    again = await connected(serving, transport, config)
    await kept_out(again)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("registered", [True, False])
async def test_deleting_a_device_ends_its_session_by_certificate(
    serving: Serving, transport: str, registered: bool
) -> None:
    async with serving.database.transaction() as tx:
        developers = Facts(device_execution_mode=DEVELOPER_MODE)
        device_id = (await serving.directory.ensure_device(tx, ACCOUNT, NAME, developers)).device_id
    config = await credential(serving, "certificate")
    device = await connected(serving, transport, config)
    if registered:
        assert (await device.register(NAME)).code == Code.CREATED
    await serving.directory.destroy(ACCOUNT, device_id)
    await ended(device)
    again = await connected(serving, transport, config)
    await kept_out(again)


async def test_a_session_of_a_device_that_was_suspended_cannot_be_resumed(serving: Serving) -> None:
    device = await connected(serving, "dtls", await credential(serving, "certificate"))
    resumables = serving.role.ports.dtls.server._resumables  # type: ignore[union-attr]
    assert isinstance(device, Device) and device.dtls.resumable is not None and len(resumables) == 1
    await serving.directory.suspend(ACCOUNT, await serving.ensured(NAME), BLOCK)
    await ended(device)
    assert len(resumables) == 0


async def test_a_ticket_registers_no_device_that_was_suspended(serving: Serving) -> None:
    config = await credential(serving, "certificate")
    device = await connected(serving, "tls", config)
    assert isinstance(device, StreamDevice)
    await serving.directory.suspend(ACCOUNT, await serving.ensured(NAME), BLOCK)
    await ended(device)
    await device.connect_tls(config, serving.role.tls_port)
    assert isinstance(device.transport, TlsClientTransport) and device.transport.resumed
    await kept_out(device)


async def test_a_denial_heard_late_or_of_anothers_device_ends_no_session(serving: Serving) -> None:
    device_id = await serving.ensured(NAME)
    by_certificate = await connected(serving, "dtls", await credential(serving, "certificate"))
    by_key = await connected(serving, "dtls", await credential(serving, "key"))
    async with serving.database.transaction() as tx:
        others = (await serving.directory.ensure_device(tx, FOREIGN, NAME, Facts())).device_id
    await serving.directory.suspend(FOREIGN, others, BLOCK)
    serving.role._on_denied(ACCOUNT, device_id, NAME)
    serving.role._on_denied(FOREIGN, others, NAME)
    await asyncio.gather(*serving.role.ports.resting._tasks._tasks)
    assert (await by_certificate.register(NAME)).code == Code.CREATED
    assert (await by_key.register(NAME)).code == Code.CREATED
