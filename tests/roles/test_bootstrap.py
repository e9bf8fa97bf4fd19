"""Bootstrap over real sockets: the vendor's client, standard clients, enrolment, and who is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from lamplighter.bus.log import START
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.bootstrap import BootstrapFaults, BootstrapRequest, bootstrap_request, parse_bootstrap_request
from lamplighter.lwm2m.est import PKCS7_CERTS_ONLY
from lamplighter.services.bootstrap import service
from lamplighter.services.credentials.certificate_store import certificates
from lamplighter.services.credentials.keys import pre_shared_keys
from lamplighter.services.directory.model import Block
from lamplighter.simulator.enrolment import certificates_of
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from lamplighter.transport.dtls_client import HandshakeRefused
from tests.api.toy import ACCOUNT, FOREIGN
from tests.roles.bootstrap_client import StandardClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.lwm2m_device import with_certificate

KEY_NAME = "lamp-with-a-key-01"


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    serving = BootstrapServing(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


@pytest.fixture
async def without_est(database: Database, tmp_path: Path) -> AsyncIterator[BootstrapServing]:
    serving = BootstrapServing(database, tmp_path, est=False)
    await serving.start()
    yield serving
    await serving.close()


async def test_a_developers_device_gets_a_certificate_and_registers_with_it(without_est: BootstrapServing) -> None:
    serving = without_est
    developer = await serving.developer()
    client = await serving.vendor_client(developer)
    name = _name(developer.developer_certificate)
    answer = await client.bootstrap(endpoint_name=name, **VENDOR)
    assert answer.code == Code.CHANGED
    await finished(client)
    assert client.asked == ["DELETE /0", "PUT /0", "POST /bs"]
    shown = await serving.in_state(name, "bootstrapped")
    assert client.device_id == shown.id and shown.device_execution_mode == 1
    assert client.security[0] == f"coaps://lamps.example.com:5684?aid={ACCOUNT}"
    assert shown.ca_id == developer.id and shown.bootstrapped_timestamp is not None
    assert shown.connector_expiration_date == "9999-12-31"

    device = await serving.at_lwm2m(client)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    assert device.location == ("rd", ACCOUNT, shown.id)


async def test_a_device_that_can_makes_its_own_key_and_enrols_it(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    client = await serving.vendor_client(developer)
    name = _name(developer.developer_certificate)
    await client.bootstrap(endpoint_name=name, **VENDOR)
    await finished(client)
    assert client.security[2] == 4 and client.security[3] == client.security[5] == b""
    key = ec.generate_private_key(ec.SECP256R1())
    answer = await client.enrol(key)
    assert answer.code == Code.CHANGED
    leaf, authority = certificates_of(answer.payload)
    subject = x509.load_der_x509_certificate(leaf).subject
    assert [attribute.value for attribute in subject] == [name, ACCOUNT, client.device_id]
    assert authority == client.security[4]
    await serving.in_state(name, "bootstrapped")

    device = serving.new_device()
    await device.connect(serving.with_certificate(leaf, key, authority), serving.role.port)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    assert device.location[-1] == client.device_id


async def test_an_enrolment_is_answered_in_pkcs7_where_it_is_asked_for(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=_name(developer.developer_certificate), **VENDOR)
    await finished(client)
    answer = await client.enrol(ec.generate_private_key(ec.SECP256R1()), accept=PKCS7_CERTS_ONLY)
    assert answer.content_format == PKCS7_CERTS_ONLY
    assert len(pkcs7.load_der_pkcs7_certificates(answer.payload)) == 2


async def test_an_enrolment_that_cannot_be_used_fails_the_bootstrap(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=name, **VENDOR)
    await finished(client)
    answer = await client.send_request(b"\x30\x00 no request")
    assert answer.code == Code.BAD_REQUEST and b"PKCS#10" in answer.payload
    again = await client.enrol(ec.generate_private_key(ec.SECP256R1()))
    assert again.code == Code.FORBIDDEN


async def test_a_bootstrap_that_failed_before_anything_was_given_leaves_no_device_behind(
    serving: BootstrapServing,
) -> None:
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    ids = []
    for _ in range(3):
        client = await serving.vendor_client(developer)
        await client.bootstrap(endpoint_name=name, **VENDOR)
        await finished(client)
        ids.append(client.device_id)
        if client.security[2] == 4:
            assert (await client.send_request(b"\x30\x00 no request")).code == Code.BAD_REQUEST
    assert ids[0] == ids[1]  # the second was given a certificate, and is a device from then on
    assert ids[2] != ids[0]


async def test_a_standard_client_that_was_restarted_is_the_same_device(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    locations = []
    for _ in range(2):
        client = StandardClient(serving.changed)
        serving.devices.append(client)
        await client.connect(serving.with_developer(developer), serving.bootstrap.port)
        await client.bootstrap(endpoint_name=name)
        await finished(client)
        device = await serving.at_lwm2m(client)
        assert (await device.register(name)).code == Code.CREATED  # and is not switched off
        locations.append(device.location)
    assert locations[0] == locations[1]


def test_of_the_ids_that_the_vendors_client_has_gathered_the_last_counts() -> None:
    asked = bootstrap_request(BootstrapRequest("lamp", ACCOUNT, "a" * 32, None, "4.13.2"))
    asked.add(Option.URI_QUERY, f"iep={'b' * 32}")
    assert parse_bootstrap_request(asked).device_id == "b" * 32
    asked.add(Option.URI_QUERY, "ep=another")
    with pytest.raises(BootstrapFaults, match="ep is given twice"):
        parse_bootstrap_request(asked)


async def test_a_device_that_kept_a_key_it_could_not_enrol_is_given_one(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=name, **VENDOR)
    await finished(client)
    assert (await client.send_request(b"\x30\x00 no request")).code == Code.BAD_REQUEST
    client.has_key = True
    await client.bootstrap(endpoint_name=name, **VENDOR)
    await finished(client)
    assert client.security[2] == 2 and client.security[5]
    await serving.in_state(name, "bootstrapped")
    device = await serving.at_lwm2m(client)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED


async def test_a_device_that_begins_anew_in_the_middle_is_bootstrapped_under_its_name(
    without_est: BootstrapServing,
) -> None:
    serving = without_est
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    client = await serving.vendor_client(developer)
    first, second = await asyncio.gather(*[client.bootstrap(endpoint_name=name, **VENDOR) for _ in range(2)])
    assert second.code == Code.CHANGED
    shown = await serving.in_state(name, "bootstrapped")
    assert client.device_id == shown.id


async def test_an_enrolment_with_a_key_of_another_curve_is_refused(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=_name(developer.developer_certificate), **VENDOR)
    await finished(client)
    answer = await client.enrol(ec.generate_private_key(ec.SECP384R1()))
    assert answer.code == Code.BAD_REQUEST and b"P-256" in answer.payload


async def test_an_enrolment_that_was_not_signed_by_its_own_key_is_refused(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=_name(developer.developer_certificate), **VENDOR)
    await finished(client)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    others = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    signed, signature = request.tbs_certrequest_bytes, others.signature
    rest = bytes.fromhex("300a06082a8648ce3d040302") + b"\x03" + bytes([len(signature) + 1, 0]) + signature
    body = signed + rest
    length = bytes([0x81, len(body)]) if len(body) < 256 else b"\x82" + len(body).to_bytes(2, "big")
    answer = await client.send_request(b"\x30" + length + body)
    assert answer.code == Code.BAD_REQUEST and b"signature" in answer.payload


async def test_an_enrolment_that_nobody_asked_for_is_refused(serving: BootstrapServing) -> None:
    client = await serving.vendor_client(await serving.developer())
    answer = await client.enrol(ec.generate_private_key(ec.SECP256R1()))
    assert answer.code == Code.FORBIDDEN


async def test_a_device_that_comes_back_with_its_id_keeps_it(without_est: BootstrapServing) -> None:
    serving = without_est
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    first = await serving.vendor_client(developer)
    await first.bootstrap(endpoint_name=name, **VENDOR)
    await finished(first)
    before = await serving.in_state(name, "bootstrapped")
    second = await serving.vendor_client(developer)
    await second.bootstrap(endpoint_name=name, device_id=first.device_id, **VENDOR)
    await finished(second)
    assert second.device_id == first.device_id

    async def newer() -> bool:
        after = await serving.directory.retrieve(ACCOUNT, first.device_id)
        return str(after.bootstrapped_timestamp) > str(before.bootstrapped_timestamp)

    await serving.until(newer)


async def test_after_a_factory_reset_a_developers_device_is_a_new_one(
    without_est: BootstrapServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ON_ITS_WAY", 0.0)
    serving = without_est
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    ids = []
    for _ in range(2):
        client = await serving.vendor_client(developer)
        await client.bootstrap(endpoint_name=name, **VENDOR)
        await finished(client)
        ids.append(client.device_id)
    assert ids[0] != ids[1]
    assert await serving.directory.device(serving.database, ACCOUNT, ids[0]) is None
    assert (await serving.in_state(name, "bootstrapped")).id == ids[1]


async def test_two_devices_of_one_developer_certificate_live_side_by_side(without_est: BootstrapServing) -> None:
    serving = without_est
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    locations = []
    for _ in range(2):
        client = await serving.vendor_client(developer)
        await client.bootstrap(endpoint_name=name, **VENDOR)
        await finished(client)
        identity = client.security[3]
        assert isinstance(identity, bytes)
        called = _name_of(x509.load_der_x509_certificate(identity))
        device = await serving.at_lwm2m(client)
        assert (await device.register(called, **VENDOR)).code == Code.CREATED
        locations.append(device.location)
        assert called.startswith(name)
    assert len(set(locations)) == 2
    assert (await device.update()).code == Code.CHANGED


async def test_devices_of_one_developer_certificate_that_start_together_do_not_replace_each_other(
    without_est: BootstrapServing,
) -> None:
    serving = without_est
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    clients = [await serving.vendor_client(developer) for _ in range(3)]
    await asyncio.gather(*[client.bootstrap(endpoint_name=name, **VENDOR) for client in clients])
    for client in clients:
        await finished(client)
        assert await serving.directory.device(serving.database, ACCOUNT, client.device_id) is not None
    assert len({client.device_id for client in clients}) == 3


async def test_an_id_of_another_credential_is_not_given(without_est: BootstrapServing) -> None:
    serving = without_est
    other = await serving.ensured("somebody-elses-device")
    developer = await serving.developer()
    client = await serving.vendor_client(developer)
    await client.bootstrap(endpoint_name=_name(developer.developer_certificate), device_id=other, **VENDOR)
    await finished(client)
    assert client.device_id != other


async def test_the_longest_unused_device_of_a_full_certificate_makes_room(
    without_est: BootstrapServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = without_est
    monkeypatch.setattr(service, "DEVICES_OF_CERTIFICATE", 1)
    monkeypatch.setattr(service, "ON_ITS_WAY", 0.0)
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    first = await serving.vendor_client(developer)
    await first.bootstrap(endpoint_name=name, **VENDOR)
    await finished(first)
    device = await serving.at_lwm2m(first)
    assert (await device.register(name, **VENDOR)).code == Code.CREATED
    second = await serving.vendor_client(developer)
    answer = await second.bootstrap(endpoint_name=name, **VENDOR)
    assert answer.code == Code.SERVICE_UNAVAILABLE and answer.max_age == 30
    assert b"1 devices use the developer certificate" in answer.payload
    await device.deregister()
    assert (await second.bootstrap(endpoint_name=name, **VENDOR)).code == Code.CHANGED
    await finished(second)
    assert await serving.directory.device(serving.database, ACCOUNT, first.device_id) is None


async def test_a_standard_client_with_a_key_is_given_an_account_for_lwm2m(serving: BootstrapServing) -> None:
    client = await serving.standard_client(StandardClient, KEY_NAME)
    assert (await client.bootstrap(endpoint_name=KEY_NAME)).code == Code.CHANGED
    await finished(client)
    assert client.asked == ["GET /", "DELETE /", "PUT /0/1", "PUT /1/0", "POST /bs"]
    assert client.security[0] == "coaps://lamps.example.com:5684"
    assert client.security[2] == 0 and client.server[7] == "U"
    identifier = client.security[10]
    assert isinstance(identifier, int) and 1 <= identifier <= 65534 and client.server[0] == identifier
    assert client.security[4] == b"" or 4 not in client.security
    device = await serving.at_lwm2m(client)
    assert (await device.register(KEY_NAME)).code == Code.CREATED


class TextOnly(StandardClient):
    formats = frozenset({ContentFormat.TEXT})


class Forgetful(StandardClient):
    links = ""


class SenmlOnly(StandardClient):
    formats = frozenset({ContentFormat.SENML_CBOR})
    knows_usage = False


async def test_a_client_is_written_to_in_the_format_that_it_takes(serving: BootstrapServing) -> None:
    client = await serving.standard_client(SenmlOnly, KEY_NAME)
    await client.bootstrap(endpoint_name=None, preferred_format=int(ContentFormat.SENML_CBOR))
    await finished(client)
    assert client.asked == ["GET /", "DELETE /", "PUT /0/1", "PUT /1/0", "POST /bs"]
    assert client.server[1] == 3600


async def test_a_client_that_shows_nothing_of_itself_is_bootstrapped_all_the_same(serving: BootstrapServing) -> None:
    client = await serving.standard_client(Forgetful, KEY_NAME)
    await client.bootstrap(endpoint_name=KEY_NAME)
    await finished(client)
    assert client.instance == 1


async def test_a_client_that_refuses_what_it_is_given_is_told_to_the_owner(serving: BootstrapServing) -> None:
    client = await serving.standard_client(TextOnly, KEY_NAME)
    await client.bootstrap(endpoint_name=KEY_NAME)

    async def told() -> object:
        known = await serving.directory.device_of_endpoint(serving.database, ACCOUNT, KEY_NAME)
        events = [each.event for each in await serving.log.read(START, 1000)]
        failed = [event for event in events if event.kind == "DeviceBootstrapFailed"]
        return known is not None and failed and failed[0].device_id == known.device_id

    assert await serving.until(told)


async def test_a_client_with_a_certificate_is_given_the_authority_with_its_usage(serving: BootstrapServing) -> None:
    developer = await serving.developer()
    name = _name(developer.developer_certificate)
    for kind, usage, certificate in (
        (StandardClient, 2, serving.authority.device_ca.certificate_der),
        (SenmlOnly, None, serving.authority.lwm2m.certificate_der),
    ):
        client = kind(serving.changed)
        serving.devices.append(client)
        await client.connect(serving.with_developer(developer), serving.bootstrap.port)
        await client.bootstrap(endpoint_name=name)
        await finished(client)
        assert (client.security.get(15), client.security[4]) == (usage, certificate)


async def test_a_client_without_security_is_sent_to_the_port_without_security(serving: BootstrapServing) -> None:
    client = StandardClient(serving.changed)
    serving.devices.append(client)
    client.connect_plain(serving.bootstrap.plain_port)
    await client.bootstrap(endpoint_name="a-lamp-in-a-laboratory")
    await finished(client)
    assert client.security[0] == "coap://lamps.example.com:0" and client.security[2] == 3


@pytest.mark.parametrize(
    "asked",
    [{"endpoint_name": "somebody-elses-lamp"}, {"endpoint_name": KEY_NAME, "account": FOREIGN}],
    ids=["another name", "another account"],
)
async def test_a_device_is_not_bootstrapped_as_anothers(serving: BootstrapServing, asked: dict[str, str]) -> None:
    client = await serving.standard_client(StandardClient, KEY_NAME)
    assert (await client.bootstrap(**asked)).code == Code.FORBIDDEN
    assert client.asked == []


async def test_a_suspended_device_is_not_bootstrapped(serving: BootstrapServing) -> None:
    device_id = await serving.ensured(KEY_NAME)
    await serving.directory.suspend(ACCOUNT, device_id, Block(category="maintenance", description="in repair"))
    client = await serving.standard_client(StandardClient, KEY_NAME)
    answer = await client.bootstrap(endpoint_name=KEY_NAME)
    assert answer.code == Code.FORBIDDEN and device_id.encode() in answer.payload


async def test_a_session_gets_nothing_after_its_credential_has_gone(serving: BootstrapServing) -> None:
    client = await serving.standard_client(StandardClient, KEY_NAME)
    developers = await serving.vendor_client(developer := await serving.developer())
    async with serving.database.transaction() as tx:
        await tx.execute(Query(sa.delete(pre_shared_keys)))
        await tx.execute(Query(sa.update(certificates).values(status="INACTIVE")))
    assert (await client.bootstrap(endpoint_name=KEY_NAME)).code == Code.FORBIDDEN
    name = _name(developer.developer_certificate)
    answer = await developers.bootstrap(endpoint_name=name, **VENDOR)
    assert answer.code == Code.FORBIDDEN and b"not valid any more" in answer.payload
    assert await serving.directory.device_of_endpoint(serving.database, ACCOUNT, name) is None


async def test_a_session_that_ended_before_its_key_was_deleted_cannot_be_resumed(serving: BootstrapServing) -> None:
    await serving.standard_client(StandardClient, KEY_NAME)
    server = serving.bootstrap.ports.dtls.server
    (session,) = server.sessions
    server.forget(session)
    assert len(server._resumables) == 1  # type: ignore[union-attr]
    serving.bootstrap._on_revoked(KEY_NAME.encode())
    assert len(server._resumables) == 0  # type: ignore[union-attr]


async def test_a_certificate_for_lwm2m_does_not_open_bootstrap(serving: BootstrapServing) -> None:
    credential = serving.authority.issue_device("some-lamp", ACCOUNT, await serving.ensured("some-lamp"))
    device = serving.new_device()
    with pytest.raises(HandshakeRefused):
        config = with_certificate(credential, serving.authority.bootstrap_ca.certificate)
        await device.connect(config, serving.bootstrap.port)


async def test_a_developer_certificate_that_no_account_has_is_refused(serving: BootstrapServing) -> None:
    credential = serving.authority.issue_developer("some-lamp", ACCOUNT)
    device = serving.new_device()
    with pytest.raises(HandshakeRefused):
        config = with_certificate(credential, serving.authority.bootstrap_ca.certificate)
        await device.connect(config, serving.bootstrap.port)


def _name(pem: str) -> str:
    return _name_of(x509.load_pem_x509_certificate(pem.encode()))


def _name_of(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
