"""Devices that are bootstrapped while the key of the authority is in a hardware module, and while that is away."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.coap.numbers import Code
from lamplighter.storage.database import Database
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.services.certificates.softhsm import softhsm
from tests.services.certificates.test_given import root
from tests.services.certificates.test_module import bring


async def test_a_device_is_told_to_come_again_while_the_module_is_away_and_gets_its_certificate_then(
    database: Database, tmp_path: Path
) -> None:
    devices = root("Devices in a module")
    with softhsm(tmp_path) as hsm:
        hsm.make_token(tmp_path.name)
        hsm.import_key(tmp_path.name, "device-ca", devices.key)
        bring(tmp_path, "device-ca", devices, hsm.uri(tmp_path.name, "device-ca"))
        serving = BootstrapServing(database, tmp_path)
        await serving.start()
        try:
            developer = await serving.developer()
            own = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
            name = str(own.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
            client = await serving.vendor_client(developer)
            with hsm.away():
                await client.bootstrap(endpoint_name=name, **VENDOR)
                await finished(client)
                answer = await client.enrol(ec.generate_private_key(ec.SECP256R1()))
                assert answer.code == Code.SERVICE_UNAVAILABLE, answer
                await serving.in_state(name, "cloud_enrolling")
            again = await serving.vendor_client(developer)
            await again.bootstrap(endpoint_name=name, **VENDOR)
            await finished(again)
            device = await serving.at_lwm2m(again)
            identity = again.security[3]
            assert isinstance(identity, bytes)
            x509.load_der_x509_certificate(identity).verify_directly_issued_by(devices.certificate)
            assert (await device.register(name, **VENDOR)).code == Code.CREATED
        finally:
            await serving.close()
