"""A developer certificate that opens nothing any more: what rests on it at the bootstrap ports ends, in every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lamplighter.coap.framing import Framing
from lamplighter.services.credentials.model import DeveloperCertificate
from lamplighter.services.credentials.trusted_model import TrustedCertificateUpdate
from lamplighter.storage.database import Database
from lamplighter.transport.dtls_client import HandshakeRefused
from lamplighter.transport.tcp_client import ConnectionRefused
from tests.api.toy import ACCOUNT
from tests.roles.bootstrap_serving import BootstrapServing
from tests.roles.lwm2m_device import PATIENCE, Device
from tests.roles.stream_device import StreamDevice


@pytest.fixture
async def two(
    open_database: Callable[[], Database], tmp_path: Path
) -> AsyncIterator[tuple[BootstrapServing, BootstrapServing]]:
    """Two processes that no message of the bus connects."""
    first, second = (BootstrapServing(open_database(), tmp_path) for _ in range(2))
    for serving in (first, second):
        await serving.database.start()
        await serving.bootstrap.start()
    yield first, second
    for serving in (first, second):
        for device in serving.devices:
            device.close()
        await serving.bootstrap.close()
        await serving.database.close()


async def connected(serving: BootstrapServing, transport: str, developer: DeveloperCertificate) -> Device:
    config = serving.with_developer(developer)
    if transport == "dtls":
        device = serving.new_device()
        await device.connect(config, serving.bootstrap.port)
        return device
    stream = StreamDevice(serving.changed, Framing.RECORD)
    serving.devices.append(stream)
    await stream.connect_tls(config, serving.bootstrap.tls_port)
    return stream


async def end(serving: BootstrapServing, developer: DeveloperCertificate, how: str) -> None:
    trusted = serving.credentials.trusted
    if how == "deleted":
        await trusted.delete(ACCOUNT, developer.id)
    else:
        await trusted.update(ACCOUNT, developer.id, TrustedCertificateUpdate(status="INACTIVE"))


async def ended(device: Device) -> None:
    async with asyncio.timeout(PATIENCE):
        if isinstance(device, StreamDevice):
            assert await device.reasons.get() == "the server closed the session"
        else:
            await device.closed


@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("how", ["deactivated", "deleted"])
async def test_what_rests_on_a_developer_certificate_ends_with_it_here_and_elsewhere(
    two: tuple[BootstrapServing, BootstrapServing], transport: str, how: str
) -> None:
    developer = await two[0].developer()
    others = await two[0].developer("of somebody else")
    devices = [await connected(serving, transport, developer) for serving in two]
    other = await connected(two[1], transport, others)
    await end(two[0], developer, how)
    for serving, device in zip(two, devices, strict=True):
        await ended(device)
        with pytest.raises((HandshakeRefused, ConnectionRefused), match="(?i)certificate.unknown"):
            await connected(serving, transport, developer)
    assert not (other.reasons.qsize() if isinstance(other, StreamDevice) else other.closed.done())


async def test_a_session_by_a_developer_certificate_is_not_resumed_after_its_end(
    two: tuple[BootstrapServing, BootstrapServing],
) -> None:
    developer = await two[0].developer()
    device = await connected(two[1], "dtls", developer)
    assert device.dtls.resumable is not None
    await end(two[0], developer, "deactivated")
    await ended(device)
    with pytest.raises(HandshakeRefused):
        await device.shake_hands_again()
