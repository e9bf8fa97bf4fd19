"""Devices through the REST API."""

from __future__ import annotations

import unicodedata

import pytest

from lamplighter.settings import Access, Settings
from lamplighter.storage.database import Database
from tests.services.directory.app import ADMIN, DEVELOPER, OTHER, READER, App

NOBODY = "0" * 32


@pytest.fixture
def app(database: Database) -> App:
    return App(database)


async def test_a_device_is_created_with_everything_it_was_given(app: App) -> None:
    body = {
        "name": "Lamp 7",
        "description": "By the gate",
        "custom_attributes": {"floor": "3", "Street": "Old Mill"},
        "endpoint_name": "lamp-7",
        "endpoint_type": "lamp",
        "host_gateway": "0" * 32,
        "device_class": "c" * 32,
        "vendor_id": "v" * 255,
        "serial_number": "s" * 64,
        "device_key": "k" * 512,
        "ca_id": "a" * 500,
        "issuer_fingerprint": "0aF" + "0" * 61,
        "device_execution_mode": 5,
        "state": "bootstrapped",
        "bootstrap_expiration_date": "2030-02-28",
        "connector_expiration_date": "2031-01-01",
        "deployment": "d",
        "manifest": "m",
        "auto_update": True,
        "mechanism": "direct",
        "mechanism_url": "coap://here",
    }
    device = await app.post("/v3/devices/", body)
    assert {name: device[name] for name in body} == body
    assert device == await app.get(f"/v3/devices/{device['id']}")
    assert device["lifecycle_status"] == "enabled"
    assert device["groups"] == []
    assert device["deployed_state"] == "production"
    assert device["etag"] == device["updated_at"] == device["created_at"]
    assert device["created_at"].endswith("Z") and len(device["created_at"].rpartition(".")[2]) == 7


async def test_a_device_without_an_endpoint_name_bears_its_id(app: App) -> None:
    device = await app.post("/v3/devices/", {})
    assert device["endpoint_name"] == device["id"]
    assert device["state"] == "unenrolled"
    assert device["device_execution_mode"] == 0


async def test_every_faulty_member_is_named_at_once(app: App) -> None:
    body = {
        "name": "n" * 129,
        "custom_attributes": {"1": "digit", "a": "v" * 129},
        "state": "lost",
        "device_execution_mode": 2,
        "connector_expiration_date": "soon",
        "issuer_fingerprint": "xyz",
    }
    error = await app.refused("POST", "/v3/devices/", body, 400, "validation_error")
    named = {fault["name"] for fault in error["fields"]}
    assert named == {
        "name",
        "custom_attributes.1",
        "custom_attributes.a",
        "state",
        "device_execution_mode",
        "issuer_fingerprint",
    }
    error = await app.refused("POST", "/v3/devices/", {"connector_expiration_date": "soon"}, 400, "validation_error")
    assert [fault["name"] for fault in error["fields"]] == ["connector_expiration_date"]


async def test_a_sixth_custom_attribute_is_refused(app: App) -> None:
    attributes = {f"key{number}": "x" for number in range(6)}
    error = await app.refused("POST", "/v3/devices/", {"custom_attributes": attributes}, 400, "validation_error")
    assert [fault["name"] for fault in error["fields"]] == ["custom_attributes"]
    del attributes["key5"]
    assert (await app.post("/v3/devices/", {"custom_attributes": attributes}))["custom_attributes"] == attributes


async def test_an_update_changes_what_is_given_and_nothing_else(app: App) -> None:
    device = await app.post("/v3/devices/", {"name": "a", "custom_attributes": {"x": "1", "y": "2"}})
    path = f"/v3/devices/{device['id']}/"
    changed = await app.put(path, {"description": "new", "custom_attributes": {"z": "3"}, "endpoint_type": "t"})
    assert changed["custom_attributes"] == {"z": "3"}
    assert (changed["name"], changed["description"], changed["endpoint_type"]) == ("a", "new", "t")
    assert changed["updated_at"] > device["updated_at"] and changed["etag"] == changed["updated_at"]
    assert await app.ids("/v3/devices?filter=custom_attributes__x=1") == []
    assert await app.ids("/v3/devices?filter=custom_attributes__z=3") == [device["id"]]
    assert await app.put(path, {"description": "new", "endpoint_name": device["endpoint_name"]}) == changed


async def test_the_endpoint_name_cannot_be_changed(app: App) -> None:
    device = await app.post("/v3/devices/", {"endpoint_name": "mine"})
    error = await app.refused("PUT", f"/v3/devices/{device['id']}/", {"endpoint_name": "x"}, 400, "validation_error")
    assert error["fields"][0]["name"] == "endpoint_name"


async def test_an_endpoint_name_is_unique_in_its_account_alone(app: App) -> None:
    composed, decomposed = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    device = await app.post("/v3/devices/", {"endpoint_name": decomposed})
    assert device["endpoint_name"] == decomposed
    await app.refused("POST", "/v3/devices/", {"endpoint_name": composed}, 409, "duplicate")
    await app.post("/v3/devices/", {"endpoint_name": composed}, key=OTHER)
    assert (await app.get("/v3/devices/"))["total_count"] == 1


