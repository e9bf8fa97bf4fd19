"""Claims of devices, over the API and as the bootstrap sees them, on both databases."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from lamplighter.clock import to_rfc3339
from lamplighter.errors import enrollment as errors
from lamplighter.services.enrollment import events
from lamplighter.services.enrollment.service import Claim, identity_of
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN, API_KEY, DEVELOPER, FOREIGN, OTHER
from tests.services.enrollment.bench import CLAIMS, Bench, identity

DEVICE = "d" * 32


def test_an_identity_is_the_certificates_fingerprint_behind_the_version_of_its_form() -> None:
    digest = hashlib.sha256(b"certificate").hexdigest().upper()
    pairs = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    assert identity_of(b"certificate") == f"A-{pairs}"


async def test_a_device_is_claimed_read_listed_and_given_up(bench: Bench) -> None:
    made = await bench.claim(1)
    assert (made["enrollment_identity"], made["account_id"], made["etag"]) == (identity(1), ACCOUNT, "1")
    assert made["claimed_at"] is None and made["enrolled_device_id"] is None
    life = bench.settings.enrollment.claim_life
    assert made["expires_at"] == to_rfc3339(bench.clock.now() + round(life * 1_000_000))
    path = f"{CLAIMS}/{made['id']}"
    assert await bench.call("GET", path, "getDeviceEnrollment") == made
    listed = await bench.call("GET", CLAIMS, "getDeviceEnrollments")
    assert (listed["data"], listed["total_count"], listed["after"], listed["order"]) == ([made], 1, None, "ASC")
    await bench.call("DELETE", path, "deleteDeviceEnrollment", status=204)
    await bench.call("GET", path, status=404)
    await bench.call("DELETE", path, status=404)
    assert (await bench.call("GET", CLAIMS))["data"] == []


async def test_who_claims_and_gives_up_is_in_the_event_log(bench: Bench) -> None:
    made = await bench.claim(1)
    await bench.call("DELETE", f"{CLAIMS}/{made['id']}", status=204)
    actor = {"account_id": ACCOUNT, "credential": "an access key", "credential_id": "ACCESS_KEY"}
    data = {"identity": identity(1), "id": made["id"], "device_id": None, "by": actor}
    assert await bench.events() == [
        (events.CLAIM_CREATED, ACCOUNT, None, data),
        (events.CLAIM_DELETED, ACCOUNT, None, data),
    ]


async def test_a_device_is_claimed_once_by_whoever_is_first_in_either_case(bench: Bench) -> None:
    await bench.claim(1)
    for key in (OTHER, API_KEY):
        refused = await bench.claim(1, key=key, status=409)
        assert refused["type"] == "duplicate" and "by this account or by another" in refused["message"]
    body = {"enrollment_identity": "A-" + identity(1)[2:].lower()}
    await bench.call("POST", CLAIMS, key=OTHER, status=409, json=body)
    assert len(await bench.events()) == 1


async def test_of_many_who_claim_at_once_one_is_first(bench: Bench) -> None:
    keys = [OTHER, ADMIN] * 8
    body = {"enrollment_identity": identity(1)}
    answers = await asyncio.gather(*(bench.toy.call("POST", CLAIMS, key=key, json=body) for key in keys))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15


async def test_an_account_sees_and_gives_up_only_its_own(bench: Bench) -> None:
    made = await bench.claim(1)
    path = f"{CLAIMS}/{made['id']}"
    absent = await bench.call("GET", f"{CLAIMS}/{'0' * 32}", key=OTHER, status=404)
    foreign = await bench.call("GET", path, key=OTHER, status=404)
    assert foreign["message"].replace(made["id"], "0" * 32) == absent["message"]
    await bench.call("DELETE", path, key=OTHER, status=404)
    assert (await bench.call("GET", CLAIMS, key=OTHER))["total_count"] == 0
    await bench.call("GET", path)


@pytest.mark.parametrize("claim_id", ["x", "0" * 31, "A" * 32, "%00", "é"])
async def test_what_cannot_be_an_id_is_not_found(bench: Bench, claim_id: str) -> None:
    await bench.call("GET", f"{CLAIMS}/{claim_id}", status=404)
    await bench.call("DELETE", f"{CLAIMS}/{claim_id}", status=404)


@pytest.mark.parametrize(
    "faulty",
    [
        "",
        "A-",
        identity(1)[:-1],
        identity(1) + "0",
        identity(1) + "\n",
        " " + identity(1),
        "B" + identity(1)[1:],
        7,
        None,
    ],
)
async def test_a_faulty_identity_is_refused(bench: Bench, faulty: object) -> None:
    body = {"enrollment_identity": faulty}
    answer = await bench.call("POST", CLAIMS, "createDeviceEnrollment", status=400, json=body)
    assert answer["type"] == "validation_error"
    assert [fault["name"] for fault in answer["fields"]] == ["enrollment_identity"]
    assert await bench.events() == []


async def test_claims_are_paged_by_id_in_either_order(bench: Bench) -> None:
    ids = [(await bench.claim(number))["id"] for number in range(5)]
    for order, expected in (("ASC", ids), ("DESC", ids[::-1])):
        found, after = [], ""
        while True:
            query = f"{CLAIMS}?limit=2&order={order}&include=total_count{after}"
            page = await bench.call("GET", query, "getDeviceEnrollments")
            assert (page["total_count"], page["order"], page["limit"]) == (5, order, 2)
            found += [each["id"] for each in page["data"]]
            after = f"&after={found[-1]}"
            if not page["has_more"]:
                break
        assert found == expected


async def test_a_caller_without_the_permission_is_refused(bench: Bench) -> None:
    await bench.call("GET", CLAIMS, key=DEVELOPER, status=403)
    await bench.claim(1, key=DEVELOPER, status=403)


async def test_the_claim_of_a_device_is_found_whichever_account_has_it(bench: Bench, database: Database) -> None:
    made = await bench.claim(1, key=OTHER)
    now = bench.clock.now()
    assert await bench.service.claim_of(database, identity(1), now) == Claim(FOREIGN, made["id"], None)
    assert await bench.service.claim_of(database, identity(2), now) is None
    await bench.call(
        "POST", CLAIMS, status=201, json={"enrollment_identity": identity(2).lower().replace("a-", "A-", 1)}
    )
    assert await bench.service.claim_of(database, identity(2), now) is not None


async def use(bench: Bench, claim: Claim, device_id: str = DEVICE) -> None:
    async with bench.database.transaction() as tx:
        await bench.service.claimed(tx, claim, device_id)


async def test_a_claim_names_the_device_that_came_and_does_not_expire(bench: Bench) -> None:
    made = await bench.claim(1)
    claim = Claim(ACCOUNT, made["id"], None)
    came = bench.clock.now()
    await use(bench, claim)
    bench.clock.advance(10)
    await use(bench, claim)  # the device bootstraps again
    shown = await bench.call("GET", f"{CLAIMS}/{made['id']}", "getDeviceEnrollment")
    assert (shown["enrolled_device_id"], shown["claimed_at"], shown["etag"]) == (DEVICE, to_rfc3339(came), "2")
    bench.clock.advance(bench.settings.enrollment.claim_life)
    await bench.service.prune()
    assert await bench.service.claim_of(bench.database, identity(1), bench.clock.now()) == claim._replace(
        device_id=DEVICE
    )
    data = {"identity": identity(1), "id": made["id"], "device_id": DEVICE}
    assert (await bench.events())[1:] == [(events.CLAIM_USED, ACCOUNT, DEVICE, data)]


async def test_a_claim_whose_device_has_a_new_record_names_that(bench: Bench) -> None:
    made = await bench.claim(1)
    claim = Claim(ACCOUNT, made["id"], None)
    came = bench.clock.now()
    await use(bench, claim)
    bench.clock.advance(10)
    await use(bench, claim, "e" * 32)
    shown = await bench.call("GET", f"{CLAIMS}/{made['id']}")
    assert (shown["enrolled_device_id"], shown["claimed_at"]) == ("e" * 32, to_rfc3339(came))


async def test_a_claim_that_is_gone_is_not_used(bench: Bench) -> None:
    made = await bench.claim(1)
    await bench.call("DELETE", f"{CLAIMS}/{made['id']}", status=204)
    with pytest.raises(errors.EnrollmentNotFound):
        await use(bench, Claim(ACCOUNT, made["id"], None))
    made = await bench.claim(2)
    bench.clock.advance(bench.settings.enrollment.claim_life)
    with pytest.raises(errors.EnrollmentNotFound):
        await use(bench, Claim(ACCOUNT, made["id"], None))
    assert events.CLAIM_USED not in [kind for kind, *_ in await bench.events()]


async def test_the_claim_of_an_enrolled_device_can_be_deleted_and_the_event_names_the_device(bench: Bench) -> None:
    made = await bench.claim(1)
    await use(bench, Claim(ACCOUNT, made["id"], None))
    await bench.call("DELETE", f"{CLAIMS}/{made['id']}", status=204)
    kind, _, device_id, data = (await bench.events())[-1]
    assert (kind, device_id, data["device_id"]) == (events.CLAIM_DELETED, DEVICE, DEVICE)
    await bench.claim(1, key=OTHER)


async def test_an_unused_claim_vanishes_and_the_device_can_be_claimed_by_another(bench: Bench) -> None:
    made = await bench.claim(1)
    kept = await bench.claim(2)
    bench.clock.advance(bench.settings.enrollment.claim_life - 1)
    await bench.claim(1, key=OTHER, status=409)
    bench.clock.advance(1)
    await bench.call("GET", f"{CLAIMS}/{made['id']}", status=404)
    await bench.call("DELETE", f"{CLAIMS}/{made['id']}", status=404)
    assert (await bench.call("GET", CLAIMS))["total_count"] == 0
    assert await bench.service.claim_of(bench.database, identity(1), bench.clock.now()) is None
    await bench.claim(1, key=OTHER)
    assert await bench.service.prune() == 1
    assert await bench.service.prune() == 0
    assert kept["id"] != made["id"]


async def test_an_account_has_no_more_open_claims_than_the_limit(database: Database) -> None:
    bench = Bench(database, open_claims=3)
    made = [await bench.claim(number) for number in range(3)]
    refused = await bench.claim(3, status=403)
    assert refused["type"] == "account_limit_exceeded" and " 3 of at most 3 " in refused["message"]
    await bench.claim(3, key=OTHER)
    await use(bench, Claim(ACCOUNT, made[0]["id"], None))
    await bench.claim(4)
    await bench.claim(5, status=403)
    await bench.call("DELETE", f"{CLAIMS}/{made[1]['id']}", status=204)
    await bench.claim(5)


async def test_at_once_not_more_are_claimed_than_the_limit(database: Database) -> None:
    bench = Bench(database, open_claims=3)
    bodies = [{"enrollment_identity": identity(number)} for number in range(10)]
    answers = await asyncio.gather(*(bench.toy.call("POST", CLAIMS, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 7
