"""The foundation entities of the unmodified mbed-cloud-sdk 2.2.0 for Python, which are made on requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.sdk import FAR_AWAY, OLD_SDK, SOME_TIME_AGO, Sdk, beside_the_server

pytestmark = OLD_SDK


@beside_the_server
def test_devices_are_created_read_changed_listed_and_deleted_as_entities(sdk: Sdk) -> None:
    device = sdk.foundation.device(
        name="Lamp 1",
        endpoint_name="lamp-of-the-sdk",
        custom_attributes={"street": "High Street"},
        device_key="a" * 30,
        ca_id="b" * 32,
        vendor_id="c" * 32,
        device_execution_mode=1,
    )
    device.create()
    assert len(device.id) == 32 and device.created_at.tzinfo is not None
    read = sdk.foundation.device(id=device.id).read()
    assert (read.name, read.endpoint_name, read.custom_attributes) == (
        "Lamp 1",
        "lamp-of-the-sdk",
        {"street": "High Street"},
    )
    read.name = "Lamp 2"
    read.update()
    assert sdk.foundation.device(id=device.id).read().name == "Lamp 2"
    assert device.id in [each.id for each in sdk.foundation.device().list()]
    device.delete()
    assert device.id not in [each.id for each in sdk.foundation.device().list()]
    with pytest.raises(_api_error()) as refused:
        sdk.foundation.device(id=device.id).read()
    assert refused.value.status_code == 404 and refused.value.content["type"] == "not_found"


@beside_the_server
def test_entities_are_listed_in_pages_in_order_and_counted(sdk: Sdk) -> None:
    devices = sdk.foundation.device()
    found = [each.id for each in devices.list(order="ASC", page_size=2, include="total_count")]
    assert found == sorted(found) and set(sdk.devices) <= set(found)
    assert [each.id for each in devices.list(order="DESC", page_size=2)] == found[::-1]
    assert [each.id for each in devices.list(order="ASC", page_size=2, max_results=1)] == found[:1]
    assert len(devices.list()) == len(found)
    assert devices.list().first().id in found


@beside_the_server
def test_the_filters_of_entities_find_what_they_name(sdk: Sdk) -> None:
    lamps = [
        sdk.foundation.device(
            name=f"filtered {number}",
            endpoint_name=f"filtered-{number}",
            ca_id="f" * 32,
            device_key=str(number) * 30,
            device_execution_mode=number,
            custom_attributes={"number": str(number)},
        ).create()
        for number in (0, 1)
    ]
    first, second = (each.id for each in lamps)

    def found(**conditions: Any) -> set[str]:
        return {each.id for each in sdk.foundation.device().list(filter=conditions, page_size=2)}

    assert found(name={"eq": "filtered 1"}) == {second}
    assert found(name={"in": ["filtered 0", "filtered 1"]}) == {first, second}
    assert found(ca_id={"eq": "f" * 32}, name={"nin": ["filtered 0", "filtered 2"]}) == {second}
    assert found(id={"in": [first, second]}, name={"neq": "filtered 0"}) == {second}
    assert found(ca_id={"eq": "f" * 32}, device_execution_mode={"eq": 1}) == {second}
    assert found(ca_id={"eq": "f" * 32}, device_execution_mode={"neq": 1}) == {first}
    assert found(ca_id={"eq": "f" * 32}, created_at={"gte": SOME_TIME_AGO, "lte": FAR_AWAY}) == {first, second}
    assert found(ca_id={"eq": "f" * 32}, created_at={"lte": SOME_TIME_AGO}) == set()
    assert found(custom_attributes={"eq": {"number": "1"}}) == {second}
    assert found(state={"eq": "registered"}, auto_update={"eq": False}) == set(sdk.devices)
    assert found(name={"eq": None}) == set()


@beside_the_server
def test_groups_of_devices_are_made_filled_filtered_emptied_and_deleted(sdk: Sdk) -> None:
    group = sdk.foundation.device_group(name="Street", description="Lamps of one street").create()
    for each in sdk.devices[:2]:
        group.add_device(device_id=each)
    assert {each.id for each in group.devices()} == set(sdk.devices[:2])
    assert {each.id for each in group.devices(filter={"id": {"eq": sdk.devices[0]}})} == {sdk.devices[0]}
    listed = {
        each.id: each.devices_count for each in sdk.foundation.device_group().list(filter={"devices_count": {"gte": 2}})
    }
    assert listed == {group.id: 2}
    assert not list(sdk.foundation.device_group().list(filter={"devices_count": {"nin": [0, 2]}}))
    sdk.foundation.device(id=sdk.devices[0]).remove_from_group(device_group_id=group.id)
    group.remove_device(device_id=sdk.devices[1])
    assert not list(group.devices())
    group.name = "Square"
    group.update()
    assert sdk.foundation.device_group(id=group.id).read().name == "Square"
    group.delete()
    assert not list(sdk.foundation.device_group().list(filter={"name": {"eq": "Square"}}))


@beside_the_server
def test_what_happened_to_devices_is_listed_as_events(sdk: Sdk) -> None:
    events = list(sdk.foundation.device_events().list(filter={"date_time": {"gte": SOME_TIME_AGO}}))
    ours = [each for each in events if each.device_id == sdk.devices[0]]
    assert any(each.state_change for each in ours)
    read = sdk.foundation.device_events(id=ours[0].id).read()
    assert (read.device_id, read.event_type) == (ours[0].device_id, ours[0].event_type)


@beside_the_server
def test_account_users_and_keys_are_managed_as_entities(sdk: Sdk) -> None:
    account = sdk.foundation.account().me(include="limits, policies")
    assert account.status == "ACTIVE" and len(account.id) == 32
    own = sdk.foundation.api_key().me()
    assert own.name == "of the SDK" and own.status == "ACTIVE"
    key = sdk.foundation.api_key(name="another").create()
    assert key.key.startswith("ak_1")
    key.name = "renamed"
    key.update()
    assert {each.name for each in sdk.foundation.api_key().list()} == {"of the SDK", "renamed"}
    assert [each.id for each in sdk.foundation.api_key().list(filter={"key": {"eq": key.key}})] == [key.id]
    key.delete()
    user = sdk.foundation.user(email="lamp@example.com", username="lamp.lighter", full_name="Lamp Lighter")
    user.create()
    assert user.status in ("RESET", "INVITED")  # its password is still to be chosen
    assert [each.email for each in sdk.foundation.user().list(filter={"email": {"eq": "lamp@example.com"}})] == [
        "lamp@example.com"
    ]
    changed = sdk.foundation.user(id=user.id).read()
    changed.phone_number = "+44 20 7946 0000"
    changed.update()
    assert sdk.foundation.user(id=user.id).read().phone_number == "+44 20 7946 0000"
    assert user.id in [each.id for each in account.users()]
    assert {"of the SDK"} <= {each.name for each in account.api_keys()}
    user.status = "INACTIVE"
    user.update()
    user.delete()
    assert user.id not in [each.id for each in sdk.foundation.user().list()]


@beside_the_server
def test_pre_shared_keys_and_developer_certificates_are_made_as_entities(sdk: Sdk) -> None:
    name = "psk-of-the-sdk-0001"
    # its id is what the API calls endpoint_name
    key = sdk.foundation.pre_shared_key(id=name).create(secret_hex="ab" * 16)
    assert sdk.foundation.pre_shared_key(id=name).read().created_at is not None
    assert name in [each.endpoint_name for each in sdk.foundation.pre_shared_key().list(page_size=2)]
    key.delete()
    assert name not in [each.endpoint_name for each in sdk.foundation.pre_shared_key().list()]
    made = sdk.foundation.developer_certificate(name="of the SDK", description="For one test").create()
    assert made.security_file_content.count("#include <inttypes.h>") == 1
    read = sdk.foundation.developer_certificate(id=made.id).read()
    assert (read.name, read.certificate) == ("of the SDK", made.certificate)
    bootstrap = sdk.foundation.server_credentials().get_bootstrap()
    lwm2m = sdk.foundation.server_credentials().get_lwm2m()
    assert bootstrap.server_uri.startswith("coaps://") and lwm2m.server_uri.startswith("coaps://")
    assert "BEGIN CERTIFICATE" in lwm2m.server_certificate and "END CERTIFICATE" in lwm2m.server_certificate


def _api_error() -> type[Exception]:
    from mbed_cloud.sdk import ApiErrorResponse

    error: type[Exception] = ApiErrorResponse
    return error
