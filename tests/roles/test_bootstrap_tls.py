"""Bootstrap over TLS and TCP: a device is sent to LwM2M over what it came by, in the words that its kind of client reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.roles.bootstrap_client import StandardClient, VendorClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.lwm2m_device import with_key
from tests.roles.lwm2m_serving import SECRET
from tests.roles.stream_device import StreamDevice

KEY_NAME = "lamp-with-a-key-01"


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    serving = BootstrapServing(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


class VendorOverTls(StreamDevice, VendorClient):
    """One message a record."""


@pytest.mark.parametrize("est", [True, False])
async def test_a_developers_device_is_bootstrapped_over_tls(database: Database, tmp_path: Path, est: bool) -> None:
    serving = BootstrapServing(database, tmp_path, est=est)
    await serving.start()
    developer = await serving.developer()
    certificate = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
    name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    client = VendorOverTls(serving.changed, Framing.RECORD)
    serving.devices.append(client)
    await client.connect_tls(serving.with_developer(developer), serving.bootstrap.tls_port)
    assert (await client.bootstrap(endpoint_name=name, **VENDOR)).code == Code.CHANGED
    await finished(client)
    assert client.asked == ["DELETE /0", "PUT /0", "POST /bs"]
    assert client.security[2] == (4 if est else 2)
    assert client.security[0] == f"coaps://lamps.example.com:5684?aid={ACCOUNT}"
    await serving.close()


class StandardOverStream(StreamDevice, StandardClient):
    """Anjay and others: RFC 8323."""


def standard_client(serving: BootstrapServing) -> StandardOverStream:
    client = StandardOverStream(serving.changed, Framing.RFC8323)
    serving.devices.append(client)
    return client


async def test_a_standard_client_that_came_over_tls_registers_over_tls(serving: BootstrapServing) -> None:
    await serving.credentials.create_key(ACCOUNT, PreSharedKey(KEY_NAME, SECRET.hex()))
    client = standard_client(serving)
    await client.connect_tls(with_key(KEY_NAME, SECRET), serving.bootstrap.tls_port)
    assert (await client.bootstrap(endpoint_name=KEY_NAME)).code == Code.CHANGED
    await finished(client)
    assert client.asked == ["GET /", "DELETE /", "PUT /0/1", "PUT /1/0", "POST /bs"]
    assert (client.security[0], client.server[7]) == ("coaps+tcp://lamps.example.com:5684", "T")
    identity, secret = client.security[3], client.security[5]
    assert isinstance(identity, bytes) and isinstance(secret, bytes)
    device = StreamDevice(serving.changed, Framing.RFC8323)
    serving.devices.append(device)
    await device.connect_tls(with_key(identity.decode(), secret), serving.role.tls_port)
    assert (await device.register(KEY_NAME, version="1.1", binding=str(client.server[7]))).code == Code.CREATED
    assert (await serving.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200


async def test_a_standard_client_that_came_over_tls_with_a_certificate_registers_over_tls(
    serving: BootstrapServing,
) -> None:
    developer = await serving.developer()
    client = standard_client(serving)
    await client.connect_tls(serving.with_developer(developer), serving.bootstrap.tls_port)
    await client.bootstrap()
    await finished(client)
    assert (client.security[0], client.security[2]) == ("coaps+tcp://lamps.example.com:5684", 2)
    certificate, anchor, secret = client.security[3], client.security[4], client.security[5]
    assert isinstance(certificate, bytes) and isinstance(anchor, bytes) and isinstance(secret, bytes)
    key = serialization.load_der_private_key(secret, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    device = StreamDevice(serving.changed, Framing.RFC8323)
    serving.devices.append(device)
    await device.connect_tls(serving.with_certificate(certificate, key, anchor), serving.role.tls_port)
    (name,) = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert (await device.register(str(name.value), version="1.1", binding="T")).code == Code.CREATED


async def test_a_client_without_security_that_came_over_tcp_is_sent_there_too(serving: BootstrapServing) -> None:
    client = standard_client(serving)
    await client.connect_tcp(serving.bootstrap.tcp_port)
    await client.bootstrap(endpoint_name="a-lamp-in-a-laboratory")
    await finished(client)
    assert (client.security[0], client.security[2]) == ("coap+tcp://lamps.example.com:0", 3)
