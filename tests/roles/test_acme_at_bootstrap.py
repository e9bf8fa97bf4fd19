"""Standard clients that get their certificate for LwM2M by ACME when they are bootstrapped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.services.credentials.trusted_model import TrustedCertificateCreate
from lamplighter.services.issuers.model import CertificateIssuerRequest, ConfigurationRequest
from lamplighter.settings import Bootstrap, Issuers, Outbound, Public
from lamplighter.storage.database import Database
from tests.dtls import pki
from tests.outbound.receivers import LOOPBACK
from tests.roles.bootstrap_client import StandardClient
from tests.roles.bootstrap_serving import ACCOUNT, BootstrapServing, finished
from tests.roles.lwm2m_serving import SETTINGS
from tests.services.issuers.acme_server import EAB_KEY, AcmeServer
from tests.services.issuers.authorities import PEM, Signer, ca_of, listening

NAME = "lamp-1.lamps.test"


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    settings = msgspec.structs.replace(
        SETTINGS,
        bootstrap=Bootstrap(port=0, plain_port=0),
        public=Public(lwm2m_uri="coaps://lamps.example.com:5684", bootstrap_uri="coaps://lamps.example.com:5784"),
        outbound=Outbound(allowed_networks=LOOPBACK, ca_file=ca_of(tmp_path)),
        issuers=Issuers(acme_domains=(f"lamps.test={ACCOUNT}",)),
    )
    serving = BootstrapServing(database, tmp_path / "ours", settings)
    await serving.start()
    yield serving
    await serving.close()


@pytest.fixture
async def server(serving: BootstrapServing, tmp_path: Path) -> AsyncIterator[AcmeServer]:
    """An authority that signs for the account, after it has looked whether a name is ours."""
    made = AcmeServer(Signer())
    made.beforehand, made.without_common_name = False, True

    async def look(token: str) -> str:
        return (await serving.issuers.challenge(token, NAME)).decode()

    made.look = look
    async with listening(made, tmp_path) as receiver:
        credentials = {"eab_key_id": "lamps", "eab_hmac_key": EAB_KEY}
        attributes = {"directory_url": receiver.url("localhost", "/directory")}
        wanted = CertificateIssuerRequest("ACME", "by names", credentials, attributes)
        issuer = await serving.issuers.create_issuer(ACCOUNT, {}, wanted)
        await serving.issuers.configurations.change_lwm2m(ACCOUNT, {}, ConfigurationRequest(issuer.id))
        yield made


async def trust(serving: BootstrapServing, authority: x509.Certificate, service: str) -> None:
    pem = authority.public_bytes(PEM).decode()
    wanted = TrustedCertificateCreate(name=f"for {service}", service=service, certificate=pem)  # type: ignore[arg-type]
    await serving.credentials.trusted.create(ACCOUNT, wanted)


async def bootstrapped(serving: BootstrapServing) -> tuple[StandardClient, Message]:
    """A client with its maker's certificate asks."""
    maker = pki.authority("their maker")
    await trust(serving, maker.certificate, "bootstrap")
    own = pki.issue(NAME, maker)
    client = StandardClient(serving.changed)
    serving.devices.append(client)
    config = serving.with_certificate(own.der, own.key, serving.authority.bootstrap_ca.certificate_der)
    await client.connect(config, serving.bootstrap.port)
    return client, await client.bootstrap(endpoint_name=NAME)


async def test_a_standard_client_registers_with_a_certificate_for_its_name_once_the_authority_found_the_name_ours(
    serving: BootstrapServing, server: AcmeServer
) -> None:
    await trust(serving, server.signer.certificate, "lwm2m")
    client, answer = await bootstrapped(serving)
    assert answer.code == Code.CHANGED, answer
    await finished(client)
    identity = client.security[3]
    assert isinstance(identity, bytes)
    assert x509.load_der_x509_certificate(identity).subject.rfc4514_string() == ""
    device = await serving.at_lwm2m(client)
    assert (await device.register(NAME)).code == Code.CREATED


async def test_a_certificate_that_would_not_let_the_device_in_is_refused_before_the_device_has_it(
    serving: BootstrapServing, server: AcmeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = server.signer.sign
    use = ExtendedKeyUsageOID.SERVER_AUTH
    monkeypatch.setattr(server.signer, "sign", lambda subject, key, host: signed(subject, key, host, use))
    await trust(serving, server.signer.certificate, "lwm2m")
    client, answer = await bootstrapped(serving)
    assert answer.code == Code.BAD_GATEWAY and 3 not in client.security


async def test_an_authority_of_the_same_name_with_another_key_is_not_trusted_for_it(
    serving: BootstrapServing, server: AcmeServer
) -> None:
    await trust(serving, Signer().certificate, "lwm2m")
    client, answer = await bootstrapped(serving)
    assert answer.code == Code.BAD_GATEWAY and 3 not in client.security
