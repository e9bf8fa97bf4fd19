"""The channels of the unmodified mbed-cloud-sdk 2.2.0 for Python: its polling thread and its webhook. It has no other."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.interop.sdk import DEVICES, OLD_SDK, WAIT, Sdk, beside_the_server
from tests.roles.simulated import simulated

pytestmark = OLD_SDK


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


async def test_a_device_that_registers_is_told_and_its_pre_subscribed_value_arrives(sdk: Sdk) -> None:
    from mbed_cloud import ConnectAPI

    api = ConnectAPI(sdk.config)
    path = "/3311/0/5851"
    try:
        states = await asyncio.to_thread(api.subscribe, api.subscribe.channels.DeviceStateChanges())
        values = await asyncio.to_thread(api.subscribe, api.subscribe.channels.ResourceValues("*", path))
        (rule,) = await asyncio.to_thread(api.list_presubscriptions)
        assert (rule.device_id, rule.resource_paths) == ("*", [path])
        async with simulated(sdk.serving, 1, first=DEVICES + 1) as (device,):
            while (state := await _next(states))["device_id"] != device:
                pass
            assert state["channel"] == "registrations"
            while (value := await _next(values))["device_id"] != device:
                pass
            assert value["resource_path"] == path
        while (state := await _next(states))["device_id"] != device:
            pass
        assert state["channel"] == "de_registrations"
    finally:
        await asyncio.to_thread(api.delete_presubscriptions)
        await asyncio.to_thread(api.stop_notifications)
    assert not await asyncio.to_thread(api.list_presubscriptions)


async def _next(observer: Any) -> Any:
    """What the observer hears next."""
    return await asyncio.to_thread(lambda: observer.next().block(timeout=WAIT))


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


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
