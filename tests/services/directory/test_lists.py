"""Lists give what a plain reading of the filter gives, page after page, whatever index they are read by."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from urllib.parse import quote

import pytest

from lamplighter.clock import to_rfc3339
from lamplighter.services.directory import counts, listing
from lamplighter.services.directory.model import DeviceCreate, Facts
from lamplighter.storage.database import Database
from tests.services.directory.app import ACCOUNT, OTHER, App

DEVICES = "/v3/devices/"


@pytest.fixture
def app(database: Database) -> App:
    return App(database)


@pytest.fixture
async def fleet(app: App) -> list[dict[str, Any]]:
    """Thirty devices in the order of their creation, as the API shows them, some changed later."""
    chance = random.Random(1813)
    ids = []
    for number in range(30):
        body = {
            "name": f"lamp {number % 7}",
            "endpoint_name": f"ep-{number}",
            "device_class": f"class {number % 3}",
            "vendor_id": f"vendor {number % 2}",
            "state": ("registered", "deregistered", "bootstrapped")[number % 3],
            "device_execution_mode": (0, 1, 5)[number % 3],
            "custom_attributes": {"floor": str(number % 4), "Name": "x y&z"},
            "auto_update": number % 2 == 0,
            "connector_expiration_date": f"2030-01-{number + 1:02}",
        }
        ids.append((await app.post(DEVICES, body))["id"])
    for device_id in chance.sample(ids, 10):
        await app.put(DEVICES + device_id, {"description": "changed"})
    await app.post(DEVICES, {"name": "lamp 1"}, key=OTHER)
    return [await app.get(DEVICES + device_id) for device_id in ids]


CASES: dict[str, Any] = {
    "state__eq=registered": lambda d: d["state"] == "registered",
    "state__eq=registered,bootstrapped": lambda d: d["state"] in ("registered", "bootstrapped"),
    "state__in=registered,deregistered": lambda d: d["state"] in ("registered", "deregistered"),
    "state__neq=registered": lambda d: d["state"] != "registered",
    "state__nin=registered,deregistered&name__neq=lamp%200": lambda d: (
        d["state"] == "bootstrapped" and d["name"] != "lamp 0"
    ),
    "name__eq=lamp%201": lambda d: d["name"] == "lamp 1",
    "name__in=lamp%201,lamp%202": lambda d: d["name"] in ("lamp 1", "lamp 2"),
    "endpoint_name__in=ep-3,ep-4,nobody": lambda d: d["endpoint_name"] in ("ep-3", "ep-4"),
    "device_class__eq=class%201&vendor_id__eq=vendor%200": lambda d: (
        (d["device_class"], d["vendor_id"]) == ("class 1", "vendor 0")
    ),
    "device_class__in=class%201,class%202&state=registered,bootstrapped": lambda d: (
        d["device_class"] in ("class 1", "class 2") and d["state"] in ("registered", "bootstrapped")
    ),
    "custom_attributes__floor=2": lambda d: d["custom_attributes"]["floor"] == "2",
    "custom_attributes__floor__neq=2&custom_attributes__Name=x%20y%26z": lambda d: (
        d["custom_attributes"]["floor"] != "2"
    ),
    "device_execution_mode__in=1,5": lambda d: d["device_execution_mode"] in (1, 5),
    "auto_update__eq=True": lambda d: d["auto_update"],
    "description__eq=changed": lambda d: d["description"] == "changed",
    "connector_expiration_date__lte=2030-01-05": lambda d: d["connector_expiration_date"] <= "2030-01-05",
    "issuer_fingerprint__neq=a": lambda d: True,
    "operator_suspended__neq=true&lifecycle_status__eq=enabled": lambda d: True,
    f"account_id__neq={ACCOUNT}": lambda d: False,
    "id__in=": lambda d: False,
    "state__nin=": lambda d: True,
    "created_at__in=&updated_at__in=&state__in=": lambda d: False,
    "created_at__gte=0001-01-01T00:00:00Z&created_at__lte=9999-12-31T23:59:59Z": lambda d: True,
    "created_at__lte=0001-01-01T00:00:00Z": lambda d: False,
    "created_at__gte=9999-01-01T00:00:00Z": lambda d: False,
    "bootstrapped_timestamp__gte=2000-01-01T00:00:00Z": lambda d: False,
}


@pytest.mark.parametrize("few", [0, 20_000])
async def test_a_filter_selects_what_it_says(
    app: App, fleet: list[dict[str, Any]], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", few)
    for query, predicate in CASES.items():
        for order in ("ASC", "DESC"):
            await expect(app, fleet, query, predicate, order)


@pytest.mark.parametrize("few", [0, 20_000])
async def test_a_span_of_time_selects_what_lies_in_it(
    app: App, fleet: list[dict[str, Any]], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", few)
    for field in ("created_at", "updated_at", "etag"):
        for order in ("ASC", "DESC"):
            await spans(app, fleet, field, order)


async def spans(app: App, fleet: list[dict[str, Any]], field: str, order: str) -> None:
    times = sorted(device[field] for device in fleet)
    for low, high in ((times[3], times[20]), (times[20], times[3]), (times[5], times[5]), (times[0], times[-1])):
        query = f"{field}__gte={low}&{field}__lte={high}&state__neq=bootstrapped"
        await expect(
            app,
            fleet,
            query,
            lambda d, low=low, high=high: low <= d[field] <= high and d["state"] != "bootstrapped",
            order,
        )
    query = f"{field}__in={times[4]},{times[9]}"
    await expect(app, fleet, query, lambda d: d[field] in (times[4], times[9]), order)
    await expect(app, fleet, f"filter={field}%3D{times[7]}", lambda d: d[field] == times[7], order)
    await expect(app, fleet, f"{field}__nin={times[7]}", lambda d: d[field] != times[7], order)


async def expect(app: App, fleet: list[dict[str, Any]], query: str, predicate: Any, order: str) -> None:
    """The list of that query, read in pages of two, is what the predicate selects."""
    wanted = [device for device in fleet if predicate(device)]
    if order == "DESC":
        wanted.reverse()
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await app.get(f"{DEVICES}?{query}&order={order}&limit=4{after}")
        assert page["total_count"] == len(wanted), query
        found += page["data"]
        assert page["has_more"] is (len(found) < len(wanted)), query
        if not page["has_more"]:
            break
        after = f"&after={found[-1]['id']}"
    assert found == wanted, query


async def test_spans_of_creation_are_exact_to_the_microsecond(app: App) -> None:
    times = []
    for _ in range(8):
        app.clock.advance(0.0003)
        device = await app.directory.create(ACCOUNT, "0", DeviceCreate())
        times.append(device.created_at)
    for begin, low in enumerate(times):
        for end, high in enumerate(times):
            found = await app.get(f"{DEVICES}?created_at__gte={low}&created_at__lte={high}")
            assert [each["created_at"] for each in found["data"]] == times[begin : end + 1]
            assert found["total_count"] == max(end + 1 - begin, 0)
    found = await app.get(f"{DEVICES}?created_at__gte={times[3]}&order=DESC")
    assert found["total_count"] == len(found["data"]) == 5


async def test_named_ids_are_paged_as_all_others(app: App, fleet: list[dict[str, Any]]) -> None:
    ids = [device["id"] for device in fleet][5:12]
    query = f"{DEVICES}?id__in={','.join(reversed(ids))}&limit=3"
    assert await app.ids(query) == ids[:3]
    assert await app.ids(f"{query}&after={ids[2]}") == ids[3:6]
    assert await app.ids(f"{query}&after={ids[2]}&order=DESC") == ids[1::-1]
    assert await app.ids(f"{DEVICES}?id__eq={ids[0]}&after={ids[0]}") == []


@pytest.mark.parametrize(
    "encoded",
    [
        "state__eq=registered&device_class__eq=class%200",
        "filter=" + quote("state=registered&device_class=class 0"),
        "filter=" + quote("state__eq=registered&device_class__eq=class%200"),
        "filter=state__eq=registered&device_class__eq=class%200",
        "state__eq=registered,registered&filter=" + quote("device_class__in=class 0"),
    ],
)
async def test_every_encoding_of_a_filter_means_the_same(app: App, fleet: list[dict[str, Any]], encoded: str) -> None:
    wanted = [each["id"] for each in fleet if each["state"] == "registered" and each["device_class"] == "class 0"]
    assert await app.ids(f"{DEVICES}?{encoded}") == wanted


async def test_an_unknown_field_operator_or_value_is_named_with_what_is_allowed(app: App) -> None:
    query = "?colour__eq=red&state__gte=registered&state__eq=lost&created_at__gte=yesterday&operator_suspended__in=true"
    error = await app.refused(
        "GET", DEVICES + query.replace("state__eq=lost", "mechanism__eq=lost"), None, 400, "validation_error"
    )
    faults = {fault["name"]: fault["message"] for fault in error["fields"]}
    assert set(faults) == {"colour__eq", "state__gte", "mechanism__eq", "created_at__gte", "operator_suspended__in"}
    assert "endpoint_name" in faults["colour__eq"] and "state__nin" in faults["state__gte"]
    assert "connector, direct" in faults["mechanism__eq"]


async def test_the_counts_of_states_are_exact_at_once(app: App) -> None:
    ids = [(await app.post(DEVICES, {"state": "registered", "device_execution_mode": 1}))["id"] for _ in range(4)]
    assert await totals(app) == {"": 4, "?state=registered": 4, "?state__neq=registered": 0}
    assert await app.directory.fold_counts() > 0
    assert await totals(app) == {"": 4, "?state=registered": 4, "?state__neq=registered": 0}
    await app.post(f"{DEVICES}{ids[0]}/suspend", {}, 204)
    assert (await app.call("DELETE", DEVICES + ids[1])).status_code == 204
    assert await totals(app) == {"": 3, "?state=registered": 2, "?state__neq=registered": 1}
    while await app.directory.fold_counts():
        pass
    assert await totals(app) == {"": 3, "?state=registered": 2, "?state__neq=registered": 1}


async def totals(app: App) -> dict[str, int]:
    found = {}
    for query in ("", "?state=registered", "?state__neq=registered"):
        found[query] = (await app.get(DEVICES + query))["total_count"]
    return found


async def test_counts_stay_exact_while_many_change_and_several_fold(app: App) -> None:
    async def come_and_go(number: int) -> None:
        async with app.database.transaction() as tx:
            device_id = (await app.directory.ensure_device(tx, ACCOUNT, f"ep-{number}", Facts())).device_id
        async with app.database.transaction() as tx:
            await app.directory.registered(tx, ACCOUNT, device_id, Facts())
        if number % 2:
            async with app.database.transaction() as tx:
                await app.directory.deregistered(tx, ACCOUNT, device_id, expired=True)

    folding = [app.directory.fold_counts() for _ in range(6)]
    await asyncio.gather(*(come_and_go(number) for number in range(40)), *folding)
    expected = {"state:registered": 20, "state:deregistered": 20, "state:unenrolled": 0, "events": 100}
    assert await counts.read(app.database, ACCOUNT, expected) == expected
    while await app.directory.fold_counts():
        pass
    assert await counts.read(app.database, ACCOUNT, expected) == expected


async def test_the_count_of_a_filtered_list_is_renewed_within_its_age(app: App) -> None:
    query = f"{DEVICES}?vendor_id__eq=v"
    await app.post(DEVICES, {"vendor_id": "v"})
    assert (await app.get(query))["total_count"] == 1
    await app.post(DEVICES, {"vendor_id": "v"})
    assert len((await app.get(query))["data"]) == 2
    app.clock.advance(app.settings.api.count_age + 0.1)
    assert (await app.get(query))["total_count"] == 2


async def test_who_survives_is_seen_exactly_once_while_others_come_and_go(app: App) -> None:
    body = {"device_execution_mode": 1}
    stays = [(await app.post(DEVICES, body))["id"] for _ in range(20)]
    goes = [(await app.post(DEVICES, body))["id"] for _ in range(6)]
    more = [(await app.post(DEVICES, body))["id"] for _ in range(10)]
    seen: list[str] = []
    reading = asyncio.Event()

    async def read() -> None:
        after = ""
        while True:
            page = await app.get(f"{DEVICES}?limit=3{after}")
            seen.extend(each["id"] for each in page["data"])
            reading.set()
            if not page["has_more"]:
                return
            after = f"&after={seen[-1]}"

    async def disturb() -> None:
        await reading.wait()
        for device_id in goes:
            await app.call("DELETE", DEVICES + device_id)
            await app.post(DEVICES, body)

    await asyncio.gather(read(), disturb())
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in {*stays, *more}] == stays + more


async def test_events_are_filtered_by_device_kind_and_time(app: App) -> None:
    first = await app.post(DEVICES, {})
    second = await app.post(DEVICES, {})
    await app.post(f"{DEVICES}{first['id']}/suspend", {}, 204)
    everything = await app.get("/v3/device-events")
    assert [each["event_type"] for each in everything["data"]] == ["DEV_CREATED", "DEV_CREATED", "DEV_SUSPENDED"]
    assert everything["total_count"] == 3
    ids = [each["id"] for each in everything["data"]]
    last = everything["data"][2]["date_time"]
    assert await app.ids(f"/v3/device-events?device_id__eq={second['id']}") == [ids[1]]
    assert await app.ids("/v3/device-events?event_type__neq=DEV_CREATED") == [ids[2]]
    assert await app.ids("/v3/device-events?state_change__eq=True") == ids[:2]
    for order, wanted in (("ASC", ids), ("DESC", ids[::-1])):
        query = f"/v3/device-events?order={order}&date_time__gte="
        assert await app.ids(query + everything["data"][0]["date_time"]) == wanted
        assert await app.ids(query + last) == [ids[2]]
    assert await app.ids(f"/v3/devicelog?filter=date_time__lte%3D{everything['data'][1]['date_time']}") == ids[:2]
    assert await app.ids(f"/v3/devicelog?date_time__gte={to_rfc3339(app.clock.now() + 10**6)}") == []
    assert (await app.get("/v3/device-events", OTHER))["total_count"] == 0
