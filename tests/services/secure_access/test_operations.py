"""Trust anchors and access tokens over the API, on both databases."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.bus.log import START, EventLog
from lamplighter.clock import to_rfc3339_seconds
from lamplighter.ids import is_id
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory
from lamplighter.services.secure_access.operations import operations
from lamplighter.services.secure_access.service import SecureAccess
from lamplighter.services.secure_access.store import trust_anchors
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from lamplighter.storage.seal import MasterKey
from tests.services.app import UNLIMITED, App, make_app
from tests.services.secure_access.test_token import HOLDER, PRIVATE, opened, pem_of

ANCHORS, TOKEN = "/v3/trust-anchors", "/ace-auth/token"
TWO: Settings = msgspec.structs.replace(
    UNLIMITED, access=msgspec.structs.replace(UNLIMITED.access, trust_anchors=2, device_token_validity=3600.0)
)


def bound(app: App) -> Any:
    directory = Directory(app.database, app.clock, app.ids, app.settings)
    app.directory = directory  # type: ignore[attr-defined]
    return operations.bind(
        SecureAccess(app.database, app.clock, app.ids, app.settings, MasterKey(b"k" * 32), directory)
    )


@pytest.fixture
async def app(database: Database) -> AsyncIterator[App]:
    async with make_app(database, bound) as made:
        yield made


@pytest.fixture
async def two(database: Database) -> AsyncIterator[App]:
    """Where an account may have two trust anchors, and tokens are good for an hour."""
    async with make_app(database, bound, settings=TWO) as made:
        yield made


async def anchor(app: App, key: str | None = None, description: str = "Street lamps") -> dict[str, Any]:
    answer = await app.post(ANCHORS, key, json={"description": description})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def device(app: App, account_id: str | None = None) -> str:
    directory: Directory = app.directory  # type: ignore[attr-defined]
    async with app.database.transaction() as tx:
        return (await directory.ensure_device(tx, account_id or app.account_id, "lamp", Facts())).device_id


def asked(*audience: str, **more: Any) -> dict[str, Any]:
    body = {"grant_type": "client_credentials", "aud": list(audience) or ["ep:lamp-17"], "scope": "turn-led-on"}
    return {**body, "cnf": pem_of(HOLDER), **more}


def key_in(made: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    key = serialization.load_pem_public_key(made["public_key"].encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


async def told(app: App) -> list[tuple[str, Any]]:
    """The events of secure access so far."""
    found = await EventLog(app.database, app.bus).read(START, 10_000)
    return [
        (each.event.kind, each.event.data)
        for each in found
        if each.event.kind.startswith(("TrustAnchor", "DeviceAccess"))
    ]


async def test_a_trust_anchor_is_made_listed_described_and_deleted(app: App) -> None:
    made = await anchor(app)
    assert is_id(made["id"]) and made["object"] == "trust-anchor" and made["description"] == "Street lamps"
    der = base64.b64decode(made["public_key_der"])
    assert serialization.load_der_public_key(der) == key_in(made) and len(der) == 91
    assert made["fingerprint"].startswith("mbed.ta.") and len(made["fingerprint"]) == 72
    listed = (await app.get(ANCHORS)).json()
    assert (listed["data"], listed["total_count"], listed["has_more"]) == ([made], 1, False)
    app.clock.advance(5)
    changed = (await app.put(f"{ANCHORS}/{made['id'].upper()}", json={"description": "Lamps"})).json()
    assert changed["description"] == "Lamps" and changed["etag"] != made["etag"]
    assert {**changed, **{name: made[name] for name in ("description", "updated_at", "etag")}} == made
    assert (await app.delete(f"{ANCHORS}/{made['id']}")).status_code == 204
    assert (await app.get(ANCHORS)).json()["data"] == []
    for method in (app.delete, app.put):
        more = {"json": {"description": "Lamps"}} if method == app.put else {}
        answer = await method(f"{ANCHORS}/{made['id']}", **more)
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


async def test_lists_go_on_behind_an_id_in_both_orders(two: App) -> None:
    made = [await anchor(two, description=f"Number {number}") for number in range(2)]
    assert (await two.get(ANCHORS, params={"order": "DESC"})).json()["data"] == made[::-1]
    assert (await two.get(ANCHORS, params={"after": made[0]["id"]})).json()["data"] == made[1:]
    assert (await two.get(ANCHORS, params={"after": made[1]["id"], "order": "DESC"})).json()["data"] == made[:1]


async def test_an_account_has_one_trust_anchor_unless_the_setting_says_more(app: App) -> None:
    await anchor(app)
    answer = await app.post(ANCHORS, json={"description": "Another"})
    assert (answer.status_code, answer.json()["type"]) == (403, "account_limit_exceeded")
    await anchor(app, app.other)  # another account's


async def test_a_token_opens_the_devices_that_were_asked_for_and_is_signed_by_the_newest_anchor(two: App) -> None:
    device_id = await device(two)
    await anchor(two)
    newest = await anchor(two)
    answer = await two.post(TOKEN, json=asked(f"id:{device_id.upper()}", "ep:lamp_17", scope="turn-led-on  read-data"))
    assert answer.status_code == 200, answer.text
    now = two.clock.now() // 10**6
    assert answer.json()["granted_until"] == to_rfc3339_seconds((now + 3600) * 10**6)
    _, claims = opened(base64.b64decode(answer.json()["access_token"]), key_in(newest))
    assert (claims[1], claims[3]) == (newest["fingerprint"], [f"id:{device_id}", "ep:lamp_17"])
    assert (claims[4], claims[5], claims[6], claims[12]) == (now + 3600, now, now, "turn-led-on read-data")


async def test_each_token_has_a_name_of_its_own_which_the_event_tells(app: App) -> None:
    made = await anchor(app)
    names = []
    for _ in range(2):
        answer = await app.post(TOKEN, app.developer, json=asked())
        _, claims = opened(base64.b64decode(answer.json()["access_token"]), key_in(made))
        names.append(claims[7].hex())  # type: ignore[attr-defined]
    (_, created), *granted = await told(app)
    assert [data["token_id"] for _, data in granted] == names and len(set(names)) == 2
    assert created["by"]["account_id"] == app.account_id and created["fingerprint"] == made["fingerprint"]
    kind, data = granted[0]
    assert kind == "DeviceAccessGranted" and data["aud"] == ["ep:lamp-17"] and data["scope"] == "turn-led-on"
    assert data["id"] == made["id"] and data["by"]["credential"] == "an access key"
    assert data["by"] != created["by"]


async def test_users_applications_and_api_keys_get_tokens_and_strangers_do_not(app: App) -> None:
    await anchor(app)
    for key in (app.admin, app.developer, app.user_token, app.api_key):
        assert (await app.post(TOKEN, key, json=asked())).status_code == 200
    assert (await app.call("POST", TOKEN, None, json=asked())).status_code == 401


async def test_an_account_without_a_trust_anchor_is_told_to_make_one(app: App) -> None:
    await anchor(app, app.other)
    answer = await app.post(TOKEN, json=asked())
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")
    assert "POST /v3/trust-anchors" in answer.json()["message"]


async def test_an_anchor_that_was_deleted_signs_nothing_more(two: App) -> None:
    old, new = await anchor(two), await anchor(two)
    await two.delete(f"{ANCHORS}/{new['id']}")
    answer = await two.post(TOKEN, json=asked())
    opened(base64.b64decode(answer.json()["access_token"]), key_in(old))


async def test_ids_that_are_not_of_the_account_are_all_named(app: App) -> None:
    await anchor(app)
    mine, foreign = await device(app), await device(app, app.other_account_id)
    answer = await app.post(TOKEN, json=asked(f"id:{foreign}", f"id:{mine}", "ep:never-seen", f"id:{'0' * 32}"))
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert [fault["name"] for fault in answer.json()["fields"]] == ["aud[0]", "aud[3]"]
    assert len({fault["message"] for fault in answer.json()["fields"]}) == 1  # absent and another's are told alike


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"grant_type": "password"}, ["grant_type"]),
        ({"aud": []}, ["aud"]),
        ({"aud": ["ep:lamp"] * 51}, ["aud"]),
        (
            {"aud": ["lamp", "id:12", "ep:", "ep:" + "x" * 58, "ep:ok", "id:" + "g" * 32]},
            [f"aud[{n}]" for n in (0, 1, 2, 3, 5)],
        ),
        ({"scope": " "}, ["scope"]),
        ({"scope": "x" * 61}, ["scope"]),
        ({"scope": "x " * 21}, ["scope"]),
        ({"scope": 'say-"hello"'}, ["scope"]),
        ({"cnf": "x"}, ["cnf"]),
        ({"cnf": PRIVATE}, ["cnf"]),
        ({"grant_type": "x", "aud": ["x"], "scope": "", "cnf": "x"}, ["grant_type", "aud[0]", "scope", "cnf"]),
        ({"aud": "ep:lamp", "scope": None}, ["aud", "scope"]),
    ],
)
async def test_everything_that_is_wrong_with_a_request_is_told_at_once(
    app: App, change: dict[str, Any], names: list[str]
) -> None:
    await anchor(app)
    answer = await app.post(TOKEN, json=asked(**change))
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error"), answer.text
    assert [fault["name"] for fault in answer.json()["fields"]] == names
    assert len(await told(app)) == 1


async def test_members_that_are_missing_are_all_named(app: App) -> None:
    answer = await app.post(TOKEN, json={})
    assert [fault["name"] for fault in answer.json()["fields"]] == ["grant_type", "aud", "scope", "cnf"]


async def test_a_private_key_sent_by_mistake_is_kept_nowhere(app: App) -> None:
    await anchor(app)
    answer = await app.post(TOKEN, json=asked(cnf=PRIVATE))
    secret = PRIVATE.splitlines()[1]
    assert "private key" in answer.text and secret not in answer.text
    assert secret not in msgspec.json.encode(app.kept.errors[-1]).decode()


async def test_the_private_key_of_an_anchor_is_sealed_and_in_no_answer(app: App) -> None:
    made = await anchor(app)
    row = await app.database.fetch_one(Query(sa.select(trust_anchors)))
    assert row is not None
    key = serialization.load_der_private_key(
        MasterKey(b"k" * 32).open(row["sealed_key"], "trust anchor key", made["id"]), None
    )
    assert key.public_key() == key_in(made)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert private not in row["sealed_key"] and base64.b64encode(private[36:60]) not in str(made).encode()
    assert set(made) == {
        "id", "object", "description", "public_key", "public_key_der", "fingerprint", "created_at", "updated_at", "etag"
    }  # fmt: skip


async def test_descriptions_are_bounded(app: App) -> None:
    for description in ("", "x" * 257, None, 7):
        answer = await app.post(ANCHORS, json={"description": description})
        assert (answer.status_code, answer.json()["fields"][0]["name"]) == (400, "description")
    assert (await app.post(ANCHORS, json={"description": "x" * 256})).status_code == 201


@pytest.mark.parametrize("bad", ["x", "%00", "0" * 31, "g" * 32, "0" * 33])
async def test_what_can_be_no_id_is_not_found(app: App, bad: str) -> None:
    assert (await app.delete(f"{ANCHORS}/{bad}")).status_code == 404


async def test_another_accounts_anchor_is_as_if_it_were_not_there(app: App) -> None:
    made = await anchor(app, app.other)
    assert (await app.get(ANCHORS)).json()["data"] == []
    answer = await app.delete(f"{ANCHORS}/{made['id']}")
    absent = await app.delete(f"{ANCHORS}/{'0' * 32}")
    assert answer.status_code == absent.status_code == 404
    assert answer.json()["message"].replace(made["id"], "") == absent.json()["message"].replace("0" * 32, "")
    assert (await app.get(ANCHORS, app.other)).json()["total_count"] == 1