async def test_only_a_device_in_developer_mode_can_be_deleted(app: App) -> None:
    kept = await app.post("/v3/devices/", {"device_execution_mode": 5})
    await app.refused("DELETE", f"/v3/devices/{kept['id']}", None, 400, "validation_error")
    gone = await app.post("/v3/devices/", {"device_execution_mode": 1, "custom_attributes": {"a": "b"}})
    assert (await app.call("DELETE", f"/v3/devices/{gone['id']}")).status_code == 204
    await app.refused("GET", f"/v3/devices/{gone['id']}", None, 404, "not_found")
    await app.refused("DELETE", f"/v3/devices/{gone['id']}", None, 404, "not_found")
    listed = await app.get("/v3/devices/")
    assert [each["id"] for each in listed["data"]] == [kept["id"]]
    assert listed["total_count"] == 1
    assert await app.ids("/v3/devices?custom_attributes__a=b") == []


async def test_a_suspended_device_is_blocked_until_it_is_resumed(app: App) -> None:
    device = await app.post("/v3/devices/", {"state": "registered"})
    path = f"/v3/devices/{device['id']}"
    await app.post(f"{path}/suspend", {"category": "maintenance", "description": "New glass"}, 204)
    blocked = await app.get(path)
    assert (blocked["lifecycle_status"], blocked["operator_suspended"]) == ("blocked", True)
    assert blocked["state"] == "deregistered"
    assert blocked["last_operator_suspended_description"] == "New glass"
    assert blocked["last_operator_suspended_updated_at"] == blocked["updated_at"]
    assert await app.ids("/v3/devices?operator_suspended__eq=TRUE") == [device["id"]]
    assert await app.ids("/v3/devices?last_operator_suspended_category__in=maintenance,other") == [device["id"]]
    assert (await app.get("/v3/devices?state__eq=registered"))["total_count"] == 0
    await app.refused("POST", f"{path}/suspend", {"category": "other"}, 409, "conflict")
    await app.post(f"{path}/resume", {"category": "maintenance", "description": "Done"}, 204)
    resumed = await app.get(path)
    assert (resumed["lifecycle_status"], resumed["operator_suspended"]) == ("enabled", False)
    assert resumed["last_operator_suspended_description"] == "Done"
    await app.refused("POST", f"{path}/resume", {}, 409, "conflict")


async def test_a_block_category_has_only_small_letters_digits_and_underscores(app: App) -> None:
    device = await app.post("/v3/devices/", {})
    body = {"category": "Lost!", "description": "d" * 2001}
    error = await app.refused("POST", f"/v3/devices/{device['id']}/suspend", body, 400, "validation_error")
    assert {fault["name"] for fault in error["fields"]} == {"category", "description"}


async def test_the_categories_of_blocks_can_be_listed_filtered_and_read(app: App) -> None:
    found = await app.get("/v3/device-block-categories/?limit=2")
    references = [each["reference"] for each in found["data"]]
    assert len(references) == found["total_count"] == 5
    assert {"lost_or_stolen", "maintenance"} <= set(references)
    named = await app.get("/v3/device-block-categories?reference__in=maintenance,other")
    assert [each["reference"] for each in named["data"]] == ["maintenance", "other"]
    one = await app.get("/v3/device-block-categories/lost_or_stolen")
    assert one["object"] == "device-block-category"
    await app.refused("GET", "/v3/device-block-categories/bored", None, 404, "not_found")


async def test_another_accounts_device_is_answered_as_one_that_never_was(app: App) -> None:
    device = await app.post("/v3/devices/", {"device_execution_mode": 1})
    for method, suffix, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "mine now"}),
        ("DELETE", "", None),
        ("POST", "/suspend", {}),
        ("POST", "/resume", {}),
    ):
        seen, never = [
            await app.refused(method, f"/v3/devices/{each}{suffix}", body, 404, "not_found", OTHER)
            for each in (device["id"], NOBODY)
        ]
        assert seen["message"].replace(device["id"], NOBODY) == never["message"]
        await app.refused(method, f"/v3/devices/not-an-id{suffix}", body, 404, "not_found", OTHER)
    assert await app.get(f"/v3/devices/{device['id']}") == device
    assert (await app.get("/v3/devices", OTHER))["total_count"] == 0


async def test_a_key_that_may_only_read_changes_nothing(app: App) -> None:
    device = await app.post("/v3/devices/", {}, key=DEVELOPER)
    await app.refused("POST", "/v3/devices/", {}, 403, "access_denied", READER)
    await app.refused("PUT", f"/v3/devices/{device['id']}", {"name": "x"}, 403, "access_denied", READER)
    assert await app.get(f"/v3/devices/{device['id']}", READER) == device


async def test_an_account_cannot_have_more_devices_than_its_tier_allows(database: Database) -> None:
    app = App(database, Settings(access=Access(devices_tier_0=2)))
    first = await app.post("/v3/devices/", {"device_execution_mode": 1})
    await app.post("/v3/devices/", {"endpoint_name": "two"})
    error = await app.refused("POST", "/v3/devices/", {}, 403, "account_limit_exceeded")
    assert "2 devices" in error["message"] and "access.devices_tier_0" in error["message"]
    await app.refused("POST", "/v3/devices/", {"endpoint_name": "two"}, 409, "duplicate")
    assert (await app.get("/v3/devices"))["total_count"] == 2
    assert (await app.call("DELETE", f"/v3/devices/{first['id']}", key=ADMIN)).status_code == 204
    await app.post("/v3/devices/", {})
