"""Trusted certificates over the API and on both databases."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.clock import EPOCH, ManualClock, SystemClock
from lamplighter.ids import Ids
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.credentials.certificate_store import certificates
from lamplighter.services.credentials.operations import operations
from lamplighter.services.credentials.service import Credentials
from lamplighter.services.credentials.trusted_model import TrustedCertificateCreate
from lamplighter.services.credentials.trusted_operations import operations as trusted_operations
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from lamplighter.storage.seal import MasterKey
from tests.api.toy import ACCOUNT, OTHER, TENANT, Toy
from tests.contract import check
from tests.dtls.pki import SIGN, Credential, authority, issue

PATH = "/v3/trusted-certificates"
MOST = 6
SETTINGS = Settings()


async def six(account_id: str) -> int:
    """Every account's trusted certificates at the most."""
    return MOST


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> Credentials:
    clock = SystemClock()
    bus = LocalBus()
    await bus.start()
    pki = Authority(tmp_path / "pki", clock.now())
    return Credentials(database, clock, Ids(clock), SETTINGS, MasterKey(b"k" * 32), pki, bus, clock.now(), six)


@pytest.fixture
def toy(service: Credentials) -> Toy:
    return Toy(SETTINGS, bound=[*operations.bind(service), *trusted_operations.bind(service.trusted)])


def pem(credential: Credential) -> str:
    return credential.certificate.public_bytes(Encoding.PEM).decode()


def body(name: str = "factory", **more: Any) -> dict[str, Any]:
    return {"name": name, "certificate": pem(authority(name)), "service": "bootstrap", **more}


