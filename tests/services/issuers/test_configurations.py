"""Which issuer issues certificates of which name, over the API and on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.issuers.conftest import Town
from tests.services.issuers.test_issuers import created

PATH = "/v3/certificate-issuer-configurations"
LWM2M = f"{PATH}/lwm2m"


async def configured(town: Town, reference: str, issuer_id: str | None = None) -> dict[str, Any]:
    answer = await town.app.post(PATH, json={"reference": reference, "certificate_issuer_id": issuer_id})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_lwm2m_configuration_is_always_there_with_the_servers_own_authority(town: Town) -> None:
    found = (await town.app.get(LWM2M)).json()
    assert (found["reference"], found["certificate_issuer_id"], found["is_custom"]) == ("LWM2M", None, False)
    assert (await town.app.get(f"{PATH}/{found['id']}")).json() == found
    assert (await town.app.get(PATH)).json()["data"] == [found]
    foreign = (await town.app.get(LWM2M, town.app.other)).json()
    assert foreign["id"] != found["id"]
    answer = await town.app.delete(f"{PATH}/{found['id']}")
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")


async def test_it_is_set_by_its_own_path_or_its_id_and_only_to_an_issuer_of_the_account(town: Town) -> None:
    issuer = await created(town)
    changed = await town.app.put(LWM2M, json={"certificate_issuer_id": issuer["id"]})
    assert (changed.json()["certificate_issuer_id"], changed.json()["etag"]) == (issuer["id"], "2")
    place = f"{PATH}/{changed.json()['id']}"
    assert (await town.app.put(place, json={"certificate_issuer_id": None})).json()["certificate_issuer_id"] is None
    for unknown in ("0" * 32, "x"):
        answer = await town.app.put(LWM2M, json={"certificate_issuer_id": unknown})
        assert (answer.status_code, answer.json()["fields"][0]["name"]) == (400, "certificate_issuer_id")
    answer = await town.app.put(LWM2M, town.app.other, json={"certificate_issuer_id": issuer["id"]})
    assert answer.status_code == 400


async def test_a_custom_configuration_comes_and_goes_and_has_its_reference_alone(town: Town) -> None:
    made = await configured(town, "customer.dlms")
    assert (made["is_custom"], made["reference"]) == (True, "customer.dlms")
    again = await town.app.post(PATH, json={"reference": "customer.dlms", "certificate_issuer_id": None})
    assert (again.status_code, again.json()["type"]) == (409, "duplicate") and made["id"] in again.json()["message"]
    taken = await town.app.post(PATH, json={"reference": "LWM2M", "certificate_issuer_id": None})
    assert taken.status_code == 409
    found = (await town.app.get(PATH, params={"reference__eq": "customer.dlms"})).json()
    assert (found["data"], found["total_count"]) == ([made], 1)
    for method in ("GET", "PUT", "DELETE"):
        body = {"certificate_issuer_id": None} if method == "PUT" else None
        answer = await town.app.call(method, f"{PATH}/{made['id']}", town.app.other, json=body)
        assert answer.status_code == 404
    assert (await town.app.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert (await town.app.get(f"{PATH}/{made['id']}")).status_code == 404
    kinds = ("Created", "Deleted")
    happened = [await town.happened(f"IssuerConfiguration{kind}") for kind in kinds]
    assert [each[0]["reference"] for each in happened] == ["customer.dlms"] * 2


async def test_a_list_is_read_page_by_page_in_both_orders(town: Town) -> None:
    for number in range(4):
        await configured(town, f"customer.{number}")
    for order in ("ASC", "DESC"):
        seen, after = [], None
        while True:
            query = {"limit": 2, "order": order, **({"after": after} if after else {})}
            page = (await town.app.get(PATH, params=query)).json()
            seen += [each["reference"] for each in page["data"]]
            assert page["total_count"] == 5
            if not page["has_more"]:
                break
            after = page["data"][-1]["id"]
        wanted = ["LWM2M", *(f"customer.{number}" for number in range(4))]
        assert seen == (wanted if order == "ASC" else wanted[::-1])


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"reference": "mbed.own", "certificate_issuer_id": None}, "reference"),
        ({"reference": "a b", "certificate_issuer_id": None}, "reference"),
        ({"reference": "r" * 101, "certificate_issuer_id": None}, "reference"),
        ({"reference": "customer.dlms"}, "certificate_issuer_id"),
        ({"certificate_issuer_id": None}, "reference"),
    ],
)
async def test_a_faulty_configuration_is_refused(town: Town, body: dict[str, Any], name: str) -> None:
    answer = await town.app.post(PATH, json=body)
    assert (answer.status_code, answer.json()["fields"][0]["name"]) == (400, name)


async def test_how_long_before_the_end_to_renew_is_set_and_taken_back(town: Town) -> None:
    made = await configured(town, "customer.dlms")
    place = f"{PATH}/{made['id']}/automatic-renewal"
    assert (await town.app.get(place)).json() == {"renewal_days": None}
    for days in (30, None):
        assert (await town.app.put(place, json={"renewal_days": days})).json() == {"renewal_days": days}
        assert (await town.app.get(place)).json() == {"renewal_days": days}
        await town.app.put(f"{PATH}/{made['id']}", json={"certificate_issuer_id": None})
        assert (await town.app.get(place)).json() == {"renewal_days": days}
    for faulty in ({"renewal_days": 0}, {"renewal_days": 3651}, {}):
        assert (await town.app.put(place, json=faulty)).json()["type"] == "validation_error"
    assert (await town.app.put(place, town.app.other, json={"renewal_days": 1})).status_code == 404
