"""An operator's intermediates in the place of our own authorities, from a device's bootstrap to its session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.coap.numbers import Code
from lamplighter.simulator.enrolment import certificates_of
from lamplighter.storage.database import Database
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.services.certificates.openssl import verifies
from tests.services.certificates.test_given import bring, intermediate, root

TOP = root()
"""Its key is needed for nothing any more."""


@pytest.fixture(params=[True, False], ids=["est", "without est"])
async def serving(
    database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[BootstrapServing]:
    for name in ("device-ca", "bootstrap-ca"):
        bring(tmp_path, name, intermediate(TOP, f"{name} of 2026"), TOP)
    each = BootstrapServing(database, tmp_path, est=request.param)
    await each.start()
    yield each
    await each.close()


async def test_a_device_that_knows_only_the_root_bootstraps_and_registers_under_intermediates(
    serving: BootstrapServing,
) -> None:
    developer = await serving.developer()
    certificate = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
    assert verifies(certificate, TOP.certificate, serving.authority.bootstrap_ca.path[:1], "sslclient")
    assert _digits(TOP.der) in developer.security_file_content.replace("\n", "").replace(" ", "").lower()
    name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    client = await serving.vendor_client(developer)
    assert (await client.bootstrap(endpoint_name=name, **VENDOR)).code == Code.CHANGED
    await finished(client)
    assert client.security[4] == TOP.der
    if client.security[2] == 4:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf, *above = certificates_of((await client.enrol(key)).payload)
        assert above == [serving.authority.device_ca.certificate_der, TOP.der]
        loaded = [x509.load_der_x509_certificate(each) for each in (leaf, *above)]
        assert verifies(loaded[0], TOP.certificate, loaded[1:2], "sslclient")
        device = serving.new_device()
        await device.connect(serving.with_certificate(leaf, key, TOP.der), serving.role.port)
    else:
        device = await serving.at_lwm2m(client)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED


def _digits(der: bytes) -> str:
    """As C source has bytes."""
    return ",".join(f"0x{byte:02x}" for byte in der)
