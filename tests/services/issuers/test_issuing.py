"""Certificates from issuers of each kind, and what is told when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.errors.bootstrap import CertificationRequestInvalid
from lamplighter.errors.issuers import IssuerFailed, IssuerUnreachable
from lamplighter.services.issuers.issued import certification_request
from lamplighter.services.issuers.model import Subject
from tests.outbound.receivers import Receiver, stall, status
from tests.services.issuers.authorities import (
    HMAC_KEY,
    AtlasServer,
    CfsslServer,
    EstServer,
    Signer,
    client_identity,
    listening,
)
from tests.services.issuers.conftest import Town
from tests.services.issuers.test_configurations import LWM2M
from tests.services.issuers.test_issuers import CFSSL, PATH

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)

LOGIN = {"username": "lamps", "password": "swordfish"}


def lamp(town: Town) -> Subject:
    return Subject("street-lamp-1", town.app.account_id, "d" * 32)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


async def issuer(town: Town, kind: str, attributes: dict[str, str], credentials: dict[str, str]) -> str:
    """An issuer that the LwM2M certificate comes from; its id."""
    body = {
        "issuer_type": kind,
        "name": kind,
        "issuer_attributes": attributes,
        "issuer_credentials": credentials,
    }
    made = await town.issuers.create_issuer(town.app.account_id, {}, _request(body))
    await town.app.put(LWM2M, json={"certificate_issuer_id": made.id})
    return made.id


def _request(body: dict[str, Any]) -> Any:
    import msgspec

    from lamplighter.services.issuers.model import CertificateIssuerRequest

    return msgspec.convert(body, CertificateIssuerRequest)


async def certify(town: Town, request: bytes | None = None) -> list[x509.Certificate]:
    issued = await town.issuers.certify("LWM2M", lamp(town), request or certification_request(key(), lamp(town)))
    return [x509.load_der_x509_certificate(each) for each in issued.chain]


async def verified(town: Town, issuer_id: str) -> tuple[bool, str]:
    answer = await town.app.post(f"{PATH}/{issuer_id}/verify")
    assert answer.status_code == 200, answer.text
    return answer.json()["successful"], answer.json()["message"]


def named(certificate: x509.Certificate) -> tuple[str, ...]:
    oids = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME)
    return tuple(str(certificate.subject.get_attributes_for_oid(oid)[0].value) for oid in oids)


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
async def cfssl(signer: Signer, tmp_path: Path) -> AsyncIterator[tuple[CfsslServer, Receiver]]:
    server = CfsslServer(signer)
    async with listening(server, tmp_path) as receiver:
        yield server, receiver


def host(receiver: Receiver, path: str = "") -> str:
    return receiver.url("localhost", path)


async def test_the_servers_own_authority_issues_where_nobody_else_is_configured(town: Town) -> None:
    stranger = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])
    )
    device_key = key()
    request = stranger.sign(device_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    leaf, above = await certify(town, request)
    assert named(leaf) == lamp(town) and leaf.public_key() == device_key.public_key()
    leaf.verify_directly_issued_by(above)


@pytest.mark.parametrize("request_bytes", [b"", b"no request", bytes(5000)])
async def test_what_is_no_request_is_refused_before_anybody_is_asked(
    town: Town, cfssl: tuple[CfsslServer, Receiver], request_bytes: bytes
) -> None:
    await issuer(town, "CFSSL_AUTH", {"host_url": host(cfssl[1])}, {"hmac_hex_key": HMAC_KEY})
    with pytest.raises(CertificationRequestInvalid):
        await town.issuers.certify("LWM2M", lamp(town), request_bytes)
    assert cfssl[1].requests == []


async def test_cfssl_signs_for_the_devices_identity_and_the_chain_goes_up_to_its_authority(
    town: Town, signer: Signer, cfssl: tuple[CfsslServer, Receiver]
) -> None:
    server, receiver = cfssl
    attributes = {"host_url": host(receiver), "cfssl_label": "lamps", "cfssl_profile": "device"}
    issuer_id = await issuer(town, "CFSSL_AUTH", attributes, {"hmac_hex_key": HMAC_KEY})
    device_key = key()
    leaf, above = await certify(town, certification_request(device_key, Subject("other", "b" * 32, "c" * 32)))
    assert named(leaf) == lamp(town) and leaf.public_key() == device_key.public_key()
    assert above == signer.certificate
    (asked,) = server.seen
    assert (asked["label"], asked["profile"]) == ("lamps", "device")
    assert await verified(town, issuer_id) == (
        True,
        "The issuer issued a certificate for a key and a name of this test.",
    )
    server.tells_info = False
    assert len(await certify(town)) == 1


async def test_a_cfssl_that_refuses_the_token_is_told_in_words(town: Town, cfssl: tuple[CfsslServer, Receiver]) -> None:
    issuer_id = await issuer(town, "CFSSL_AUTH", {"host_url": host(cfssl[1])}, {"hmac_hex_key": "77" * 16})
    assert await verified(town, issuer_id) == (
        False,
        "The issuer issued no certificate: it says: invalid token.",
    )
    with pytest.raises(IssuerFailed, match="invalid token"):
        await certify(town)
    (happened,) = await town.happened("CertificateIssuerVerified")
    assert happened["successful"] is False and "77" * 16 not in str(happened)


@pytest.mark.parametrize("spoilt", ["key", "name", "age", "text", "html", "large"])
async def test_a_certificate_that_is_of_no_use_is_refused_with_the_reason(
    town: Town, signer: Signer, cfssl: tuple[CfsslServer, Receiver], spoilt: str
) -> None:
    server, receiver = cfssl
    issuer_id = await issuer(town, "CFSSL_AUTH", {"host_url": host(receiver)}, {"hmac_hex_key": HMAC_KEY})
    stranger = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "their own idea")])
    expected = {
        "key": "the certificate is for another key",
        "name": "the certificate is for their own idea, and the device is lamplighter-test-certificate",
        "age": "the certificate has expired already",
        "text": "what it sent is no certificate in PEM",
        "html": "its answer (200) is not the JSON that its API has",
        "large": "its answer is larger than this server reads",
    }[spoilt]
    match spoilt:
        case "key":
            server.spoil = lambda subject, _: (subject, key().public_key())
        case "name":
            server.spoil = lambda _, public: (stranger, public)
        case "age":
            signer.days = -1
        case "text":
            receiver.script = status(200, body=b'{"success":true,"result":{"certificate":"-----"}}')
        case "html":
            receiver.script = status(200, body=b"<html>")
        case "large":
            receiver.script = status(200, body=b" " * 70_000)
    assert await verified(town, issuer_id) == (False, f"The issuer issued no certificate: {expected}.")


async def test_an_issuer_that_does_not_answer_is_a_failed_dependency(
    town: Town, cfssl: tuple[CfsslServer, Receiver]
) -> None:
    issuer_id = await issuer(town, "CFSSL_AUTH", {"host_url": "https://localhost:1"}, {"hmac_hex_key": HMAC_KEY})
    answer = await town.app.post(f"{PATH}/{issuer_id}/verify")
    assert (answer.status_code, answer.json()["type"]) == (424, "failed_dependency")
    assert "cannot be reached: the connection was refused" in answer.json()["message"]
    with pytest.raises(IssuerUnreachable):
        await certify(town)
    elsewhere = f"https://127.0.0.1:{cfssl[1].port}"
    await town.app.put(f"{PATH}/{issuer_id}", json={"issuer_attributes": {"host_url": elsewhere}})
    cfssl[1].script = stall
    town.issuers._outbound.timeout = 0.05
    answer = await town.app.post(f"{PATH}/{issuer_id}/verify")
    assert answer.status_code == 424 and "no answer within 0.05 seconds" in answer.json()["message"]
    assert {each["successful"] for each in await town.happened("CertificateIssuerVerified")} == {False}


async def test_a_private_address_is_not_reached_unless_the_operator_allows_it(town: Town) -> None:
    issuer_id = await issuer(town, "CFSSL_AUTH", {"host_url": "https://10.1.2.3"}, {"hmac_hex_key": HMAC_KEY})
    answer = await town.app.post(f"{PATH}/{issuer_id}/verify")
    assert answer.status_code == 424 and "outbound.allowed_networks" in answer.json()["message"]


async def test_atlas_is_logged_in_to_with_a_client_certificate_and_asked_until_the_certificate_is_there(
    town: Town, signer: Signer, tmp_path: Path
) -> None:
    server = AtlasServer(signer)
    async with listening(server, tmp_path, ask=True) as receiver:
        credentials = {
            "api_key": server.api_key,
            "api_secret": server.api_secret,
            **client_identity(tmp_path, "open sesame"),
        }
        issuer_id = await issuer(town, "GLOBAL_SIGN", {"host_url": host(receiver, "/v2")}, credentials)
        device_key = key()
        chain = await certify(town, certification_request(device_key, lamp(town)))
        assert named(chain[0]) == lamp(town) and chain[0].public_key() == device_key.public_key()
        assert chain[1:] == [signer.certificate, signer.root]
        assert server.seen[0]["validity"]["not_after"] == 0
        assert [each.path for each in receiver.requests[:2]] == ["/v2/login", "/v2/certificates"]
        shown = x509.load_pem_x509_certificate(credentials["client_certificate"].encode())
        assert set(receiver.certificates) == {shown.public_bytes(serialization.Encoding.DER)}
        assert (await verified(town, issuer_id))[0]
        server.policy_fault = {"description": "policy violated", "errors": {"subject_dn.locality": "must be absent"}}
        assert await verified(town, issuer_id) == (
            False,
            "The issuer issued no certificate: it answers 422 to the request: policy violated; subject_dn.locality: must be "
            "absent.",
        )
        server.api_secret = "another"
        assert await verified(town, issuer_id) == (
            False,
            "The issuer issued no certificate: it answers 401 to the login: unauthorized.",
        )


async def test_atlas_without_the_right_client_certificate_is_a_failed_dependency(
    town: Town, signer: Signer, tmp_path: Path
) -> None:
    server = AtlasServer(signer)
    strangers = client_identity(tmp_path / "strangers")
    async with listening(server, tmp_path, ask=True) as receiver:
        credentials = {"api_key": server.api_key, "api_secret": server.api_secret, **strangers}
        issuer_id = await issuer(town, "GLOBAL_SIGN", {"host_url": host(receiver, "/v2")}, credentials)
        answer = await town.app.post(f"{PATH}/{issuer_id}/verify")
        assert answer.status_code == 424 and server.seen == []


@pytest.mark.parametrize("by", ["password", "certificate"])
async def test_est_issues_for_a_password_or_a_client_certificate(
    town: Town, signer: Signer, tmp_path: Path, by: str
) -> None:
    server = EstServer(signer)
    credentials = LOGIN
    if by == "certificate":
        server.login, credentials = None, client_identity(tmp_path)
    async with listening(server, tmp_path, ask=by == "certificate") as receiver:
        attributes = {"host_url": host(receiver)}
        if by == "certificate":
            server.prefix, attributes["est_label"] = "/.well-known/est/lamps", "lamps"
        issuer_id = await issuer(town, "EST", attributes, credentials)
        server.waits = ["0"]
        chain = await certify(town)
        assert named(chain[0]) == lamp(town) and chain[1:] == [signer.certificate, signer.root]
        assert (await verified(town, issuer_id))[0] and server.seen == 2


async def test_est_is_not_asked_in_the_name_of_another(town: Town, signer: Signer, tmp_path: Path) -> None:
    server = EstServer(signer)
    async with listening(server, tmp_path) as receiver:
        issuer_id = await issuer(town, "EST", {"host_url": host(receiver)}, LOGIN)
        with pytest.raises(IssuerFailed, match="says CN=other, the device is street-lamp-1"):
            await certify(town, certification_request(key(), lamp(town)._replace(endpoint_name="other")))
        assert receiver.requests == []
        server.waits = ["3600"]
        assert "wants to issue later" in (await verified(town, issuer_id))[1]
        server.waits, server.login = [], "Basic other"
        assert "it answers 401: it does not take the username and password" in (await verified(town, issuer_id))[1]


async def test_the_form_of_est_credentials_is_checked(town: Town, tmp_path: Path) -> None:
    body = {**CFSSL, "issuer_type": "EST"}
    for credentials, faulty in (
        ({}, "issuer_credentials"),
        ({"username": "lamps"}, "issuer_credentials.password"),
        ({"username": "a:b", "password": "x"}, "issuer_credentials.username"),
        ({"private_key": client_identity(tmp_path)["private_key"]}, "issuer_credentials.client_certificate"),
    ):
        answer = await town.app.post(PATH, json={**body, "issuer_credentials": credentials})
        assert [each["name"] for each in answer.json()["fields"]] == [faulty], answer.text
