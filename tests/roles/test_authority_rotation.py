"""An authority gives way under running servers: devices of before and of now come and stay, until the former one is retired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.services.certificates.service import Authority, retire, rotate
from lamplighter.storage.database import Database
from lamplighter.transport.dtls_client import HandshakeRefused
from lamplighter.transport.tcp_client import ConnectionRefused
from tests.api.toy import ACCOUNT
from tests.roles.bootstrap_client import BootstrapClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.lwm2m_device import PATIENCE, Device
from tests.roles.stream_device import StreamDevice


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    each = BootstrapServing(database, tmp_path, est=False)
    await each.start()
    watching = asyncio.create_task(each.authority.watch(each.clock))
    yield each
    watching.cancel()
    await each.close()


def another_process(serving: BootstrapServing) -> Authority:
    """As ``lamplighter pki`` opens the folder."""
    return Authority(serving.authority.folder, serving.clock.now(), ["lamps.example.com"])


async def changed(serving: BootstrapServing, change: object, kind: str) -> None:
    """Another process changes an authority, and this one has taken it up."""
    taken = asyncio.Event()
    serving.authority.on_change(lambda retired: taken.set())
    change(another_process(serving), kind)  # type: ignore[operator]
    async with asyncio.timeout(PATIENCE):
        await taken.wait()


class Lamp(NamedTuple):
    """A device that has bootstrapped, and the name that its credential gives it."""

    client: BootstrapClient
    name: str


async def bootstrapped(serving: BootstrapServing, certificate: str) -> Lamp:
    developer = await serving.developer(certificate)
    subject = x509.load_pem_x509_certificate(developer.developer_certificate.encode()).subject
    name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    client = await serving.vendor_client(developer)
    assert (await client.bootstrap(endpoint_name=name, **VENDOR)).code == Code.CHANGED
    await finished(client)
    return Lamp(client, name)


async def registered(serving: BootstrapServing, lamp: Lamp) -> Device:
    device = await serving.at_lwm2m(lamp.client)
    assert (await device.register(lamp.name, **VENDOR)).code == Code.CREATED
    return device


async def ended(device: Device) -> None:
    async with asyncio.timeout(PATIENCE):
        if isinstance(device, StreamDevice):
            assert await device.reasons.get() == "the server closed the session"
        else:
            await device.closed


def goes_on(device: Device) -> bool:
    return device.reasons.empty() if isinstance(device, StreamDevice) else not device.closed.done()


async def test_devices_bootstrapped_before_and_after_a_rotation_are_served_until_the_former_authority_retires(
    serving: BootstrapServing,
) -> None:
    before = await bootstrapped(serving, "first")
    device = await registered(serving, before)
    former = serving.authority.device_root
    await changed(serving, rotate, "device")
    # The session goes on; and the device makes a new one with what it was given then.
    assert (await device.update()).code == Code.CHANGED
    again = await registered(serving, before)
    since = await bootstrapped(serving, "second")
    assert since.client.security[4] == serving.authority.device_root.public_bytes(Encoding.DER)
    assert since.client.security[4] != before.client.security[4] == former.public_bytes(Encoding.DER)
    newer = await registered(serving, since)

    await changed(serving, retire, "device")
    await ended(again)
    assert (await newer.update()).code == Code.CHANGED
    with pytest.raises(HandshakeRefused):
        await serving.at_lwm2m(before.client)
    once_more = await registered(serving, since)
    assert (await once_more.update()).code == Code.CHANGED
    # And the device of before is let in when it has bootstrapped again.
    afresh = await bootstrapped(serving, "third")
    assert (await (await registered(serving, afresh)).update()).code == Code.CHANGED


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_developer_certificates_of_before_bootstrap_until_their_authority_retires(
    serving: BootstrapServing, transport: str
) -> None:
    async def connected(config: ClientConfig) -> Device:
        if transport == "dtls":
            device = serving.new_device()
            await device.connect(config, serving.bootstrap.port)
            return device
        stream = StreamDevice(serving.changed, Framing.RECORD)
        serving.devices.append(stream)
        await stream.connect_tls(config, serving.bootstrap.tls_port)
        return stream

    old = serving.with_developer(await serving.developer("old"))
    waiting = await connected(old)
    await changed(serving, rotate, "bootstrap")
    device = await connected(old)  # it knows the server by the former authority
    new = serving.with_developer(await serving.developer("new"))
    newer = await connected(new)
    await changed(serving, retire, "bootstrap")
    await ended(device)
    await ended(waiting)
    with pytest.raises((HandshakeRefused, ConnectionRefused)):
        await connected(old)
    await connected(new)
    assert goes_on(newer)


async def test_a_stored_session_of_a_retired_authority_is_void(serving: BootstrapServing) -> None:
    client = await bootstrapped(serving, "stored")
    device = await registered(serving, client)
    session = next(iter(serving.role.ports.dtls.server.sessions))
    assert await serving.role.ports._gate.credential_holds(session)
    await changed(serving, rotate, "device")
    assert await serving.role.ports._gate.credential_holds(session)
    await changed(serving, retire, "device")
    await ended(device)
    assert not await serving.role.ports._gate.credential_holds(session)
    assert ACCOUNT in session.credential
