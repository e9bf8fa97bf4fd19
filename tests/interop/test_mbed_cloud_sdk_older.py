"""The older interface of the unmodified mbed-cloud-sdk 2.2.0 for Python, which is made on urllib3: all but its channels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tests.interop.sdk import FAR_AWAY, OLD_SDK, SOME_TIME_AGO, Sdk, beside_the_server

pytestmark = OLD_SDK


@beside_the_server
def test_the_older_interface_keeps_devices_and_its_filters_find_them(sdk: Sdk) -> None:
    from mbed_cloud import DeviceDirectoryAPI

    api = DeviceDirectoryAPI(sdk.config)
    made = api.add_device(
        name="old lamp",
        certificate_fingerprint="e" * 30,
        certificate_issuer_id="e" * 32,
        alias="old-lamp",
        vendor_id="e" * 32,
        device_execution_mode=1,
        custom_attributes={"colour": "warm white & dim", "empty": ""},
    )
    assert api.update_device(made.id, name="older lamp").name == "older lamp"
    assert (
        api.get_device(made.id).alias == "old-lamp"
        and api.get_device(made.id).custom_attributes["colour"] == "warm white & dim"
    )
    found = functools.partial(_ids, api.list_devices)
    assert set(sdk.devices) < set(found())
    assert set(found(filters={"state": {"$eq": "registered"}, "created_at": {"$gte": SOME_TIME_AGO}})) == set(
        sdk.devices
    )
    assert found(filters={"custom_attributes": {"colour": {"$eq": "warm white & dim"}}}) == [made.id]
    assert found(filters={"alias": {"$in": "old-lamp,other-lamp"}, "created_at": {"$lte": FAR_AWAY}}) == [made.id]
    assert found(filters={"vendor_id": {"$neq": ""}, "device_type": {"$eq": ""}}) == [made.id]
    assert found(order="desc") == found(order="asc")[::-1]
    assert found(order="asc", limit=2) == found(order="asc")[:2]
    assert len(api.list_devices()) == len(found())
    assert sdk.devices[0] in _ids(api.list_device_events, key="device_id")
    event = next(iter(api.list_device_events()))
    assert api.get_device_event(event.id).device_id == event.device_id
    api.delete_device(made.id)
    assert made.id not in found()


@beside_the_server
def test_the_older_interface_keeps_queries_as_they_were_given(sdk: Sdk) -> None:
    from mbed_cloud import DeviceDirectoryAPI

    api = DeviceDirectoryAPI(sdk.config)
    conditions = {"created_at": {"$gte": "2019-01-01T00:00:00Z"}, "custom_attributes": {"foo": {"$eq": "bar"}}}
    made = api.add_query("Bars", conditions)
    kept = api.get_query(made.id).filter
    assert kept == {"created_at": {"$gte": "2019-01-01T00:00:00Z"}, "custom_attributes": {"foo": {"$eq": "bar"}}}
    assert api.update_query(made.id, name="Pubs").filter == kept
    assert _ids(api.list_queries, filters={"name": {"$eq": "Pubs"}}) == [made.id]
    api.delete_query(made.id)
    assert made.id not in _ids(api.list_queries)


@beside_the_server
def test_the_older_interface_manages_account_users_keys_and_groups(sdk: Sdk) -> None:
    from mbed_cloud import AccountManagementAPI

    api = AccountManagementAPI(sdk.config)
    assert api.get_account().status == "ACTIVE"
    groups = {each.name: each.id for each in api.list_groups()}
    assert {"Administrators", "Developers"} <= set(groups)
    key = api.add_api_key("of the older interface", groups=[groups["Developers"]])
    assert key.key.startswith("ak_1") and api.get_api_key(key.id).name == "of the older interface"
    assert key.id in _ids(api.list_group_api_keys, groups["Developers"])
    assert api.update_api_key(key.id, name="renamed").name == "renamed"
    api.delete_api_key(key.id)
    assert key.id not in _ids(api.list_api_keys)
    user = api.add_user("older.lamp", "older@example.com", groups=[groups["Developers"]])
    assert user.id in _ids(api.list_group_users, groups["Developers"])
    assert api.update_user(user.id, full_name="Older Lamp").full_name == "Older Lamp"
    assert user.id in _ids(api.list_users)
    assert api.get_group(groups["Developers"]).user_count >= 1


@beside_the_server
def test_the_older_interface_stores_pre_shared_keys(sdk: Sdk) -> None:
    from mbed_cloud import BootstrapAPI

    api = BootstrapAPI(sdk.config)
    api.add_psk(endpoint_name="psk-of-the-sdk-0002", secret_hex="cd" * 16)
    assert api.get_psk("psk-of-the-sdk-0002").endpoint_name == "psk-of-the-sdk-0002"
    assert "psk-of-the-sdk-0002" in [each.endpoint_name for each in api.list_psks()]
    api.delete_psk("psk-of-the-sdk-0002")
    assert api.get_psk("psk-of-the-sdk-0002") is None


def _ids(call: Callable[..., Any], *arguments: Any, key: str = "id", **more: Any) -> list[str]:
    """What a listing call finds."""
    return [getattr(each, key) for each in call(*arguments, **more)]
