"""Devices over TLS and TCP, as they and applications see it."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from lamplighter.coap.framing import Framing
from lamplighter.coap.numbers import Code
from lamplighter.services.connect.direct_operations import operations as direct_operations
from lamplighter.settings import Coap, Lwm2m, Settings
from lamplighter.storage.database import Database
from lamplighter.transport.tcp_client import ConnectionRefused
from tests.api.toy import ACCOUNT, Toy
from tests.roles.house import House
from tests.roles.lwm2m_device import PATIENCE, with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET, SETTINGS, Serving
from tests.roles.stream_device import StreamDevice

NAME = "my-first-device-01"


def new_device(serving: Serving, framing: Framing) -> StreamDevice:
    device = StreamDevice(serving.changed, framing)
    serving.devices.append(device)
    return device


async def with_tls(serving: Serving, framing: Framing = Framing.RECORD) -> StreamDevice:
    """A device in a session by pre-shared key over TLS, not registered."""
    await serving.device_with_key(NAME)
    device = new_device(serving, framing)
    await device.connect_tls(with_key(NAME, SECRET), serving.role.tls_port)
    return device


async def connected(serving: Serving, kind: str, framing: Framing) -> StreamDevice:
    if kind == "tcp":
        device = new_device(serving, framing)
        await device.connect_tcp(serving.role.tcp_port)
        return device
    if kind == "key":
        return await with_tls(serving, framing)
    credential = serving.authority.issue_device(NAME, ACCOUNT, await serving.ensured(NAME))
    device = new_device(serving, framing)
    await device.connect_tls(
        with_certificate(credential, serving.authority.device_ca.certificate), serving.role.tls_port
    )
    return device


@pytest.mark.parametrize(
    ("kind", "framing"),
    [
        ("key", Framing.RECORD),
        ("key", Framing.RFC8323),
        ("certificate", Framing.RECORD),
        ("certificate", Framing.RFC8323),
        ("tcp", Framing.PREFIX),
        ("tcp", Framing.RFC8323),
    ],
)
async def test_a_device_registers_is_read_observed_updates_and_leaves(
    serving: Serving, kind: str, framing: Framing
) -> None:
    device = await connected(serving, kind, framing)
    assert (await device.register(NAME)).code == Code.CREATED
    device_id = device.location[-1]
    assert (await serving.directory.retrieve(ACCOUNT, device_id)).state == "registered"

    read = await serving.request(device_id, "GET", "/3/0/0")
    assert read["status"] == 200 and base64.b64decode(read["payload"]) == b"maker"
    large = b"l" * 3000
    written = await serving.request(device_id, "PUT", "/1/0/1", large, **{"content-type": "text/plain"})
    assert written["status"] == 200 and device.resources["/1/0/1"] == large

    path = f"/v2/subscriptions/{device_id}//3303/0/5700"
    answer = await serving.call("PUT", path)
    first = await serving.response(answer.json()["async-response-id"])
    assert (first["status"], base64.b64decode(first["payload"])) == (200, b"21.5")
    device.notify("/3303/0/5700", b"22.0")

    async def told() -> list[object]:
        return [each.item for each in await serving.deliveries("notifications")]

    ((item),) = await serving.until(told)
    assert base64.b64decode(item["payload"]) == b"22.0"
    assert (await device.update()).code == Code.CHANGED
    assert (await device.deregister()).code == Code.DELETED
    assert [each.item for each in await serving.deliveries("de-registrations")] == [device_id]


@pytest.mark.parametrize("framing", [Framing.RECORD, Framing.RFC8323])
async def test_a_request_without_a_response_reaches_the_device_and_the_connection_goes_on(
    serving: Serving, framing: Framing
) -> None:
    device = await with_tls(serving, framing)
    await device.register(NAME)
    toy = Toy(SETTINGS, bound=direct_operations.bind(serving.connect))
    answer = await toy.call("POST", f"/v2/endpoints/{device.location[-1]}/3/0/4?noResp=true")
    assert (answer.status_code, answer.content) == (204, b"")
    async with asyncio.timeout(PATIENCE):
        while device.executed != ["/3/0/4"]:
            serving.changed.clear()
            await serving.changed.wait()
    assert (await serving.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert await serving.deliveries("async-responses") and device.executed == ["/3/0/4"]


async def test_a_connection_that_breaks_while_an_answer_is_awaited_gives_502(serving: Serving) -> None:
    device = await with_tls(serving)
    await device.register(NAME)
    device.mute = True
    waiting = asyncio.create_task(serving.request(device.location[-1], "GET", "/3/0/0"))

    async def asked() -> bool:
        return bool(device.requests)

    await serving.until(asked)
    device.transport.abort()
    response = await waiting
    assert response["status"] == 502 and "error" not in response


async def test_deleting_a_key_ends_the_session_and_keeps_the_ticket_from_coming_back(serving: Serving) -> None:
    device = await with_tls(serving)
    await device.register(NAME)
    await serving.credentials.delete_key(ACCOUNT, NAME)
    async with asyncio.timeout(PATIENCE):
        assert await device.reasons.get() == "the server closed the session"
    await device.connect_tls(with_key(NAME, SECRET), serving.role.tls_port)  # a client that resumes is done first
    async with asyncio.timeout(PATIENCE):
        await device.reasons.get()
    fresh = new_device(serving, Framing.RECORD)
    with pytest.raises(ConnectionRefused):
        await fresh.connect_tls(with_key(NAME, SECRET), serving.role.tls_port)


async def test_a_device_that_comes_back_gets_what_waited_for_it(serving: Serving) -> None:
    device = await with_tls(serving)
    await device.register(NAME, binding="UQ")
    device.transport.abort()
    async with asyncio.timeout(PATIENCE):
        await device.reasons.get()
    waiting = asyncio.create_task(serving.request(device.location[-1], "GET", "/3/0/0"))
    await device.connect_tls(with_key(NAME, SECRET), serving.role.tls_port)
    assert device.transport.resumed
    assert (await device.update()).code == Code.CHANGED
    assert (await waiting)["status"] == 200


async def test_a_device_goes_on_after_a_restart_although_its_ticket_is_worth_nothing_then(house: House) -> None:
    first = await house.start()
    device = await with_tls(first)
    await device.register(NAME)
    device.transport.abort()
    async with asyncio.timeout(PATIENCE):
        await device.reasons.get()
    await house.stop(first)
    second = await house.start()
    await device.connect_tls(with_key(NAME, SECRET), second.role.tls_port)
    assert not device.transport.resumed
    assert (await device.update()).code == Code.CHANGED
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200


async def test_an_old_connection_that_ends_late_does_not_take_the_new_one_with_it(serving: Serving) -> None:
    old = await with_tls(serving)
    await old.register(NAME)
    new = await with_tls(serving)
    await new.register(NAME)
    old.transport.abort()
    async with asyncio.timeout(PATIENCE):
        await old.reasons.get()
    response = await serving.request(new.location[-1], "GET", "/3/0/0")
    assert response["status"] == 200 and new.requests and not old.requests


async def test_tcp_is_closed_where_the_setting_says_so(database: Database, tmp_path: Path) -> None:
    settings = Settings(coap=Coap(host="127.0.0.1", port=0, tcp=False), lwm2m=Lwm2m(port=0))
    serving = Serving(database, tmp_path, settings)
    await serving.start()
    assert (serving.role.tls_port, serving.role.tcp_port) == (0, 0)
    await serving.close()
