"""Pre-shared keys, developer certificates and server credentials, over the API and on both databases."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lamplighter.bus.local import LocalBus
from lamplighter.clock import SystemClock
from lamplighter.ids import Ids
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.credentials.operations import operations
from lamplighter.services.credentials.service import Credentials
from lamplighter.settings import Public, Settings
from lamplighter.storage.database import Database
from lamplighter.storage.seal import MasterKey
from tests.api.toy import ACCOUNT, OTHER, Toy
from tests.contract import check

KEYS = "/v2/device-shared-keys"
NAME, SECRET = "my-first-device-01", "0x" + "5a" * 16
SETTINGS = Settings(public=Public(lwm2m_uri="coaps://h:5684", bootstrap_uri="coaps://h:5784"))


async def two(account_id: str) -> int:
    """Every account's trusted certificates at the most."""
    return 2


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> Credentials:
    clock = SystemClock()
    authority = Authority(tmp_path / "pki", clock.now())
    bus = LocalBus()
    await bus.start()
    return Credentials(database, clock, Ids(clock), SETTINGS, MasterKey(b"k" * 32), authority, bus, clock.now(), two)


@pytest.fixture
def toy(service: Credentials) -> Toy:
    return Toy(SETTINGS, bound=operations.bind(service))


async def test_a_key_is_created_read_listed_and_deleted_and_its_secret_never_shown(
    toy: Toy, service: Credentials
) -> None:
    answer = await toy.call("POST", KEYS, json={"endpoint_name": NAME, "secret_hex": SECRET})
    assert (answer.status_code, answer.content) == (201, b"")
    assert (owner := await service.owner_of_identity(NAME.encode())) is not None
    assert (owner.account_id, owner.key) == (ACCOUNT, b"\x5a" * 16)
    read = await toy.call("GET", f"{KEYS}/{NAME}")
    assert read.json()["endpoint_name"] == NAME
    check("getPreSharedKey", 200, read.json())
    listed = await toy.call("GET", KEYS)
    check("listPreSharedKeys", 200, listed.json())
    assert listed.json()["data"] == [read.json()]
    assert "5a5a" not in read.text + listed.text
    assert (await toy.call("DELETE", f"{KEYS}/{NAME}")).status_code == 204
    assert (await toy.call("DELETE", f"{KEYS}/{NAME}")).status_code == 204
    assert await service.owner_of_identity(NAME.encode()) is None
    assert (await toy.call("GET", f"{KEYS}/{NAME}")).json()["type"] == "not_found"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"endpoint_name": "short", "secret_hex": SECRET}, "INVALID_ENDPOINT_NAME"),
        ({"endpoint_name": NAME, "secret_hex": "xyz"}, "INVALID_SECRET_HEX"),
        ({"endpoint_name": NAME, "secret_hex": "5" * 33}, "INVALID_SECRET_HEX"),
        ({"endpoint_name": "é" * 20, "secret_hex": ""}, "INVALID_ENDPOINT_NAME,INVALID_SECRET_HEX"),
        ({}, "INVALID_ENDPOINT_NAME,INVALID_SECRET_HEX"),
        ([], "MALFORMED_JSON_CONTENT"),
    ],
)
async def test_a_faulty_key_is_answered_by_the_words_of_all_its_faults(toy: Toy, body: object, words: str) -> None:
    answer = await toy.call("POST", KEYS, json=body)
    assert (answer.status_code, answer.text) == (400, words)


