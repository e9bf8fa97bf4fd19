"""A device made of aiocoap: its own client and its own resources, against the LwM2M role over plain UDP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiocoap
import aiocoap.resource
import pytest

from lamplighter.storage.database import Database
from tests.conformance.marks import conforms
from tests.roles.lwm2m_serving import Serving

LINKS = b"</1/0>,</3/0>,</3303/0/5700>;obs"


class Value(aiocoap.resource.ObservableResource):
    """A resource to read, write, execute and observe."""

    def __init__(self, value: bytes) -> None:
        super().__init__()
        self.value = value
        self.executed = 0

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.value, content_format=0)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.value = request.payload
        self.updated_state()
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        self.executed += 1
        return aiocoap.Message(code=aiocoap.CHANGED)


class AiocoapDevice:
    """The device; its server and its client share one socket, as LwM2M needs."""

    def __init__(self, context: Any, site: Any, port: int) -> None:
        self.context = context
        self.uri = f"coap://127.0.0.1:{port}"
        self.lifetime = Value(b"60")
        self.temperature = Value(b"21.5")
        self.reboot = Value(b"")
        self.large = Value(bytes(range(256)) * 8)
        for path, value in (
            (("1", "0", "1"), self.lifetime),
            (("3303", "0", "5700"), self.temperature),
            (("3", "0", "4"), self.reboot),
            (("3", "0", "99"), self.large),
        ):
            site.add_resource(path, value)

    async def ask(self, code: Any, path: str, payload: bytes = b"") -> Any:
        message = aiocoap.Message(code=code, uri=self.uri + path, payload=payload)
        if payload:
            message.opt.content_format = 40
        return await self.context.request(message).response


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[Serving]:
    serving = Serving(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


@pytest.fixture
async def device(serving: Serving) -> AsyncIterator[AiocoapDevice]:
    site = aiocoap.resource.Site()
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    yield AiocoapDevice(context, site, serving.role.plain_port)
    await context.shutdown()


@conforms(
    "LightweightM2M-1.1-int-101",
    "LightweightM2M-1.1-int-201",
    "LightweightM2M-1.1-int-205",
    "LightweightM2M-1.1-int-224",
    peer="aiocoap device",
)
async def test_a_device_of_aiocoap_goes_through_the_whole_life_of_a_registration(
    serving: Serving, device: AiocoapDevice
) -> None:
    created = await device.ask(aiocoap.POST, "/rd?ep=aiocoap-device&lt=300&lwm2m=1.0&b=U", LINKS)
    assert created.code == aiocoap.CREATED
    location = "/" + "/".join(created.opt.location_path)
    device_id = created.opt.location_path[-1]

    read = await serving.request(device_id, "GET", "/3303/0/5700")
    assert (read["status"], base64.b64decode(read["payload"])) == (200, b"21.5")
    written = await serving.request(device_id, "PUT", "/1/0/1", b"300", **{"content-type": "text/plain"})
    assert written["status"] == 200 and device.lifetime.value == b"300"
    executed = await serving.request(device_id, "POST", "/3/0/4")
    assert executed["status"] == 200 and device.reboot.executed == 1
    assert (await serving.request(device_id, "DELETE", "/1/0/1"))["status"] == 405
    assert (await serving.request(device_id, "GET", "/3/0/77"))["status"] == 404
    long = await serving.request(device_id, "GET", "/3/0/99")
    assert base64.b64decode(long["payload"]) == device.large.value
    wrote = await serving.request(device_id, "PUT", "/3/0/99", b"y" * 3000)
    assert wrote["status"] == 200 and device.large.value == b"y" * 3000

    path = f"/v2/subscriptions/{device_id}/3303/0/5700"
    subscribed = (await serving.call("PUT", path, "addResourceSubscription")).json()["async-response-id"]
    first = await serving.response(subscribed)
    assert (first["status"], base64.b64decode(first["payload"])) == (200, b"21.5")
    device.temperature.value = b"22.0"
    device.temperature.updated_state()

    async def told() -> list[Any]:
        return [each.item for each in await serving.deliveries("notifications")]

    (item,) = await serving.until(told)
    assert (item["path"], base64.b64decode(item["payload"])) == ("/3303/0/5700", b"22.0")

    updated = await device.ask(aiocoap.POST, location)
    assert updated.code == aiocoap.CHANGED
    assert len(await serving.deliveries("reg-updates")) == 1
    deleted = await device.ask(aiocoap.DELETE, location)
    assert deleted.code == aiocoap.DELETED
    assert [each.item for each in await serving.deliveries("de-registrations")] == [device_id]
    assert (await device.ask(aiocoap.POST, location)).code == aiocoap.NOT_FOUND


async def test_a_long_registration_comes_in_blocks(serving: Serving, device: AiocoapDevice) -> None:
    links = b",".join(b"</3303/%d/5700>" % number for number in range(200))
    created = await device.ask(aiocoap.POST, "/rd?ep=aiocoap-device&lt=300&lwm2m=1.0&b=U", links)
    assert created.code == aiocoap.CREATED
    answer = await serving.call("GET", f"/v2/endpoints/{created.opt.location_path[-1]}", "getEndpointResources")
    assert len(answer.json()) == 200
