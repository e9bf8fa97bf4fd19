"""A developer's device that was reset to its factory state comes back as a new one, and its former life ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from lamplighter.coap.numbers import Code
from lamplighter.services.credentials.model import DeveloperCertificate
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.lwm2m_device import Device

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    serving = BootstrapServing(database, tmp_path, est=False)
    await serving.start()
    yield serving
    await serving.close()


async def life(serving: BootstrapServing, developer: DeveloperCertificate) -> tuple[str, Device]:
    """The name that a client gets when it bootstraps without an id, and the client in its session for LwM2M."""
    certificate = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=name_of(certificate), **VENDOR)
    await finished(client)
    identity = client.security[3]
    assert isinstance(identity, bytes)
    return name_of(x509.load_der_x509_certificate(identity)), await serving.at_lwm2m(client)


def name_of(certificate: x509.Certificate) -> str:
    (attribute,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(attribute.value)


async def gone(serving: BootstrapServing, device_id: str) -> None:
    """Until nothing is registered as that device."""

    async def look() -> bool:
        return device_id not in [each.name for each in await serving.connect.endpoints(ACCOUNT)]

    await serving.until(look)


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside another"])
async def test_the_next_life_of_a_device_that_was_told_to_reset_itself_takes_its_name(
    serving: BootstrapServing, others: int
) -> None:
    developer = await serving.developer()
    for _ in range(others):
        other, board = await life(serving, developer)
        assert (await board.register(other, **VENDOR)).code == Code.CREATED
    name, device = await life(serving, developer)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    old = device.location[-1]
    assert (await serving.request(old, "POST", "/3/0/5"))["status"] == 200
    assert (await device.update()).code == Code.CHANGED  # it resets itself when it restarts
    again, reborn = await life(serving, developer)
    assert again == name
    await gone(serving, old)
    assert await serving.directory.device(serving.database, ACCOUNT, old) is None
    assert (await reborn.register(again, **VENDOR)).code == Code.CREATED
    assert reborn.location[-1] != old
    assert len(await serving.connect.endpoints(ACCOUNT)) == others + 1


async def test_a_reset_that_failed_or_was_followed_by_a_registration_changes_nothing(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    name, device = await life(serving, developer)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    assert (await serving.request(device.location[-1], "POST", "/3/0/4"))["status"] == 200
    assert (await serving.request(device.location[-1], "POST", "/3/0/5"))["status"] == 200
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    other, _ = await life(serving, developer)
    assert other != name and other.startswith(name)
    assert (await device.update()).code == Code.CHANGED


async def test_a_client_that_takes_another_name_in_its_old_session_ends_what_it_was(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    name, device = await life(serving, developer)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    old = device.location[-1]
    again, reborn = await life(serving, developer)  # it was reset by hand: it may be another board for all we know
    assert again != name
    asked = asyncio.get_running_loop().create_task(device.register(again, **VENDOR))
    await gone(serving, old)
    assert (await serving.directory.retrieve(ACCOUNT, old)).state == "deregistered"
    assert (await reborn.register(again, **VENDOR)).code == Code.CREATED
    assert not asked.done()  # nothing was said in the session that it should give up
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)


async def test_a_name_that_is_not_the_credentials_is_refused_in_a_new_session(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    _, device = await life(serving, developer)
    assert (await device.register("somebody-else", **VENDOR)).code == Code.FORBIDDEN
