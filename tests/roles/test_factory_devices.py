"""Devices with certificates of their own: under what an account trusts, claimed where that is asked for, out when it ends."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from lamplighter.api.page import Page
from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.dtls import TrustAnchor
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.services.connect.follower import Follower
from lamplighter.services.credentials.blocking import CURSOR, FOLLOWED, Blocking
from lamplighter.services.credentials.trusted_model import (
    TrustedCertificate,
    TrustedCertificateCreate,
    TrustedCertificateUpdate,
)
from lamplighter.services.enrollment.service import identity_of
from lamplighter.storage.database import Database
from lamplighter.transport.dtls_client import HandshakeRefused
from lamplighter.transport.tcp_client import ConnectionRefused
from tests.api.toy import ACCOUNT, FOREIGN
from tests.dtls.pki import SIGN, Credential, authority, device, issue
from tests.roles.bootstrap_client import VendorClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.lwm2m_device import PATIENCE, Device
from tests.roles.stream_device import StreamDevice

NAME = "factory-lamp-0001"
PAGE = Page(50, None, "ASC", frozenset())


@pytest.fixture
async def serving(open_database: Callable[[], Database], tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    serving = BootstrapServing(open_database(), tmp_path, est=False)
    await serving.database.start()
    await serving.start()
    blocking = Follower(serving.log, Blocking(serving.database, serving.directory).follow, FOLLOWED, CURSOR)
    await blocking.start()
    yield serving
    await blocking.close()
    await serving.close()
    await serving.database.close()


@pytest.fixture
def maker() -> Credential:
    return authority("Lamp makers")


async def trust(
    serving: BootstrapServing, maker: Credential, service: Any = "bootstrap", account_id: str = ACCOUNT, **more: Any
) -> TrustedCertificate:
    pem = maker.certificate.public_bytes(Encoding.PEM).decode()
    body = TrustedCertificateCreate(name=f"makers {service}", certificate=pem, service=service, **more)
    return await serving.credentials.trusted.create(account_id, body)


async def set_status(serving: BootstrapServing, trusted: TrustedCertificate, status: Any) -> None:
    await serving.credentials.trusted.update(ACCOUNT, trusted.id, TrustedCertificateUpdate(status=status))


def config(serving: BootstrapServing, lamp: Credential, *, bootstrap: bool = True) -> ClientConfig:
    ours = serving.authority.bootstrap_ca if bootstrap else serving.authority.device_ca
    return ClientConfig(
        wall_time=time.time,
        certificate_chain=lamp.chain,
        private_key=lamp.key,
        trust_anchors=(TrustAnchor.from_der(ours.certificate_der),),
    )


async def bootstrapped(serving: BootstrapServing, lamp: Credential, **asked: Any) -> VendorClient:
    client = VendorClient(serving.changed)
    await serving._connect(client, config(serving, lamp))
    answer = await client.bootstrap(endpoint_name=NAME, **{**VENDOR, **asked})
    assert answer.code == Code.CHANGED, answer.payload
    await finished(client)
    return client


async def registered(serving: BootstrapServing, client: VendorClient) -> Device:
    lamp = await serving.at_lwm2m(client)
    assert (await lamp.register(NAME)).code == Code.CREATED
    return lamp


async def ended(device: Device) -> None:
    async with asyncio.timeout(PATIENCE):
        if isinstance(device, StreamDevice):
            assert await device.reasons.get() == "the server closed the session"
        else:
            await device.closed


async def test_a_factory_device_is_its_accounts_that_trusts_its_maker(
    serving: BootstrapServing, maker: Credential
) -> None:
    trusted = await trust(serving, maker)
    middle = issue("Line 7", maker, ca=True, key_usage=SIGN)
    client = await bootstrapped(serving, device(middle, NAME))
    await registered(serving, client)
    shown = await serving.in_state(NAME, "registered")
    assert (shown.ca_id, shown.id) == (trusted.id, client.device_id)
    assert shown.device_execution_mode != 1
    again = await bootstrapped(serving, device(maker, NAME))
    assert again.device_id == client.device_id


async def test_a_device_of_another_maker_is_nobodys(serving: BootstrapServing, maker: Credential) -> None:
    await trust(serving, maker)
    namesake = authority("Lamp makers")
    for stranger in (device(namesake, NAME), device(authority("Others"), NAME)):
        with pytest.raises(HandshakeRefused, match="(?i)unknown.ca"):
            await bootstrapped(serving, stranger)


async def test_it_cannot_come_under_another_name_or_account(serving: BootstrapServing, maker: Credential) -> None:
    await trust(serving, maker)
    for asked in ({"endpoint_name": "another"}, {"account": FOREIGN}):
        client = VendorClient(serving.changed)
        await serving._connect(client, config(serving, device(maker, NAME)))
        answer = await client.bootstrap(**{**VENDOR, "endpoint_name": NAME, **asked})
        assert answer.code == Code.FORBIDDEN


async def test_an_unclaimed_device_is_refused_with_a_reason_and_let_in_when_claimed(
    serving: BootstrapServing, maker: Credential
) -> None:
    trusted = await trust(serving, maker, enrollment_mode=True)
    lamp = device(maker, NAME)
    with pytest.raises(HandshakeRefused, match="(?i)access.denied"):
        await bootstrapped(serving, lamp)
    denied = await serving.claims.list_denials(ACCOUNT, trusted.id, None, PAGE)
    assert [each.endpoint_name for each in denied.data] == [NAME]
    claim = await serving.claims.create(ACCOUNT, identity_of(lamp.der), {})
    client = await bootstrapped(serving, lamp, account=None)
    known = await serving.claims.get(ACCOUNT, claim.id)
    assert known.claimed_at and known.enrolled_device_id == client.device_id
    assert (await serving.in_state(NAME, "bootstrapped")).enrolment_list_timestamp
    with pytest.raises(HandshakeRefused, match="(?i)access.denied"):
        await bootstrapped(serving, device(maker, NAME))  # of the same name, and not claimed


async def test_of_two_accounts_that_trust_a_maker_the_claimer_has_the_device(
    serving: BootstrapServing, maker: Credential
) -> None:
    await trust(serving, maker, account_id=FOREIGN)
    await trust(serving, maker)
    lamp = device(maker, NAME)
    await serving.claims.create(ACCOUNT, identity_of(lamp.der), {})
    await bootstrapped(serving, lamp)
    await serving.in_state(NAME, "bootstrapped")


async def test_a_claim_of_an_account_that_does_not_trust_the_maker_opens_nothing(
    serving: BootstrapServing, maker: Credential
) -> None:
    await trust(serving, maker)
    lamp = device(maker, NAME)
    await serving.claims.create(FOREIGN, identity_of(lamp.der), {})
    with pytest.raises(HandshakeRefused, match="(?i)access.denied"):
        await bootstrapped(serving, lamp)


async def test_what_came_by_a_certificate_ends_with_it_and_is_suspended_until_it_is_back(
    serving: BootstrapServing, maker: Credential
) -> None:
    trusted = await trust(serving, maker)
    lamp = device(maker, NAME)
    client = await bootstrapped(serving, lamp)
    at_work = await registered(serving, client)
    await set_status(serving, trusted, "INACTIVE")
    await ended(at_work)
    with pytest.raises(HandshakeRefused):
        await serving.at_lwm2m(client)
    with pytest.raises(HandshakeRefused):
        await bootstrapped(serving, lamp)

    async def suspended(wanted: bool) -> bool:
        known = await serving.directory.retrieve(ACCOUNT, client.device_id)
        return known.system_suspended == wanted

    await serving.until(lambda: suspended(True))
    await set_status(serving, trusted, "ACTIVE")
    await serving.until(lambda: suspended(False))
    await registered(serving, await bootstrapped(serving, lamp))


async def at_lwm2m(serving: BootstrapServing, lamp: Credential, transport: str = "dtls") -> Device:
    settings = config(serving, lamp, bootstrap=False)
    if transport == "dtls":
        found = serving.new_device()
        await found.connect(settings, serving.role.port)
        return found
    stream = StreamDevice(serving.changed, Framing.RECORD)
    serving.devices.append(stream)
    await stream.connect_tls(settings, serving.role.tls_port)
    return stream


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_device_may_come_to_lwm2m_with_its_own_certificate(
    serving: BootstrapServing, maker: Credential, transport: str
) -> None:
    trusted = await trust(serving, maker, "lwm2m")
    own = device(maker, NAME)
    lamp = await at_lwm2m(serving, own, transport)
    assert (await lamp.register("another")).code == Code.FORBIDDEN
    assert (await lamp.register(NAME)).code == Code.CREATED
    shown = await serving.in_state(NAME, "registered")
    assert (shown.account_id, shown.ca_id) == (ACCOUNT, trusted.id)
    fingerprints = [each.certificate.fingerprint(hashes.SHA256()).hex() for each in (own, maker)]
    assert [shown.device_key, shown.issuer_fingerprint] == fingerprints
    assert shown.connector_expiration_date == own.certificate.not_valid_after_utc.date().isoformat()
    assert (await lamp.update()).code == Code.CHANGED
    await serving.credentials.trusted.delete(ACCOUNT, trusted.id)
    await ended(lamp)
    with pytest.raises((HandshakeRefused, ConnectionRefused), match="(?i)unknown.ca"):
        await at_lwm2m(serving, device(maker, NAME), transport)


async def test_a_certificate_for_one_service_does_not_open_the_other(
    serving: BootstrapServing, maker: Credential
) -> None:
    await trust(serving, maker, "lwm2m")
    with pytest.raises(HandshakeRefused, match="(?i)unknown.ca"):
        await bootstrapped(serving, device(maker, NAME))


async def test_nobody_takes_devices_by_uploading_the_authority_they_come_under(
    serving: BootstrapServing, maker: Credential
) -> None:
    for service in ("lwm2m", "bootstrap"):
        await trust(serving, maker, service)
        await trust(serving, maker, service, account_id=FOREIGN)
    lamp = await at_lwm2m(serving, device(maker, NAME))
    assert (await lamp.register(NAME)).code == Code.CREATED
    await serving.in_state(NAME, "registered")
    await bootstrapped(serving, device(maker, NAME))


async def test_who_shows_the_key_of_an_authority_has_the_devices_under_it(
    serving: BootstrapServing, maker: Credential
) -> None:
    await trust(serving, maker, "lwm2m", account_id=FOREIGN)
    signature = base64.b64encode(maker.key.sign(ACCOUNT.encode(), ec.ECDSA(hashes.SHA256()))).decode()
    await trust(serving, maker, "lwm2m", signature=signature)
    lamp = await at_lwm2m(serving, device(maker, NAME))
    assert (await lamp.register(NAME)).code == Code.CREATED
    await serving.in_state(NAME, "registered")
