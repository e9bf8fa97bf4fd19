"""Bootstrap over TLS: the vendor's client as it comes by default."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.storage.database import Database
from tests.roles.bootstrap_client import VendorClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.stream_device import StreamDevice


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
    await serving.close()
