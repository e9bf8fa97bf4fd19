"""Devices that were refused, as the account sees them whose certificate they came with."""

from __future__ import annotations

import pytest

from lamplighter.clock import to_rfc3339
from lamplighter.services.enrollment import events
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, FOREIGN, OTHER
from tests.services.enrollment.bench import DENIALS, Bench

CERTIFICATE, ANOTHER = "c" * 32, "b" * 32
WHY = "The device is not claimed."


async def deny(bench: Bench, endpoint_name: str, certificate: str = CERTIFICATE, why: str = WHY) -> None:
    await bench.service.denied({ACCOUNT: certificate}, endpoint_name, why)


async def test_a_refused_device_is_listed_under_its_certificate(bench: Bench) -> None:
    await deny(bench, "lamp-1")
    await deny(bench, "lamp-2")
    await deny(bench, "lamp-3", ANOTHER)
    listed = await bench.call(
        "GET", f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}", "listEnrollmentDenialAttempts"
    )
    assert [each["endpoint_name"] for each in listed["data"]] == ["lamp-1", "lamp-2"]
    assert listed["total_count"] == 2
    first = listed["data"][0]
    assert first == {
        "object": "denied_device",
        "id": first["id"],
        "account_id": ACCOUNT,
        "trusted_certificate_id": CERTIFICATE,
        "endpoint_name": "lamp-1",
        "created_at": to_rfc3339(bench.clock.now()),
    }
    assert await bench.call("GET", f"{DENIALS}/{first['id']}", "getEnrollmentDenialAttempt") == first
    query = f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}&endpoint_name__eq=lamp-2"
    found = await bench.call("GET", query, "listEnrollmentDenialAttempts")
    assert [each["endpoint_name"] for each in found["data"]] == ["lamp-2"]


async def test_the_reason_is_told_to_who_asks_for_it(bench: Bench) -> None:
    await deny(bench, "lamp-1")
    query = f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}&include=reason"
    (shown,) = (await bench.call("GET", query))["data"]
    assert (shown["reason"], shown["attempts"]) == (WHY, 1)
    assert (await bench.call("GET", f"{DENIALS}/{shown['id']}?include=reason"))["reason"] == WHY


async def test_denials_are_paged_in_either_order(bench: Bench) -> None:
    for number in range(5):
        await deny(bench, f"lamp-{number}")
    for order, expected in (("ASC", [0, 1, 2, 3, 4]), ("DESC", [4, 3, 2, 1, 0])):
        found, after = [], ""
        while True:
            query = f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}&limit=2&order={order}{after}"
            page = await bench.call("GET", query, "listEnrollmentDenialAttempts")
            found += page["data"]
            after = f"&after={found[-1]['id']}"
            if not page["has_more"]:
                break
        assert [each["endpoint_name"] for each in found] == [f"lamp-{number}" for number in expected]


async def test_a_device_that_tries_again_within_a_minute_is_counted(bench: Bench) -> None:
    await deny(bench, "lamp-1")
    bench.clock.advance(59)
    await deny(bench, "lamp-1", why="Its claim has expired.")
    bench.clock.advance(2)
    await deny(bench, "lamp-1")
    query = f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}&include=reason"
    found = (await bench.call("GET", query))["data"]
    assert [(each["attempts"], each["reason"]) for each in found] == [(2, "Its claim has expired."), (1, WHY)]
    seen = [data for kind, _, _, data in await bench.events() if kind == events.DENIED]
    assert [each["id"] for each in seen] == [each["id"] for each in found]
    assert (seen[0]["endpoint_name"], seen[0]["trusted_certificate_id"]) == ("lamp-1", CERTIFICATE)


async def test_the_newest_of_an_account_are_kept(database: Database) -> None:
    bench = Bench(database, denials=3)
    await bench.service.denied({FOREIGN: CERTIFICATE}, "lamp-of-another", WHY)
    for number in range(10):
        await deny(bench, f"lamp-{number}", ANOTHER if number % 2 else CERTIFICATE)
    names = []
    for certificate in (CERTIFICATE, ANOTHER):
        found = await bench.call("GET", f"{DENIALS}?trusted_certificate_id__eq={certificate}")
        names += [each["endpoint_name"] for each in found["data"]]
    assert sorted(names) == ["lamp-7", "lamp-8", "lamp-9"]
    others = await bench.call("GET", f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}", key=OTHER)
    assert others["total_count"] == 1


async def test_each_account_that_trusts_the_certificate_sees_its_own_and_no_others(bench: Bench) -> None:
    await bench.service.denied({ACCOUNT: CERTIFICATE, FOREIGN: ANOTHER}, "lamp-1", WHY)
    (own,) = (await bench.call("GET", f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}"))["data"]
    (other,) = (await bench.call("GET", f"{DENIALS}?trusted_certificate_id__eq={ANOTHER}", key=OTHER))["data"]
    assert (own["account_id"], other["account_id"]) == (ACCOUNT, FOREIGN)
    await bench.call("GET", f"{DENIALS}/{other['id']}", status=404)
    assert (await bench.call("GET", f"{DENIALS}?trusted_certificate_id__eq={ANOTHER}"))["data"] == []


async def test_what_a_device_says_of_itself_is_cut_and_cleaned(bench: Bench) -> None:
    await deny(bench, "lamp\x00\n\x1b[31m" + "x" * 1000)
    (shown,) = (await bench.call("GET", f"{DENIALS}?trusted_certificate_id__eq={CERTIFICATE}"))["data"]
    assert shown["endpoint_name"].startswith("lamp???[31mx") and len(shown["endpoint_name"]) == 255


@pytest.mark.parametrize("query", ["", "?endpoint_name__eq=lamp-1", "?trusted_certificate_id__neq=" + CERTIFICATE])
async def test_a_list_needs_the_certificate(bench: Bench, query: str) -> None:
    refused = await bench.call("GET", DENIALS + query, status=400)
    assert refused["type"] == "validation_error"
    assert refused["fields"][0]["name"].startswith("trusted_certificate_id__")


async def test_a_denial_that_is_not_there_is_not_found(bench: Bench) -> None:
    for denial_id in ("0" * 32, "x"):
        await bench.call("GET", f"{DENIALS}/{denial_id}", "getEnrollmentDenialAttempt", status=404)