async def test_a_name_is_used_once_on_the_server_and_another_accounts_key_does_nothing(toy: Toy) -> None:
    body = {"endpoint_name": NAME, "secret_hex": SECRET}
    answers = await asyncio.gather(*(toy.call("POST", KEYS, json=body) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    assert {answer.text for answer in answers} == {"", "KEY_ALREADY_EXISTS_FOR_ENDPOINT"}
    assert (await toy.call("POST", KEYS, key=OTHER, json=body)).status_code == 409
    assert (await toy.call("GET", f"{KEYS}/{NAME}", key=OTHER)).status_code == 404
    assert (await toy.call("DELETE", f"{KEYS}/{NAME}", key=OTHER)).status_code == 204
    assert (await toy.call("GET", f"{KEYS}/{NAME}")).status_code == 200


async def test_keys_are_listed_page_by_page_with_the_continuation_marker(toy: Toy) -> None:
    names = [f"endpoint-number-{number:03}" for number in range(7)]
    for name in names:
        await toy.call("POST", KEYS, json={"endpoint_name": name, "secret_hex": SECRET})
    found, after = [], ""
    while True:
        page = (await toy.call("GET", f"{KEYS}?limit=3{after}")).json()
        found += [each["endpoint_name"] for each in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['continuation_marker']}"
    assert found == names
    answer = await toy.call("GET", f"{KEYS}?after=nonsense")
    assert (answer.status_code, answer.text) == (400, "TOKEN_NOT_FOUND")
    assert (await toy.call("GET", f"{KEYS}?limit=x")).text == "INVALID_LIMIT"
    assert (await toy.call("GET", f"{KEYS}/bad")).text == "INVALID_ENDPOINT_NAME"


async def test_a_developer_certificate_comes_with_its_key_and_the_file_to_compile(
    toy: Toy, service: Credentials
) -> None:
    answer = await toy.call("POST", "/v3/developer-certificates", json={"name": "Bench", "description": "mine"})
    made = answer.json()
    assert answer.status_code == 201
    check("createDeveloperCertificate", 201, made)
    certificate = x509.load_pem_x509_certificate(made["developer_certificate"].encode())
    certificate.verify_directly_issued_by(service.authority.bootstrap_ca.certificate)
    key = serialization.load_pem_private_key(made["developer_private_key"].encode(), None)
    assert key.public_key() == certificate.public_key()
    source = made["security_file_content"]
    assert source.count("#include <inttypes.h>") == 1
    name = re.search(r'MBED_CLOUD_DEV_BOOTSTRAP_ENDPOINT_NAME\[\] = "([0-9a-f]{32})"', source)
    assert name and certificate.subject.rfc4514_string() == f"OU={ACCOUNT},CN={name[1]}"
    assert f'"coaps://h:5784?aid={ACCOUNT}"' in source
    blob = re.search(r"BOOTSTRAP_DEVICE_CERTIFICATE\[\] = \{ ([^}]*) \}", source)
    assert blob and bytes(int(each, 16) for each in blob[1].split(",")) == certificate.public_bytes(
        serialization.Encoding.DER
    )
    again = await toy.call("GET", f"/v3/developer-certificates/{made['id']}")
    assert again.json() == made
    assert (await toy.call("GET", f"/v3/developer-certificates/{made['id']}", key=OTHER)).status_code == 404


async def test_a_certificates_name_is_unique_and_their_number_limited(toy: Toy) -> None:
    path = "/v3/developer-certificates"
    assert (await toy.call("POST", path, json={"name": "é"})).status_code == 201
    clash = await toy.call("POST", path, json={"name": "e\u0301"})
    assert (clash.status_code, clash.json()["type"]) == (409, "duplicate")
    assert (await toy.call("POST", path, json={"name": "second"})).status_code == 201
    over = await toy.call("POST", path, json={"name": "third"})
    assert (over.status_code, over.json()["type"]) == (403, "account_limit_exceeded")
    assert "2 of at most 2 trusted certificates" in over.json()["message"]
    assert (await toy.call("POST", path, json={"name": "third"}, key=OTHER)).status_code == 201


async def test_server_credentials_name_both_servers_and_their_certificates(toy: Toy) -> None:
    both = (await toy.call("GET", "/v3/server-credentials")).json()
    check("getAllServerCredentials", 200, both)
    lwm2m = (await toy.call("GET", "/v3/server-credentials/lwm2m")).json()
    bootstrap = (await toy.call("GET", "/v3/server-credentials/bootstrap")).json()
    check("getBootstrapServerCredentials", 200, bootstrap)
    assert lwm2m["server_uri"] == both["lwm2m"]["url"] == "coaps://h:5684"
    assert bootstrap["server_uri"] == f"coaps://h:5784?aid={ACCOUNT}"
    assert "BEGIN CERTIFICATE" in lwm2m["server_certificate"] != bootstrap["server_certificate"]


async def test_the_limit_of_developer_certificates_holds_when_many_are_made_at_once(
    toy: Toy, service: Credentials
) -> None:
    names = [{"name": f"certificate {number}"} for number in range(8)]
    answers = await asyncio.gather(*(toy.call("POST", "/v3/developer-certificates", json=each) for each in names))
    assert sorted(each.status_code for each in answers) == [201] * 2 + [403] * 6
