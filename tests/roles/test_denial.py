"""A device that is kept out: its sessions end, over DTLS and TLS, by certificate and by key (gateway rule 1.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from lamplighter.bus.event import Event
from lamplighter.bus.log import START
from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.services.directory.events import DEVICE_TURNED_AWAY
from lamplighter.services.directory.model import DEVELOPER_MODE, Block, Facts
from lamplighter.transport.dtls_client import HandshakeRefused
from lamplighter.transport.tcp_client import ConnectionRefused
from lamplighter.transport.tls_client import TlsClientTransport
from tests.api.toy import ACCOUNT, FOREIGN
from tests.roles.lwm2m_device import PATIENCE, Device, with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET, Serving
from tests.roles.stream_device import StreamDevice
from tests.services.channels.served import until

NAME = "my-first-device-01"
BLOCK = Block(category="lost_or_stolen")


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


async def turned_away(serving: Serving, coming: Awaitable[object], *, silently: bool) -> None:
    """It does not get in, and its owner is told once."""
    task = asyncio.ensure_future(coming)

    async def told() -> list[Event]:
        events = [each.event for each in await serving.log.read(START, 1000)]
        return [event for event in events if event.kind == DEVICE_TURNED_AWAY]

    (event,) = await serving.until(told)
    assert (event.account_id, event.device_id) == (ACCOUNT, await serving.ensured(NAME))
    if silently:
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    else:
        with pytest.raises((HandshakeRefused, ConnectionRefused)):
            await task


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
    again = connected(serving, transport, config)
    await turned_away(serving, again, silently=(transport, proof) == ("dtls", "key"))


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
    with pytest.raises((HandshakeRefused, ConnectionRefused), match="(?i)access.denied"):
        await connected(serving, transport, config)


@pytest.mark.parametrize("proof", ["certificate", "key"])
async def test_a_device_that_was_suspended_resumes_nothing_where_it_was_before_it_went_elsewhere(
    serving: Serving, proof: str
) -> None:
    device = await connected(serving, "dtls", await credential(serving, proof))
    assert device.dtls.resumable is not None
    server = serving.role.ports.dtls.server
    for session in server.sessions:
        serving.role._stored.lose(session)  # as when another process takes it over
    await serving.directory.suspend(ACCOUNT, await serving.ensured(NAME), BLOCK)
    resumables = server._resumables  # type: ignore[union-attr]
    await until(lambda: not len(resumables))
    await turned_away(serving, device.shake_hands_again(), silently=proof == "key")


async def test_a_device_that_was_let_in_again_makes_a_new_session(serving: Serving) -> None:
    config = await credential(serving, "certificate")
    device = await connected(serving, "dtls", config)
    device_id = await serving.ensured(NAME)
    await serving.directory.suspend(ACCOUNT, device_id, BLOCK)
    await ended(device)
    await serving.directory.resume(ACCOUNT, device_id, BLOCK)
    again = await connected(serving, "dtls", config)
    assert (await again.register(NAME)).code == Code.CREATED


@pytest.mark.parametrize("proof", ["certificate", "key"])
async def test_a_ticket_resumes_no_session_of_a_device_that_was_suspended(serving: Serving, proof: str) -> None:
    config = await credential(serving, proof)
    device = await connected(serving, "tls", config)
    assert isinstance(device, StreamDevice)
    await serving.directory.suspend(ACCOUNT, await serving.ensured(NAME), BLOCK)
    await ended(device)

    async def come_back() -> None:
        await device.connect_tls(config, serving.role.tls_port)  # whoever resumes by ticket is done first
        raise ConnectionRefused(await device.reasons.get())

    await turned_away(serving, come_back(), silently=False)
    assert isinstance(device.transport, TlsClientTransport) and device.transport.resumed
    assert not serving.connect.attached.by_peer


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
