"""The unmodified mbed-cloud-sdk 2.2.0 for Python against a running server and simulated devices.

Both of its halves are used: the foundation entities (on requests) and the older interface (on urllib3), whose thread polls
for notifications. Its calls block, so each test runs them in a thread beside the server's loop. What the SDK does with
trusted certificates, pre-subscriptions, enrolments and updates is not here: the server has none of them yet.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import gc
import queue
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from tests.outbound.receivers import LOOPBACK
from tests.roles.serving import Serving, settings_for
from tests.roles.simulated import simulated
from tests.servers import free_port

# The SDK is of 2020: its own deprecated calls and its announcements of beta features are not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mbed_cloud"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

DEVICES = 3
#: Seconds the SDK waits for a device's answer.
WAIT = 15
SOME_TIME_AGO = datetime.datetime(2019, 1, 1)
FAR_AWAY = datetime.datetime(2090, 1, 1)


class Sdk(NamedTuple):
    """An application's view of the server: where it is, its API key, and the simulated devices."""

    host: str
    api_key: str
    devices: list[str]

    @property
    def config(self) -> dict[str, str]:
        """For the older interface."""
        return {"host": self.host, "api_key": self.api_key}

    @property
    def foundation(self) -> Any:
        from mbed_cloud import SDK

        return SDK(api_key=self.api_key, host=self.host).foundation


@pytest.fixture(scope="module")
async def sdk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sdk]:
    settings = settings_for(
        http={"plain_port": free_port(), "plaintext_api": True}, outbound={"allowed_networks": LOOPBACK}
    )
    serving = Serving(tmp_path_factory.mktemp("sdk"), settings)
    await serving.start()
    groups = (await serving.call("GET", "/v3/policy-groups")).json()["data"]
    administrators = [each["id"] for each in groups if each["name"] == "Administrators"]
    made = await serving.call("POST", "/v3/api-keys", json={"name": "of the SDK", "groups": administrators})
    assert made.status_code == 201, made.text
    async with simulated(serving, DEVICES) as devices:
        yield Sdk(f"http://127.0.0.1:{serving.process.plain_port}", made.json()["key"], devices)
    await serving.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # the SDK leaves its connections and thread pools to the collector


def beside_the_server(test: Callable[[Sdk], None]) -> Callable[[Sdk], Awaitable[None]]:
    """Run a test that blocks in a thread of its own, so that the server goes on."""

    @functools.wraps(test)
    async def run(sdk: Sdk) -> None:
        await asyncio.to_thread(test, sdk)

    return run


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


@beside_the_server
def test_resources_of_a_device_are_read_written_executed_and_their_errors_told(sdk: Sdk) -> None:
    from mbed_cloud import ConnectAPI
    from mbed_cloud.exceptions import CloudAsyncError

    api = ConnectAPI(sdk.config)
    device = sdk.devices[0]
    try:
        assert {each.id for each in api.list_connected_devices()} == set(sdk.devices)
        assert "/3311/0" in [each.path for each in api.list_resources(device)]
        assert api.get_resource_value(device, "/3/0/0", timeout=WAIT) == "Lamplighter"
        api.set_resource_value(device, "/3311/0/5851", "42", timeout=WAIT)
        assert api.get_resource_value(device, "/3311/0/5851", timeout=WAIT) == "42"
        api.execute_resource(device, "/3303/0/5605", timeout=WAIT)
        with pytest.raises(CloudAsyncError) as refused:
            api.get_resource_value(device, "/3311/0/5999", timeout=WAIT)
        assert refused.value.status == 404
        assert api.get_resource_value_async("0" * 32, "/3/0/0") is None  # what the SDK makes of a 404
    finally:
        api.stop_notifications()


@beside_the_server
def test_notifications_of_a_subscribed_resource_arrive_by_the_polling_thread(sdk: Sdk) -> None:
    from mbed_cloud import ConnectAPI

    api = ConnectAPI(sdk.config)
    device, path = sdk.devices[1], "/3311/0/5851"
    api.start_notifications()
    try:
        heard = api.add_resource_subscription(device, path)
        assert api.get_resource_subscription(device, path)
        assert api.list_device_subscriptions(device) == [path]
        for value in ("7", "8"):
            api.set_resource_value(device, path, value, timeout=WAIT)
            while _text(heard.get(timeout=WAIT)) != value:  # the value at subscription may come first
                pass
        called: queue.Queue[Any] = queue.Queue()
        api.add_resource_subscription_async(device, path, lambda *about: called.put(about))
        api.set_resource_value(device, path, "9", timeout=WAIT)
        assert called.get(timeout=WAIT)[:2] == (device, path)
        api.delete_resource_subscription(device, path)
        assert not api.get_resource_subscription(device, path)
    finally:
        api.delete_device_subscriptions(device)
        api.stop_notifications()


@beside_the_server
def test_a_current_value_arrives_through_the_subscription_manager(sdk: Sdk) -> None:
    from mbed_cloud import ConnectAPI

    api = ConnectAPI(sdk.config)
    try:
        channel = api.subscribe.channels.CurrentResourceValue(sdk.devices[2], "/3/0/0")
        assert _text(api.subscribe(channel).next().block(timeout=WAIT)) == "Lamplighter"
    finally:
        api.stop_notifications()


@beside_the_server
def test_values_and_notifications_arrive_by_the_webhook_of_the_application(sdk: Sdk) -> None:
    from mbed_cloud import ConnectAPI

    api = ConnectAPI({**sdk.config, "autostart_notification_thread": False})
    device, path = sdk.devices[0], "/3311/0/5851"
    with _listening(api) as (url, heard):
        assert api.get_webhook() is None
        api.update_webhook(url, headers={"X-Lamp": "lit"})
        try:
            assert api.get_webhook().url == url
            assert api.get_resource_value(device, "/3/0/0", timeout=WAIT) == "Lamplighter"
            values = api.add_resource_subscription(device, path)
            for value in ("17", "18"):
                api.set_resource_value(device, path, value, timeout=WAIT)
                while _text(values.get(timeout=WAIT)) != value:
                    pass
            api.update_webhook(url + "/moved")  # again: it replaces the first
            assert api.get_webhook().url == url + "/moved"
            assert api.get_resource_value(device, "/3/0/0", timeout=WAIT) == "Lamplighter"
        finally:
            api.delete_device_subscriptions(device)
            api.delete_webhook()
        assert api.get_webhook() is None
    assert {each[:2] for each in heard} == {("/hook", "lit"), ("/hook/moved", None)}


@contextmanager
def _listening(api: Any) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A receiver as an application of the SDK has it: it answers, and hands on what came. Its URL, and paths and headers."""
    heard: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, self.headers["X-Lamp"]))
            if body != b"{}":
                api.notify_webhook_received(body.decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ids(call: Callable[..., Any], *arguments: Any, key: str = "id", **more: Any) -> list[str]:
    """What a listing call finds."""
    return [getattr(each, key) for each in call(*arguments, **more)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _api_error() -> type[Exception]:
    from mbed_cloud.sdk import ApiErrorResponse

    error: type[Exception] = ApiErrorResponse
    return error
