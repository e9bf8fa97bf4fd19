"""Standard clients that get their certificate for LwM2M by ACME when they are bootstrapped."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography import x509

from lamplighter.coap.numbers import Code
from lamplighter.services.credentials.trusted_model import TrustedCertificateCreate
from lamplighter.services.issuers.model import CertificateIssuerRequest, ConfigurationRequest
from lamplighter.settings import Bootstrap, Outbound, Public
from lamplighter.storage.database import Database
from tests.outbound.receivers import LOOPBACK
from tests.roles.bootstrap_client import StandardClient
from tests.roles.bootstrap_serving import ACCOUNT, BootstrapServing, finished
from tests.roles.lwm2m_serving import SETTINGS
from tests.services.issuers.acme_server import EAB_KEY, AcmeServer
from tests.services.issuers.authorities import PEM, Signer, ca_of, listening


async def test_a_standard_client_registers_with_a_certificate_for_its_name_once_the_authority_found_the_name_ours(
    database: Database, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(
        SETTINGS,
        bootstrap=Bootstrap(port=0, plain_port=0),
        public=Public(lwm2m_uri="coaps://lamps.example.com:5684", bootstrap_uri="coaps://lamps.example.com:5784"),
        outbound=Outbound(allowed_networks=LOOPBACK, ca_file=ca_of(tmp_path)),
    )
    serving = BootstrapServing(database, tmp_path / "ours", settings)
    signer = Signer()
    server = AcmeServer(signer)
    server.beforehand, server.without_common_name = False, True

    async def look(token: str) -> str:
        return (await serving.issuers.challenge(token)).decode()

    server.look = look
    await serving.start()
    try:
        async with listening(server, tmp_path) as receiver:
            issuer = await serving.issuers.create_issuer(
                ACCOUNT,
                {},
                CertificateIssuerRequest(
                    "ACME",
                    "by names",
                    {"eab_key_id": "lamps", "eab_hmac_key": EAB_KEY},
                    {"directory_url": receiver.url("localhost", "/directory")},
                ),
            )
            await serving.issuers.configurations.change_lwm2m(ACCOUNT, {}, ConfigurationRequest(issuer.id))
            pem = signer.certificate.public_bytes(PEM).decode()
            trusted = TrustedCertificateCreate(name="their authority", service="lwm2m", certificate=pem)
            await serving.credentials.trusted.create(ACCOUNT, trusted)
            developer = await serving.developer()
            own = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
            name = str(own.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
            client = StandardClient(serving.changed)
            serving.devices.append(client)
            await client.connect(serving.with_developer(developer), serving.bootstrap.port)
            assert (await client.bootstrap(endpoint_name=name)).code == Code.CHANGED
            await finished(client)
            identity = client.security[3]
            assert isinstance(identity, bytes)
            assert x509.load_der_x509_certificate(identity).subject.rfc4514_string() == ""
            device = await serving.at_lwm2m(client)
            assert (await device.register(name)).code == Code.CREATED
    finally:
        await serving.close()
