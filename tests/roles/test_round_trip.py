"""The main job on real input: a device over DTLS and an application over HTTPS meet, in one process and in two."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lamplighter.clock import SystemClock
from lamplighter.roles.process import Process
from lamplighter.simulator.fleet import Credential, Fleet
from tests.roles.serving import Serving, settings_for
from tests.servers import NatsServer

DEVICE = Credential("round-trip-lamp-1", b"\x11" * 16)


@asynccontextmanager
async def connected(port: int, serving: Serving) -> AsyncIterator[str]:
    """A simulated device that has registered; its id."""
    body = {"endpoint_name": DEVICE.endpoint_name, "secret_hex": DEVICE.key.hex()}
    assert (await serving.call("POST", "/v2/device-shared-keys", json=body)).status_code == 201
    stop = asyncio.Event()
    fleet = asyncio.create_task(Fleet([DEVICE], "127.0.0.1", port, clock=SystemClock(), seed=7).run(stop))
    try:
        async with asyncio.timeout(20):
            while not (found := (await serving.call("GET", "/v2/endpoints")).json()):
                pass
        yield found[0]["name"]
    finally:
        stop.set()
        await fleet


async def poll(serving: Serving, key: str, number: int = 1) -> list[Any]:
    """Entries of one kind from the channel, as many as asked for."""
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < number:
            answer = await serving.call("GET", "/v2/notification/pull")
            if answer.status_code == 200:
                found += answer.json().get(key, [])
    return found


async def round_trip(serving: Serving, device: str) -> None:
    """Find, read, write, observe, be told; and the errors that go with it."""
    listed = (await serving.call("GET", "/v3/devices?filter=state%3Dregistered")).json()
    assert [(each["id"], each["endpoint_name"], each["state"]) for each in listed["data"]] == [
        (device, DEVICE.endpoint_name, "registered")
    ]
    paths = {each["uri"] for each in (await serving.call("GET", f"/v2/endpoints/{device}")).json()}
    assert {"/3/0", "/3303/0", "/3311/0"} <= paths

    async def request(async_id: str, **body: Any) -> Any:
        answer = await serving.call("POST", f"/v2/device-requests/{device}?async-id={async_id}", json=body)
        assert (answer.status_code, answer.content) == (202, b""), answer.text
        (response,) = await poll(serving, "async-responses")
        assert response["id"] == async_id
        return response

    read = await request("read", method="GET", uri="/3/0/0")
    assert (read["status"], base64.b64decode(read["payload"])) == (200, b"Lamplighter")
    on = base64.b64encode(b"1").decode()
    written = await request(
        "write", **{"method": "PUT", "uri": "/3311/0/5850", "content-type": "text/plain", "payload-b64": on}
    )
    assert (written["status"], written["payload"]) == (200, "")
    assert base64.b64decode((await request("again", method="GET", uri="/3311/0/5850"))["payload"]) == b"1"
    assert (await request("execute", method="POST", uri="/3303/0/5605"))["status"] == 200
    assert (await request("missing", method="GET", uri="/3303/0/9999"))["status"] == 404
    refused = await serving.call(
        "POST", f"/v2/device-requests/{device}?async-id=x", json={"method": "GET", "uri": "/7777/0/1"}
    )
    assert (refused.status_code, refused.text) == (400, "RESOURCE_NOT_FOUND")
    subscribed = await serving.call("PUT", f"/v2/subscriptions/{device}//3303/0/5700")
    assert subscribed.status_code == 202
    (response,) = await poll(serving, "async-responses")
    assert (response["id"], response["status"]) == (subscribed.json()["async-response-id"], 200)
    notified = await poll(serving, "notifications", 2)
    assert {each["path"] for each in notified} == {"/3303/0/5700"} and {each["ep"] for each in notified} == {device}
    assert 0 < float(base64.b64decode(notified[0]["payload"])) < 50
    listing = await serving.call("GET", f"/v2/subscriptions/{device}")
    assert listing.text.strip() == "/3303/0/5700"
    assert (await serving.call("DELETE", f"/v2/subscriptions/{device}/3303/0/5700")).status_code == 204


async def test_a_device_and_an_application_meet_in_one_process(database_url: str, tmp_path: Path) -> None:
    serving = Serving(tmp_path, settings_for(database_url, channels={"long_poll": 1.0}))
    await serving.start()
    assert serving.process.lwm2m is not None
    async with connected(serving.process.lwm2m.port, serving) as device:
        await serving.call("GET", "/v2/notification/pull")
        await round_trip(serving, device)
        events = (await serving.call("GET", f"/v3/device-events?device_id__eq={device}")).json()["data"]
        assert "DEV_REGISTERED" in {each["event_type"] for each in events}
    await poll(serving, "de-registrations")
    assert (await serving.call("GET", "/v2/endpoints")).json() == []
    assert (await serving.call("GET", f"/v3/devices/{device}")).json()["state"] == "deregistered"
    gone = await serving.call(
        "POST", f"/v2/device-requests/{device}?async-id=late", json={"method": "GET", "uri": "/3/0/0"}
    )
    assert (gone.status_code, gone.text) == (400, "DEVICE_NOT_CONNECTED")
    await serving.close()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_device_at_one_process_is_reached_from_another(
    database_url: str, nats: NatsServer, tmp_path: Path
) -> None:
    settings = settings_for(database_url, bus={"url": nats.url}, channels={"long_poll": 1.0})
    api = Serving(tmp_path, settings)
    api.process = Process(tmp_path, settings, "api")
    await api.start()
    gateway = Process(tmp_path, settings, "lwm2m")
    await gateway.start()
    assert api.process.lwm2m is None and gateway.lwm2m is not None
    async with connected(gateway.lwm2m.port, api) as device:
        await api.call("GET", "/v2/notification/pull")
        await round_trip(api, device)
        suspended = await api.call("POST", f"/v3/devices/{device}/suspend", json={"category": "maintenance"})
        assert suspended.status_code == 204
        assert await poll(api, "de-registrations") == [device]
        assert (await api.call("GET", f"/v3/devices/{device}")).json()["lifecycle_status"] == "blocked"
    await gateway.close()
    await api.close()


async def test_a_deleted_key_ends_the_devices_session_within_a_second(tmp_path: Path) -> None:
    serving = Serving(tmp_path, settings_for(channels={"long_poll": 1.0}))
    await serving.start()
    assert serving.process.lwm2m is not None
    async with connected(serving.process.lwm2m.port, serving) as device:
        began = asyncio.get_running_loop().time()
        assert (await serving.call("DELETE", f"/v2/device-shared-keys/{DEVICE.endpoint_name}")).status_code == 204
        async with asyncio.timeout(10):
            while (await serving.call("GET", f"/v3/devices/{device}")).json()["state"] == "registered":
                pass
        assert asyncio.get_running_loop().time() - began < 5  # a second, on a machine that has nothing else to do
    await serving.close()


async def test_a_device_over_the_accounts_limit_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    serving = Serving(tmp_path, settings_for(access={"devices_tier_1": 1}))
    await serving.start()
    assert serving.process.lwm2m is not None
    made = await serving.call("POST", "/v3/devices", json={"endpoint_name": "the-only-one"})
    assert made.status_code == 201
    over = await serving.call("POST", "/v3/devices", json={"endpoint_name": "one-too-many"})
    assert (over.status_code, over.json()["type"]) == (403, "account_limit_exceeded")
    body = {"endpoint_name": DEVICE.endpoint_name, "secret_hex": DEVICE.key.hex()}
    assert (await serving.call("POST", "/v2/device-shared-keys", json=body)).status_code == 201
    stop = asyncio.Event()
    fleet = Fleet([DEVICE], "127.0.0.1", serving.process.lwm2m.port, clock=SystemClock(), seed=7)
    running = asyncio.create_task(fleet.run(stop))
    async with asyncio.timeout(20):
        while not fleet.summary().failures:
            assert (await serving.call("GET", "/v3/devices")).json()["total_count"] == 1
    stop.set()
    await running
    await serving.close()
