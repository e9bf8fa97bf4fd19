"""The deprecated calls of one resource: values at once where they are of age, ids of the server's making otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from lamplighter.services.connect.service import Ending, Registered
from lamplighter.settings import Lwm2m, Settings
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, OTHER, TOKEN
from tests.services.connect.bench import AUTO_TOKEN, Bench, FakePeer

VALUE = "/3303/0/5700"
OPERATIONS = {
    "GET": "getResourceValue",
    "PUT": "updateResourceValue",
    "POST": "executeOrCreateResource",
    "DELETE": "deleteResourcePath",
}
SETTINGS = Settings(lwm2m=Lwm2m(command_queue=3))


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    bench = Bench(database, settings=SETTINGS)
    yield bench
    await bench.connect.close()


async def direct(
    bench: Bench, method: str, registered: Registered, path: str = VALUE, **more: object
) -> httpx2.Response:
    """A call; but for a value itself, whose body the contract does not describe, the answer keeps the contract."""
    url = f"/v2/endpoints/{registered.device_id}{path}"
    answer = await bench.call(method, url, **more)
    if answer.status_code not in (200, 204):
        answer = await bench.call(method, url, OPERATIONS[method], **more)
    return answer


async def started(bench: Bench, method: str, registered: Registered, path: str = VALUE, **more: object) -> str:
    """The id of the async response that will come."""
    url = f"/v2/endpoints/{registered.device_id}{path}"
    answer = await bench.call(method, url, OPERATIONS[method], **more)
    assert answer.status_code == 202, answer.text
    async_id: str = answer.json()["async-response-id"]
    return async_id


async def test_a_read_is_a_device_request_first_and_then_the_raw_value(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    async_id = await started(bench, "GET", registered, "//3303/0/5700")
    (await peer.asked()).answer(b"20.5")
    await bench.idle()
    assert await bench.ends() == {async_id: (200, "20.5")}
    bench.clock.advance(15)
    answer = await direct(bench, "GET", registered)
    assert (answer.status_code, answer.content) == (200, b"20.5")
    assert answer.headers["content-type"] == "text/plain" and answer.headers["cache-control"] == "max-age=45"
    assert peer.is_left_alone and len(await bench.ends()) == 1


async def test_cache_only_asks_no_device(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    answer = await direct(bench, "GET", registered, f"{VALUE}?cacheOnly=true")
    assert (answer.status_code, answer.content) == (205, b"") and peer.is_left_alone
    await bench.connect.notified(peer, AUTO_TOKEN, Message(Code.CONTENT, payload=b"2"))
    answer = await direct(bench, "GET", registered, "/10252/0/2?cacheOnly=true")
    assert (answer.status_code, answer.content) == (200, b"2")


async def test_a_write_an_execute_and_a_delete_reach_the_device_as_they_are(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    ids = []
    for method, path, body, media_type in (
        ("PUT", "/3/0/15", b"UTC", "text/plain"),
        ("PUT", "/3/0/15", b"CET", ""),
        ("POST", "/3/0/4", b"", ""),
        ("POST", "/3303", b"\xc1\x00\x01", "application/vnd.oma.lwm2m+tlv"),
        ("DELETE", "/3303/0", b"", ""),
    ):
        headers = {"content-type": media_type} if media_type else {}
        ids.append(await started(bench, method, registered, path, content=body, headers=headers))
        asked = await peer.asked()
        assert (asked.path, asked.message.payload) == (path, body)
        if media_type.endswith("tlv"):
            assert asked.message.content_format == ContentFormat.LWM2M_TLV
        assert asked.message.code == {"PUT": Code.PUT, "POST": Code.POST, "DELETE": Code.DELETE}[method]
        asked.answer(code=Code.CHANGED)
        await bench.idle()
    assert list(await bench.ends()) == ids


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_what_nobody_wants_to_hear_of_is_asked_once_and_need_not_be_acknowledged(
    bench: Bench, method: str
) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    answer = await bench.call(method, f"/v2/endpoints/{registered.device_id}/3/0/4?noResp=true")
    assert (answer.status_code, answer.content) == (204, b"")
    asked = await peer.asked()
    assert asked.message.type == Type.NON
    asked.answer(code=Code.CHANGED)
    await bench.idle()
    assert await bench.told_to("async-responses") == [("",)]  # no application has that name


async def test_the_next_request_waits_a_moment_only_for_one_that_nobody_hears(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamplighter.services.connect.deliveries.UNHEARD_WAIT", 0.01)
    peer = FakePeer()
    registered = await bench.register(peer)
    await bench.call("POST", f"/v2/endpoints/{registered.device_id}/3/0/4?noResp=true")
    await peer.asked()
    async_id = await started(bench, "GET", registered)
    (await peer.asked()).answer(b"20")
    await bench.idle()
    assert (await bench.ends())[async_id] == (200, "20") and peer.is_left_alone


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_what_is_refused_has_the_documented_statuses(bench: Bench, method: str) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    for path, status in (
        (f"{VALUE}?noResp=true", 409),
        (f"{VALUE}?noResp=maybe", 400),
        ("/9/0/1", 404),
        ("/lamp/one", 404),
        ("/3303/" + "0" * 300, 400),
    ):
        assert (await direct(bench, method, registered, path)).status_code == status, path
    assert (await direct(bench, method, registered, key=OTHER)).status_code == 404
    assert (await direct(bench, method, registered, key=TOKEN)).status_code == 403
    assert (await bench.call(method, f"/v2/endpoints/lamp{VALUE}")).status_code == 404
    bench.clock.advance(1000)  # it sleeps
    for _ in range(3):
        await started(bench, method, registered)
    assert (await direct(bench, method, registered)).status_code == 429
    await bench.connect.end(ACCOUNT, registered.device_id, Ending.EXPIRED, before=bench.clock.now())
    assert (await direct(bench, method, registered)).status_code == 410


async def test_a_media_type_that_devices_do_not_know_is_refused_and_a_forms_is_none(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    answer = await direct(bench, "PUT", registered, "/3/0/15", content=b"x", headers={"content-type": "image/png"})
    assert answer.status_code == 400 and answer.json()["fields"][0]["name"] == "content-type"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    await started(bench, "PUT", registered, "/3/0/15", content=b"UTC", headers=headers)
    assert (await peer.asked()).message.payload == b"UTC"


async def test_another_process_tells_the_value_that_the_devices_own_has(database: Database) -> None:
    bus = LocalBus()
    await bus.start()
    here, there = (Bench(database, settings=SETTINGS, bus=bus, process=name) for name in ("api", "lwm2m"))
    await there.connect.start()
    peer = FakePeer()
    registered = await there.register(peer)
    message = Message(Code.CONTENT, payload=b"2").add(Option.MAX_AGE, 30)
    await there.connect.notified(peer, AUTO_TOKEN, message)
    answer = await direct(here, "GET", registered, "/10252/0/2")
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, b"2", "max-age=30")
    await there.connect.close()
    answer = await direct(here, "GET", registered, "/10252/0/2?cacheOnly=true")
    assert answer.status_code == 205
    await here.connect.close()
    await bus.close()
