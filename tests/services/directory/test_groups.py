"""Device groups through the REST API."""

from __future__ import annotations

import asyncio
import unicodedata

import pytest

from lamplighter.storage.database import Database
from tests.services.directory.app import OTHER, READER, App

NOBODY = "0" * 32


@pytest.fixture
def app(database: Database) -> App:
    return App(database)


async def member(app: App, group_id: str, **body: object) -> str:
    device = await app.post("/v3/devices/", body)
    await app.post(f"/v3/device-groups/{group_id}/devices/add/", {"device_id": device["id"]}, 204)
    return str(device["id"])


async def test_a_group_is_created_changed_and_deleted_and_its_devices_stay(app: App) -> None:
    group = await app.post("/v3/device-groups/", {"name": "Gate", "description": "d", "custom_attributes": {"a": "b"}})
    assert (group["devices_count"], group["object"]) == (0, "device-group")
    path = f"/v3/device-groups/{group['id']}"
    device_id = await member(app, group["id"])
    assert (await app.get(f"/v3/devices/{device_id}"))["groups"] == [group["id"]]
    changed = await app.put(path, {"custom_attributes": {"c": "d"}})
    assert (changed["name"], changed["description"], changed["custom_attributes"]) == ("Gate", "d", {"c": "d"})
    assert changed["devices_count"] == 1 and changed["etag"] > group["etag"]
    assert await app.put(path, {"name": "Gate"}) == changed
    assert (await app.call("DELETE", path)).status_code == 204
    await app.refused("GET", path, None, 404, "not_found")
    assert (await app.get(f"/v3/devices/{device_id}"))["groups"] == []
    assert (await app.get("/v3/device-groups"))["total_count"] == 0


async def test_group_names_are_kept_as_sent_and_unique_as_compared(app: App) -> None:
    composed, decomposed = "Z\u00fcrich", unicodedata.normalize("NFD", "Z\u00fcrich")
    group = await app.post("/v3/device-groups/", {"name": decomposed})
    assert group["name"] == decomposed
    await app.refused("POST", "/v3/device-groups/", {"name": composed}, 409, "duplicate")
    second = await app.post("/v3/device-groups/", {"name": "Bern"})
    await app.refused("PUT", f"/v3/device-groups/{second['id']}", {"name": composed}, 409, "duplicate")
    await app.post("/v3/device-groups/", {"name": composed}, key=OTHER)
    assert await app.ids(f"/v3/device-groups?name__eq={composed}") == [group["id"]]


async def test_of_many_who_create_one_name_at_once_one_succeeds(app: App) -> None:
    answers = await asyncio.gather(*(app.call("POST", "/v3/device-groups/", {"name": "one"}) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {"duplicate"}
    assert (await app.get("/v3/device-groups"))["total_count"] == 1


async def test_a_group_takes_ten_attributes_and_not_eleven(app: App) -> None:
    attributes = {f"key{number}": "x" for number in range(11)}
    error = await app.refused(
        "POST", "/v3/device-groups/", {"name": "a", "custom_attributes": attributes}, 400, "validation_error"
    )
    assert [fault["name"] for fault in error["fields"]] == ["custom_attributes"]
    del attributes["key10"]
    await app.post("/v3/device-groups/", {"name": "a", "custom_attributes": attributes})


async def test_adding_and_removing_twice_is_the_same_as_once(app: App) -> None:
    group_id = (await app.post("/v3/device-groups/", {"name": "a"}))["id"]
    device_id = await member(app, group_id)
    path = f"/v3/device-groups/{group_id}/devices"
    await app.post(f"{path}/add", {"device_id": device_id}, 204)
    assert (await app.get(f"/v3/device-groups/{group_id}"))["devices_count"] == 1
    for _ in range(2):
        await app.post(f"{path}/remove", {"device_id": device_id}, 204)
        found = await app.get(path)
        assert (found["data"], found["total_count"]) == ([], 0)


async def test_members_are_listed_and_filtered_as_devices_are(app: App) -> None:
    group_id = (await app.post("/v3/device-groups/", {"name": "a"}))["id"]
    path = f"/v3/device-groups/{group_id}/devices"
    red = await member(app, group_id, custom_attributes={"colour": "red"}, state="registered")
    green = await member(app, group_id, custom_attributes={"colour": "green"}, name="g")
    await app.post("/v3/devices/", {"custom_attributes": {"colour": "red"}})
    assert await app.ids(path) == [red, green]
    assert await app.ids(f"{path}?order=DESC") == [green, red]
    assert await app.ids(f"{path}?custom_attributes__colour=red") == [red]
    assert await app.ids(f"{path}?custom_attributes__colour__neq=red") == [green]
    assert await app.ids(f"{path}?state__in=registered,deregistered") == [red]
    assert await app.ids(f"{path}?filter=name%3Dg%26created_at__lte%3D2030-01-01T00:00:00Z") == [green]
    found = await app.get(f"{path}?custom_attributes__colour=red")
    assert found["total_count"] == 1 and found["data"][0]["groups"] == [group_id]


async def test_a_deleted_device_leaves_its_groups(app: App) -> None:
    group_id = (await app.post("/v3/device-groups/", {"name": "a"}))["id"]
    device_id = await member(app, group_id, device_execution_mode=1)
    assert (await app.call("DELETE", f"/v3/devices/{device_id}")).status_code == 204
    assert (await app.get(f"/v3/device-groups/{group_id}"))["devices_count"] == 0
    assert (await app.get(f"/v3/device-groups/{group_id}/devices"))["data"] == []


async def test_groups_are_filtered_by_how_many_devices_they_have(app: App) -> None:
    empty, full = [(await app.post("/v3/device-groups/", {"name": name}))["id"] for name in ("e", "f")]
    await member(app, full)
    await member(app, full)
    await app.directory.fold_counts()
    await member(app, full)
    assert await app.ids("/v3/device-groups?devices_count__gte=3") == [full]
    assert await app.ids("/v3/device-groups?devices_count__in=0,7") == [empty]
    assert await app.ids("/v3/device-groups?filter=devices_count%3D3") == [full]
    assert await app.ids("/v3/device-groups?component_attributes__a__neq=b") == [empty, full]
    assert await app.ids("/v3/device-groups?component_attributes__a=b") == []


async def test_another_accounts_group_or_device_is_answered_as_one_that_never_was(app: App) -> None:
    group_id = (await app.post("/v3/device-groups/", {"name": "a"}))["id"]
    device_id = (await app.post("/v3/devices/", {}))["id"]
    foreign = (await app.post("/v3/devices/", {}, key=OTHER))["id"]
    for method, suffix, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("GET", "/devices", None),
        ("POST", "/devices/add", {"device_id": foreign}),
        ("POST", "/devices/remove", {"device_id": foreign}),
    ):
        seen, never = [
            await app.refused(method, f"/v3/device-groups/{each}{suffix}", body, 404, "not_found", OTHER)
            for each in (group_id, NOBODY)
        ]
        assert seen["message"].replace(group_id, NOBODY) == never["message"]
        await app.refused(method, f"/v3/device-groups/what{suffix}", body, 404, "not_found")
    for each in (foreign, NOBODY, "what"):
        for what in ("add", "remove"):
            path = f"/v3/device-groups/{group_id}/devices/{what}"
            await app.refused("POST", path, {"device_id": each}, 404, "not_found")
    await app.refused(
        "POST", f"/v3/device-groups/{group_id}/devices/add", {"device_id": device_id}, 403, "access_denied", READER
    )
    assert (await app.get(f"/v3/device-groups/{group_id}"))["devices_count"] == 0
