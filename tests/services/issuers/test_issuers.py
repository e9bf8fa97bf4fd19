"""Certificate issuers over the API: made, read, changed, deleted, and every fault of their forms at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.issuers.authorities import HMAC_KEY, client_identity
from tests.services.issuers.conftest import Town

PATH = "/v3/certificate-issuers"
CFSSL = {
    "issuer_type": "CFSSL_AUTH",
    "name": "Ours",
    "issuer_attributes": {"host_url": "https://ca.lamps.test"},
    "issuer_credentials": {"hmac_hex_key": HMAC_KEY},
}


async def created(town: Town, **more: Any) -> dict[str, Any]:
    answer = await town.app.post(PATH, json={**CFSSL, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def faults(town: Town, body: dict[str, Any], path: str = PATH, method: str = "POST") -> dict[str, str]:
    answer = await town.app.call(method, path, town.app.admin, json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error"), answer.text
    return {fault["name"].removeprefix("issuer_"): fault["message"] for fault in answer.json()["fields"]}


def global_sign(folder: Path, **more: str) -> dict[str, Any]:
    credentials = {"api_key": "key", "api_secret": "secret", **client_identity(folder), **more}
    return {"issuer_type": "GLOBAL_SIGN", "name": "Theirs", "issuer_credentials": credentials}


async def test_an_issuer_is_made_read_listed_changed_and_deleted_and_its_credentials_are_never_shown(
    town: Town,
) -> None:
    made = await created(town, description="Sample")
    assert (made["etag"], made["issuer_type"], made["description"]) == ("1", "CFSSL_AUTH", "Sample")
    place = f"{PATH}/{made['id']}"
    assert (await town.app.get(place)).json() == made
    listed = (await town.app.get(PATH)).json()
    assert (listed["data"], listed["total_count"], listed["has_more"]) == ([made], 1, False)
    changed = await town.app.put(place, json={"name": "Ours 2", "description": None})
    assert changed.json() == {**made, "name": "Ours 2", "description": None, "etag": "2"}
    assert HMAC_KEY not in changed.text + (await town.app.get(PATH)).text
    assert (await town.app.delete(place)).status_code == 204
    assert (await town.app.get(place)).status_code == 404
    assert (await town.app.delete(place)).json()["type"] == "not_found"


async def test_who_did_what_is_an_event_without_the_credentials(town: Town) -> None:
    made = await created(town)
    await town.app.put(f"{PATH}/{made['id']}", json={"issuer_credentials": {"hmac_hex_key": "77" * 16}})
    (begun,) = await town.happened("CertificateIssuerCreated")
    (changed,) = await town.happened("CertificateIssuerChanged")
    assert begun["id"] == changed["id"] == made["id"] and changed["changed"] == "issuer_credentials"
    assert begun["by"]["credential"] == "an access key"  # type: ignore[index]
    assert HMAC_KEY not in str(begun) and "77" * 16 not in str(changed)


async def test_a_name_is_taken_once_and_what_is_another_accounts_is_not_there(town: Town) -> None:
    made = await created(town)
    again = await town.app.post(PATH, json=CFSSL)
    assert (again.status_code, again.json()["type"]) == (409, "duplicate")
    other = await created(town, name="Another")
    renamed = await town.app.put(f"{PATH}/{other['id']}", json={"name": CFSSL["name"]})
    assert renamed.status_code == 409
    foreign = town.app.other
    assert (await town.app.get(PATH, foreign)).json()["data"] == []
    assert (await town.app.post(PATH, foreign, json=CFSSL)).status_code == 201
    for method in ("GET", "PUT", "DELETE"):
        answer = await town.app.call(method, f"{PATH}/{made['id']}", foreign, json={} if method == "PUT" else None)
        assert answer.status_code == 404
    assert (await town.app.post(f"{PATH}/{made['id']}/verify", foreign)).status_code == 404


async def test_twenty_issuers_and_no_more(town: Town) -> None:
    for number in range(20):
        await created(town, name=f"issuer {number}")
    answer = await town.app.post(PATH, json=CFSSL)
    assert (answer.status_code, answer.json()["type"]) == (403, "account_limit_exceeded")
    assert len((await town.app.get(PATH, params={"limit": 2})).json()["data"]) == 20


async def test_an_issuer_that_a_configuration_names_stays(town: Town) -> None:
    made = await created(town)
    configured = await town.app.put(
        "/v3/certificate-issuer-configurations/lwm2m", json={"certificate_issuer_id": made["id"]}
    )
    answer = await town.app.delete(f"{PATH}/{made['id']}")
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")
    assert "LWM2M" in answer.json()["message"] and configured.json()["id"] in answer.json()["message"]
    await town.app.put("/v3/certificate-issuer-configurations/lwm2m", json={"certificate_issuer_id": None})
    assert (await town.app.delete(f"{PATH}/{made['id']}")).status_code == 204


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_every_fault_of_a_cfssl_issuer_is_told_at_once(town: Town) -> None:
    found = await faults(
        town,
        {
            **CFSSL,
            "issuer_attributes": {"host_url": "http://x", "cfssl_label": "a\tb", "colour": "red"},
            "issuer_credentials": {"hmac_hex_key": "5a5", "password": "x"},
        },
    )
    assert found == {
        "attributes.host_url": "must begin with https://",
        "attributes.cfssl_label": "must have printable characters only",
        "attributes.colour": "is unknown; there are host_url, cfssl_label, cfssl_profile",
        "credentials.hmac_hex_key": "must have an even number of hex digits, 2 to 64",
        "credentials.password": "is unknown; there are hmac_hex_key",
    }
    body = {"issuer_type": "CFSSL_AUTH", "name": "Ours", "issuer_credentials": {}}
    assert await faults(town, body) == {
        "attributes.host_url": "is required",
        "credentials.hmac_hex_key": "is required",
    }
    long = {**CFSSL, "name": "n" * 51, "description": "d" * 101, "issuer_type": "OTHER"}
    assert {"name", "description", "type"} <= set(await faults(town, long))


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_every_fault_of_a_client_certificate_is_told(town: Town) -> None:
    folder = town.folder
    good = client_identity(folder)
    other_key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    closed = client_identity(folder, "open sesame")
    for credentials, expected in (
        ({**good, "client_certificate": "no pem"}, "credentials.client_certificate: must be a certificate in PEM"),
        ({**good, "private_key": "no pem"}, "credentials.private_key: must be a private key in PEM"),
        ({**good, "private_key": other_key.decode()}, "credentials.client_certificate: does not belong to private_key"),
        ({**closed, "passphrase": "wrong"}, "credentials.passphrase: does not open private_key"),
        ({**closed, "passphrase": ""}, "credentials.passphrase: is required: private_key is encrypted"),
        ({**good, "private_key": "k" * 3001}, "credentials.private_key: must have at most 3000 characters"),
    ):
        body = global_sign(folder)
        body["issuer_credentials"] |= credentials
        ((name, message),) = (await faults(town, body)).items()
        assert f"{name}: {message}".startswith(expected)
    town.app.clock.advance(400 * 86400)
    ((name, message),) = (await faults(town, global_sign(folder))).items()
    assert name == "credentials.client_certificate" and message.startswith("expired on 20")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_change_is_checked_as_the_first_word_was_and_what_is_left_out_stays(town: Town) -> None:
    made = await created(town)
    place = f"{PATH}/{made['id']}"
    found = await faults(town, {"issuer_attributes": {}, "issuer_credentials": {"hmac_hex_key": "z"}}, place, "PUT")
    assert set(found) == {"attributes.host_url", "credentials.hmac_hex_key"}
    assert (await town.app.get(place)).json() == made
    kept = await town.app.put(place, json={"name": "Other"})
    assert kept.json()["issuer_attributes"] == made["issuer_attributes"]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_developers_read_and_write_issuers_and_strangers_do_not(town: Town) -> None:
    made = await town.app.post(PATH, town.app.developer, json=CFSSL)
    assert made.status_code == 201
    assert (await town.app.call("GET", PATH, None)).status_code == 401


async def test_the_database_holds_no_credential_in_the_clear(town: Town) -> None:
    identity = client_identity(town.folder, "open sesame")
    body = global_sign(town.folder, **identity)
    body["issuer_credentials"]["api_secret"] = "a-secret-that-is-sealed"
    assert (await town.app.post(PATH, json=body)).status_code == 201
    await created(town)
    binding = {"eab_key_id": "lamps", "eab_hmac_key": "c2VhbGVkIHN3b3JkZmlzaCBvZiBBQ01F"}
    attributes = {"directory_url": "https://ca.lamps.test/directory"}
    await created(town, name="acme", issuer_type="ACME", issuer_attributes=attributes, issuer_credentials=binding)
    secrets = (
        b"a-secret-that-is-sealed",
        b"open sesame",
        HMAC_KEY.encode(),
        b"PRIVATE KEY",
        binding["eab_hmac_key"].encode(),
    )
    files = [each for each in town.folder.iterdir() if each.name.startswith("test.db")]
    content = b"".join(each.read_bytes() for each in files)
    assert not any(secret in content for secret in secrets)