async def created(toy: Toy, **more: Any) -> dict[str, Any]:
    answer = await toy.call("POST", PATH, json=body(**more))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def names(toy: Toy, query: str) -> list[str]:
    answer = await toy.call("GET", f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    check("getAllCertificates", 200, answer.json())
    found = [each["name"] for each in answer.json()["data"]]
    assert answer.json()["total_count"] >= len(found)
    return found


async def test_a_certificate_is_created_read_changed_and_deleted(toy: Toy) -> None:
    made_by = authority("Lamp makers")
    answer = await toy.call("POST", PATH, json=body("mine", certificate=pem(made_by), description="of 2026"))
    made = answer.json()
    assert answer.status_code == 201
    check("addCertificate", 201, made)
    assert made["certificate_fingerprint"] == made_by.certificate.fingerprint(hashes.SHA256()).hex()
    assert (made["subject"], made["issuer"]) == ("CN=Lamp makers", "CN=Lamp makers")
    assert (made["status"], made["valid"], made["device_execution_mode"], made["etag"]) == ("ACTIVE", True, 0, "1")
    assert made["validity"].startswith("2099-12-31T00:00:00")
    path = f"{PATH}/{made['id']}"
    assert (await toy.call("GET", path)).json() == made
    changed = (await toy.call("PUT", path, json={"status": "INACTIVE", "description": None})).json()
    check("updateCertificate", 200, changed)
    assert (changed["status"], changed["description"], changed["etag"]) == ("INACTIVE", None, "2")
    assert changed["updated_at"] > made["updated_at"]
    same = (await toy.call("PUT", path, json={"status": "INACTIVE", "name": "mine"})).json()
    assert same == changed
    assert (await toy.call("DELETE", path)).status_code == 204
    for method, more in (("GET", {}), ("PUT", {"json": {"name": "x"}}), ("DELETE", {})):
        gone = await toy.call(method, path, **more)
        assert (gone.status_code, gone.json()["type"]) == (404, "not_found")


async def test_the_list_is_filtered_as_the_contract_says(toy: Toy, service: Credentials) -> None:
    soon = EPOCH + timedelta(microseconds=SystemClock().now(), days=10)
    short = issue("Short", ca=True, key_usage=SIGN, end=soon)
    await created(toy, name="a", service="lwm2m")
    await created(toy, name="b", status="INACTIVE", enrollment_mode=True)
    made = await created(toy, name="c", certificate=pem(short))
    assert (await toy.call("POST", "/v3/developer-certificates", json={"name": "d"})).status_code == 201
    expected = {
        "": "abcd",
        "order=DESC": "dcba",
        "limit=2": "ab",
        "name__eq=b": "b",
        "service__eq=lwm2m": "a",
        "status__eq=INACTIVE": "b",
        "enrollment_mode__eq=true": "b",
        "expire__eq=9": "",
        "expire__eq=11": "c",
        "valid__eq=true": "abcd",
        "valid__eq=false": "",
        "device_execution_mode__eq=1": "d",
        "device_execution_mode__neq=1": "abc",
        "subject__like=hor": "c",
        "issuer__like=SHORT": "c",
        f"certificate_fingerprint__eq={made['certificate_fingerprint']}": "c",
        "owner__eq=" + "0" * 32: "",
        "status__eq=ACTIVE&service__eq=bootstrap": "cd",
    }
    for query, letters in expected.items():
        assert "".join(await names(toy, query)) == letters, query
    wrong = await toy.call("GET", f"{PATH}?service__eq=http&expire__eq=soon&issuer__eq=x")
    assert wrong.status_code == 400 and len(wrong.json()["fields"]) == 3


async def test_another_account_sees_nothing_of_it_and_a_tenants_are_its_own(toy: Toy) -> None:
    made = await created(toy)
    path = f"{PATH}/{made['id']}"
    for method, more in (("GET", {}), ("PUT", {"json": {"name": "x"}}), ("DELETE", {})):
        assert (await toy.call(method, path, key=OTHER, **more)).status_code == 404
    assert (await toy.call("GET", PATH, key=OTHER)).json()["data"] == []
    twin = f"/v3/accounts/{TENANT}/trusted-certificates"
    below = (await toy.call("POST", twin, json=body("factory"))).json()
    check("addAccountCertificate", 201, below)
    assert below["account_id"] == TENANT and below["owner_id"] is None
    assert [each["id"] for each in (await toy.call("GET", twin)).json()["data"]] == [below["id"]]
    assert (await toy.call("GET", f"{twin}/{made['id']}")).status_code == 404
    own = f"/v3/accounts/{ACCOUNT}/trusted-certificates/{made['id']}"
    assert (await toy.call("GET", own)).json() == made
    assert (await toy.call("DELETE", f"{twin}/{below['id']}")).status_code == 204


async def test_a_name_and_a_certificate_are_there_once_and_their_number_is_limited(toy: Toy) -> None:
    made = await created(toy, name="é")
    clash = await toy.call("POST", PATH, json=body("e\u0301"))
    assert (clash.status_code, clash.json()["type"]) == (409, "duplicate")
    again = await toy.call("POST", PATH, json=body("other", certificate=made["certificate"]))
    assert again.status_code == 409 and made["id"] in again.json()["message"]
    both = await toy.call("POST", PATH, json=body("both", certificate=made["certificate"], service="lwm2m"))
    assert both.status_code == 201
    moved = await toy.call("PUT", f"{PATH}/{both.json()['id']}", json={"service": "bootstrap"})
    assert moved.status_code == 409
    answers = await asyncio.gather(*(toy.call("POST", PATH, json=body(f"n{number}")) for number in range(8)))
    assert sorted(each.status_code for each in answers) == [201] * (MOST - 2) + [403] * (8 - MOST + 2)
    over = await toy.call("POST", "/v3/developer-certificates", json={"name": "one more"})
    assert (over.status_code, over.json()["type"]) == (403, "account_limit_exceeded")


async def test_bad_members_are_told_together_and_nothing_is_stored(toy: Toy) -> None:
    answer = await toy.call("POST", PATH, json={"name": "", "service": "http", "certificate": 5})
    assert answer.status_code == 400
    assert {each["name"] for each in answer.json()["fields"]} == {"name", "service", "certificate"}
    key = authority().key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    sent = await toy.call("POST", PATH, json=body(certificate=pem(authority()) + key))
    assert sent.status_code == 400 and "private key" in sent.json()["message"]
    unsigned = await toy.call("POST", PATH, json=body(signature="QUJD"))
    assert [each["name"] for each in unsigned.json()["fields"]] == ["signature"]
    assert await names(toy, "") == []


async def test_a_certificate_made_with_anothers_name_and_key_comes_behind_it(service: Credentials) -> None:
    maker = authority("their maker")
    strangers = [
        issue("their maker", authority("a stranger"), ca=True, key_usage=SIGN, key=maker.key) for _ in range(3)
    ]
    signature = base64.b64encode(maker.key.sign(ACCOUNT.encode(), ec.ECDSA(hashes.SHA256()))).decode()
    for number, each in enumerate([*strangers, maker]):
        wanted = TrustedCertificateCreate(
            name=f"n{number}",
            service="bootstrap",
            certificate=pem(each),
            signature=signature if each is maker else None,
        )
        await service.trusted.create(ACCOUNT if each is maker else OTHER, wanted)
    anchors = await service.trusted.anchors([maker.certificate.subject.public_bytes()], "bootstrap")
    expected = [maker, *strangers]
    assert [each.fingerprint for each in anchors] == [
        each.certificate.fingerprint(hashes.SHA256()) for each in expected
    ]


async def test_a_developer_certificate_keeps_what_it_was_made_with(toy: Toy) -> None:
    made = (await toy.call("POST", "/v3/developer-certificates", json={"name": "bench"})).json()
    path = f"{PATH}/{made['id']}"
    refused = await toy.call("PUT", path, json={"service": "lwm2m", "certificate": pem(authority())})
    assert refused.status_code == 400 and "certificate and service" in refused.json()["message"]
    renamed = await toy.call("PUT", path, json={"name": "bench 2", "service": "bootstrap"})
    assert (renamed.status_code, renamed.json()["etag"]) == (200, "2")
    assert (await toy.call("GET", f"/v3/developer-certificates/{made['id']}")).json()["name"] == "bench 2"
    shown = (await toy.call("GET", path)).json()
    whole = {name: shown[name] for name in ("name", "certificate", "service", "description")}
    off = await toy.call("PUT", path, json={**whole, "status": "INACTIVE"})
    assert (off.status_code, off.json()["status"]) == (200, "INACTIVE"), off.text
    assert (await toy.call("DELETE", path)).status_code == 204
    assert (await toy.call("GET", f"/v3/developer-certificates/{made['id']}")).status_code == 404


async def test_a_certificate_that_has_expired_is_renamed_and_put_out_of_use_by_sending_all_of_it_back(
    toy: Toy, service: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await created(toy)
    whole = {name: made[name] for name in ("certificate", "service", "description")}
    monkeypatch.setattr(service.trusted, "_clock", ManualClock(4_200_000_000 * 10**6))  # in 2103
    again = await toy.call("POST", PATH, json={**whole, "name": "again"})
    assert again.status_code == 400 and "expired" in again.text
    off = await toy.call("PUT", f"{PATH}/{made['id']}", json={**whole, "name": "old factory", "status": "INACTIVE"})
    assert (off.status_code, off.json()["name"], off.json()["status"]) == (200, "old factory", "INACTIVE"), off.text


async def test_who_did_what_is_in_the_event_log(toy: Toy, service: Credentials, database: Database) -> None:
    made = await created(toy)
    for status in ("INACTIVE", "ACTIVE"):
        await toy.call("PUT", f"{PATH}/{made['id']}", json={"status": status})
    await toy.call("PUT", f"{PATH}/{made['id']}", json={"description": "old"})
    await toy.call("DELETE", f"{PATH}/{made['id']}")
    log = EventLog(database, LocalBus())
    told = [each.event for each in await log.read(START, 100) if each.event.kind.startswith("Certificate")]
    kinds = ["Created", "Deactivated", "Activated", "Updated", "Deleted"]
    assert [each.kind for each in told] == [f"Certificate{kind}" for kind in kinds]
    assert {each.data["id"] for each in told} == {made["id"]}
    assert {each.data["by"]["credential"] for each in told} == {"an access key"}
    assert told[3].data["changed"] == "description"


async def test_a_developer_certificate_of_an_older_version_is_read_at_the_next_start(
    toy: Toy, service: Credentials, database: Database
) -> None:
    made = (await toy.call("POST", "/v3/developer-certificates", json={"name": "old"})).json()
    before = (await toy.call("GET", f"{PATH}/{made['id']}")).json()
    nothing = {"der": None, "subject": "", "issuer": "", "subject_name": "", "not_after": 0}
    async with database.transaction() as tx:
        await tx.execute(Query(sa.update(certificates).values(nothing)))
    await service.start()
    assert (await toy.call("GET", f"{PATH}/{made['id']}")).json() == before
    assert before["subject"] and before["valid"]
