"""OMA ETS LwM2M 1.1, bootstrap: a client comes for its account, and registers with it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path as Folder

import pytest
from cryptography import x509

from lamplighter.bus.log import START
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.storage.database import Database
from lamplighter.transport.dtls_client import HandshakeRefused
from tests.api.toy import ACCOUNT
from tests.conformance.marks import conforms
from tests.conformance.others import free_port
from tests.roles.bootstrap_client import StandardClient
from tests.roles.bootstrap_serving import BootstrapServing, finished
from tests.roles.lwm2m_device import Device, with_key
from tests.roles.lwm2m_serving import SECRET

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
NAME = "lamp-to-bootstrap-01"
SEQUENCE = ["GET /", "DELETE /", "PUT /0/1", "PUT /1/0", "POST /bs"]


@pytest.fixture
async def serving(database: Database, tmp_path: Folder) -> AsyncIterator[BootstrapServing]:
    serving = BootstrapServing(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


async def bootstrapped(serving: BootstrapServing, name: str = NAME) -> StandardClient:
    """A client with a key that was given its account."""
    client = await serving.standard_client(StandardClient, name)
    answer = await client.bootstrap(endpoint_name=name)
    assert answer.code == Code.CHANGED
    await finished(client)
    return client


async def registers_and_is_read(serving: BootstrapServing, client: StandardClient, name: str) -> Device:
    """As int-401 and int-402: a registration with what was given, and a read."""
    device = await serving.at_lwm2m(client)
    assert (await device.register(name, version="1.1")).code == Code.CREATED
    read = await serving.request(device.location[-1], "GET", "/3/0/0")
    assert (read["status"], base64.b64decode(read["payload"])) == (200, b"maker")
    return device


@conforms("LightweightM2M-1.1-int-0", "LightweightM2M-1.1-int-4", peer="strict client")
async def test_a_client_is_discovered_cleared_given_its_account_and_told_so(serving: BootstrapServing) -> None:
    client = await bootstrapped(serving)
    assert client.asked == SEQUENCE
    assert client.instance == 1  # where its bootstrap account was not
    assert client.security[0] == "coaps://lamps.example.com:5684" and client.security[1] is False
    assert client.security[10] == client.server[0]
    assert {0, 1, 6, 7} <= set(client.server)


@conforms("LightweightM2M-1.1-int-1", peer="strict client")
async def test_a_client_with_a_key_registers_with_what_it_was_given(serving: BootstrapServing) -> None:
    client = await bootstrapped(serving)
    assert (client.security[2], client.security[3], client.security[5]) == (0, NAME.encode(), SECRET)
    await registers_and_is_read(serving, client, NAME)


@conforms("LightweightM2M-1.1-int-2", peer="strict client")
async def test_a_client_with_a_certificate_registers_with_what_it_was_given(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    client = StandardClient(serving.changed)
    serving.devices.append(client)
    await client.connect(serving.with_developer(developer), serving.bootstrap.port)
    certificate = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
    name = str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    assert (await client.bootstrap(endpoint_name=name)).code == Code.CHANGED
    await finished(client)
    assert client.asked == SEQUENCE and client.security[2] == 2
    await registers_and_is_read(serving, client, name)


@conforms("LightweightM2M-1.1-int-5", peer="strict client")
async def test_a_triggered_client_comes_for_its_account_again(serving: BootstrapServing) -> None:
    device = await registers_and_is_read(serving, await bootstrapped(serving), NAME)
    assert (await serving.request(device.location[-1], "POST", "/1/0/9"))["status"] == 200
    assert device.executed == ["/1/0/9"]
    device.close()
    again = await registers_and_is_read(serving, await bootstrapped(serving), NAME)
    assert again.location == device.location


@conforms("LightweightM2M-1.1-int-7", peer="strict client")
async def test_a_client_that_finds_no_server_comes_for_another_account(serving: BootstrapServing) -> None:
    lost = serving.new_device()
    with pytest.raises(HandshakeRefused):
        await lost.connect(with_key(NAME, SECRET, handshake_age=0.5), free_port())
    await registers_and_is_read(serving, await bootstrapped(serving), NAME)


class Inconsistent(StandardClient):
    """Finds that what it was given does not go together."""

    def _finish(self, message: Message) -> Message:
        return Message(Code.NOT_ACCEPTABLE)


@conforms("LightweightM2M-1.1-int-9", peer="strict client")
async def test_a_client_that_refuses_to_finish_is_told_to_its_owner(serving: BootstrapServing) -> None:
    client = await serving.standard_client(Inconsistent, NAME)
    assert (await client.bootstrap(endpoint_name=NAME)).code == Code.CHANGED

    async def told() -> object:
        events = [each.event for each in await serving.log.read(START, 1000)]
        return [event for event in events if event.kind == "DeviceBootstrapFailed"]

    assert len(await serving.until(told)) == 1
    assert client.asked == SEQUENCE
    known = await serving.directory.device_of_endpoint(serving.database, ACCOUNT, NAME)
    assert known is not None
    assert (await serving.directory.retrieve(ACCOUNT, known.device_id)).state != "bootstrapped"
