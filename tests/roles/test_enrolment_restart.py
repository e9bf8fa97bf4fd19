"""An enrolment that is repeated after a restart does no harm (gateway rule 2.8).

Bootstrap sessions end with their process, so that the message itself reaches nobody; whoever begins anew stays who it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.bus.log import START
from lamplighter.coap.numbers import Code
from lamplighter.simulator.enrolment import certificates_of
from lamplighter.storage.database import Database
from tests.roles.bootstrap_client import VendorClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished


class Restarting:
    """One process after the other."""

    def __init__(self, open_database: Callable[[], Database], folder: Path) -> None:
        self._open_database = open_database
        self._folder = folder
        self.serving: BootstrapServing

    async def start(self) -> BootstrapServing:
        database = self._open_database()
        await database.start()
        self.serving = BootstrapServing(database, self._folder)
        await self.serving.start()
        return self.serving

    async def stop(self) -> None:
        await self.serving.bootstrap.close()
        await self.serving.role.close()
        await self.serving.database.close()


@pytest.fixture
async def restarting(open_database: Callable[[], Database], tmp_path: Path) -> AsyncIterator[Restarting]:
    restarting = Restarting(open_database, tmp_path)
    yield restarting
    await restarting.stop()


async def enrolling(serving: BootstrapServing) -> tuple[VendorClient, str]:
    """A device that has everything but its certificate, and its endpoint name."""
    developer = await serving.developer()
    certificate = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
    name = str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=name, **VENDOR)
    await finished(client)
    assert client.security[2] == 4
    return client, name


def records_of(client: VendorClient) -> list[bytes]:
    """What it sends from now on."""
    records: list[bytes] = []
    datagrams = client.dtls.datagrams_to_send

    def listened(now: float) -> Any:
        found = datagrams(now)
        records.extend(data for data, _ in found)
        return found

    client.dtls.datagrams_to_send = listened  # type: ignore[method-assign]
    return records


async def happened(serving: BootstrapServing) -> list[str]:
    return [each.event.kind for each in await serving.log.read(START, 1000)]


async def test_an_enrolment_repeated_after_a_restart_does_nothing_and_the_device_begins_anew_as_itself(
    restarting: Restarting,
) -> None:
    first = await restarting.start()
    client, name = await enrolling(first)
    records, key = records_of(client), ec.generate_private_key(ec.SECP256R1())
    assert (await client.enrol(key)).code == Code.CHANGED
    shown = await first.in_state(name, "bootstrapped")
    before = await happened(first)
    await restarting.stop()

    second = await restarting.start()
    client.go_to(second.bootstrap.port)
    for record in list(records):
        client.transport.socket.send(record, None)  # type: ignore[union-attr]
    await client.shake_hands_again()  # behind what was repeated, from the same socket
    assert (await client.enrol(key)).code == Code.FORBIDDEN
    assert await happened(second) == before

    assert (await client.bootstrap(endpoint_name=name, device_id=client.device_id, **VENDOR)).code == Code.CHANGED
    await finished(client)
    assert client.device_id == shown.id
    answer = await client.enrol(key)
    leaf, authority = certificates_of(answer.payload)
    assert (await second.in_state(name, "bootstrapped")).id == shown.id
    device = second.new_device()
    await device.connect(second.with_certificate(leaf, key, authority), second.role.port)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    device.close()
    client.close()


async def test_a_device_whose_certificate_was_lost_by_a_restart_comes_through_with_the_key_that_it_kept(
    restarting: Restarting,
) -> None:
    first = await restarting.start()
    client, name = await enrolling(first)
    client.has_key = True  # made for the request whose answer never came
    await restarting.stop()

    second = await restarting.start()
    client.go_to(second.bootstrap.port)
    await client.shake_hands_again()
    asked = {"endpoint_name": name, "device_id": client.device_id, **VENDOR}
    client.asked.clear()
    assert (await client.bootstrap(**asked)).code == Code.CHANGED  # it is told to enrol, and refuses (wire facts 2.2)
    await second.until(lambda: _contains(second, "DeviceBootstrapFailed"))
    assert (await client.bootstrap(**asked)).code == Code.CHANGED
    await finished(client)
    assert client.security[2] == 2 and client.security[5]
    await second.in_state(name, "bootstrapped")
    client.close()


async def _contains(serving: BootstrapServing, kind: str) -> bool:
    return kind in await happened(serving)
