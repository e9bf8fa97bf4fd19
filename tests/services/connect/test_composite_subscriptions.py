"""Observe-Composite: one subscription to several paths, one observation, a notification a resource."""

from __future__ import annotations

import base64
from typing import Any

import cbor2
import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import Value, encode
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.path import ROOT, parse_path
from lamplighter.services.connect.service import Registered, parse_identity
from lamplighter.services.connect.targets import MOST_TOGETHER, NEVER, RELATIVE
from tests.api.toy import ACCOUNT, OTHER
from tests.services.connect.bench import Asked, Bench, FakePeer

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
LINKS = (Link("/3/0"), Link("/3303/0"), Link("/14/0"))
TOGETHER = "/3/0/9,/3303/0"
SENML = ContentFormat.SENML_CBOR


def url(registered: Registered, target: str = TOGETHER) -> str:
    return f"/v2/subscriptions/{registered.device_id}{target}"


def content(values: dict[str, Value], content_format: int = SENML, observe: int = 2) -> Message:
    payload = encode(content_format, [(parse_path(path), value) for path, value in values.items()], ROOT)
    return notification(payload, content_format, observe)


def notification(payload: bytes, content_format: int = SENML, observe: int = 2) -> Message:
    message = Message(Code.CONTENT, payload=payload).add(Option.OBSERVE, observe).add(Option.MAX_AGE, 30)
    return message.add(Option.CONTENT_FORMAT, content_format)


def shown(item: dict[str, Any]) -> tuple[str, bytes]:
    return item["path"], base64.b64decode(item["payload"])


async def device(bench: Bench, peer: FakePeer, **more: Any) -> Registered:
    return await bench.register(peer, links=LINKS, **{"version": "1.1", **more})


async def observed(bench: Bench, peer: FakePeer, registered: Registered, target: str = TOGETHER) -> Asked:
    """A subscription to which the device has agreed."""
    answer = await bench.call("PUT", url(registered, target), "addResourceSubscription")
    assert answer.status_code == 202, answer.text
    asked = await peer.asked()
    asked.future.set_result(content({"/3/0/9": 80, "/3303/0/5700": 20.5}))
    await bench.idle()
    assert asked.token is not None
    return asked


async def test_several_paths_are_one_fetch_with_observe_and_a_notification_each(bench: Bench) -> None:
    peer = FakePeer()
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered)
    message = asked.message
    assert (message.code, message.observe, asked.path) == (Code.FETCH, 0, "/")
    assert (message.content_format, message.accept) == (SENML, SENML)
    assert cbor2.loads(message.payload) == [{0: "/3/0/9"}, {0: "/3303/0"}]
    (response,) = await bench.told("async-responses")
    assert (response["status"], response["ct"]) == (200, "application/senml+cbor")
    assert asked.token is not None
    assert await bench.connect.notified(peer, asked.token, content({"/3/0/9": 79, "/3303/0/5700": 21.5}))
    told = await bench.told("notifications")
    assert [shown(item) for item in told] == [("/3/0/9", b"79"), ("/3303/0/5700", b"21.5")]
    assert told[0] == {
        "ep": registered.device_id,
        "path": "/3/0/9",
        "ct": "text/plain",
        "payload": "Nzk=",
        "max-age": "30",
    }
    assert await bench.told_to("notifications") == [("subject",)] * 2


async def test_the_same_paths_in_another_order_are_the_same_subscription(bench: Bench) -> None:
    peer = FakePeer()
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered, "/3303/0/,//3/0/9,/3/0/9,")
    assert cbor2.loads(asked.message.payload) == [{0: "/3/0/9"}, {0: "/3303/0"}]
    assert (await bench.call("PUT", url(registered), "addResourceSubscription")).status_code == 200
    assert (await bench.call("GET", url(registered, "/3303/0%2C3/0/9"), "checkResourceSubscription")).status_code == 200
    listed = await bench.call("GET", f"/v2/subscriptions/{registered.device_id}", "getEndpointSubscriptions")
    assert listed.text == TOGETHER
    assert (await bench.call("GET", url(registered, "/3/0/9"))).status_code == 404
    assert peer.is_left_alone


async def test_the_observation_ends_with_the_last_who_is_subscribed(bench: Bench) -> None:
    peer = FakePeer()
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered)
    await bench.connect.subscribe(ACCOUNT, "second", registered.device_id, TOGETHER)
    again = await peer.asked()
    assert again.token == asked.token
    again.future.set_result(content({"/3/0/9": 80}))
    await bench.idle()
    assert (await bench.call("DELETE", url(registered, "/3303/0,/3/0/9"))).status_code == 204
    assert peer.cancelled == []
    assert asked.token is not None and await bench.connect.notified(peer, asked.token, content({"/3/0/9": 79}))
    assert await bench.told_to("notifications") == [("second",)]
    await bench.connect.unsubscribe(ACCOUNT, "second", registered.device_id)
    assert peer.cancelled == [(asked.token, True)]
    assert not await bench.connect.notified(peer, asked.token, content({"/3/0/9": 78}))


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [((), 112), ((110,), 110), ((110, 112), 112), ((11542,), 112)],
    ids=["none named", "JSON alone", "both", "TLV alone"],
)
async def test_the_form_of_senml_is_the_one_that_the_device_takes(
    bench: Bench, formats: tuple[int, ...], chosen: int
) -> None:
    peer = FakePeer()
    registered = await device(bench, peer, content_formats=formats, root="/lwm2m")
    asked = await observed(bench, peer, registered)
    assert (asked.message.content_format, asked.message.accept, asked.path) == (chosen, chosen, "/lwm2m")


async def test_a_device_of_1_0_is_not_asked_and_another_that_refuses_is_not_observed(bench: Bench) -> None:
    old, peer = FakePeer(), FakePeer("192.0.2.2 5000")
    registered = await device(bench, old, version="1.0", name="old")
    await bench.call("PUT", url(registered), "addResourceSubscription")
    await bench.idle()
    assert old.is_left_alone
    assert [each["status"] for each in await bench.told("async-responses")] == [412]
    assert (await bench.call("GET", url(registered))).status_code == 404
    other = await device(bench, peer)
    await bench.call("PUT", url(other), "addResourceSubscription")
    (await peer.asked()).answer(code=Code.METHOD_NOT_ALLOWED)
    await bench.idle()
    assert [each["status"] for each in await bench.told("async-responses")] == [412, 412]
    assert (await bench.call("GET", url(other))).status_code == 404


async def test_paths_that_cannot_be_observed_together_are_refused(bench: Bench) -> None:
    peer = FakePeer()
    links = (*LINKS, Link("/Test/0/D"))
    registered = await bench.register(peer, links=links, version="1.1")
    for target in ("/3/0/9,/9/9", "/3/0/9,/Test/0/D", "/3/0/9,/65535/0"):
        assert (await bench.call("PUT", url(registered, target))).json()["type"] == "not_found"
    many = ",".join(f"/14/0/{number}" for number in range(MOST_TOGETHER + 1))
    answer = await bench.call("PUT", url(registered, many))
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert (await bench.call("PUT", url(registered), key=OTHER)).json()["type"] == "not_found"
    assert peer.is_left_alone


async def test_a_notification_that_is_no_list_of_values_is_acknowledged_and_tells_nothing(bench: Bench) -> None:
    peer = FakePeer()
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered)
    assert asked.token is not None
    assert await bench.connect.notified(peer, asked.token, notification(b"\xff"))
    assert await bench.connect.notified(peer, asked.token, notification(b"79", ContentFormat.TEXT))
    assert await bench.told("notifications") == []
    assert await bench.connect.notified(peer, asked.token, content({"/3/0/9": 78}))
    assert len(await bench.told("notifications")) == 1


async def test_what_is_observed_together_tells_of_the_device_itself(bench: Bench) -> None:
    peer = FakePeer()
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered, "/14/0/0,/14/0/2,/3/0/2")
    assert asked.token is not None
    await bench.connect.notified(peer, asked.token, content({"/3/0/2": "4711"}))
    assert (await bench.directory.retrieve(ACCOUNT, registered.device_id)).serial_number == "4711"


async def test_they_are_observed_again_in_another_session_and_forgotten_with_a_full_registration(bench: Bench) -> None:
    peer, again = FakePeer(), FakePeer("192.0.2.2 5000")
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered)
    bench.connect.disconnected(peer)
    await bench.update(again, registered)
    anew = await again.asked()
    assert (anew.message.code, anew.message.observe, anew.message.payload) == (Code.FETCH, 0, asked.message.payload)
    anew.future.set_result(content({"/3/0/9": 80}))
    await bench.idle()
    assert anew.token is not None and await bench.connect.notified(again, anew.token, content({"/3/0/9": 79}))
    await device(bench, again)
    assert (await bench.call("GET", url(registered))).status_code == 404  # as every subscription made by hand


async def test_a_restart_takes_them_up_with_the_session(bench: Bench) -> None:
    peer, restored = FakePeer(), FakePeer("192.0.2.2 5000")
    peer.session = restored.session = "stored"
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered)
    assert asked.token is not None
    after = Bench(bench.database, clock=bench.clock)
    async with after.database.transaction() as tx:
        moved = await after.connect.move(tx, parse_identity(registered.credential), "stored", restored.address)
    assert moved is not None and moved.observed == {TOGETHER: asked.token}
    after.connect.moved(moved, restored)
    assert await after.connect.notified(restored, asked.token, content({"/3/0/9": 79}))
    assert restored.is_left_alone and list(restored.adopted) == [asked.token]
    await after.connect.close()


@pytest.mark.parametrize(
    ("time", "measured"),
    [(0, None), (-60, -60_000), (60, 60_000), (RELATIVE, RELATIVE * 1000), (NEVER, None), (-2e9, None)],
    ids=["now", "a minute ago", "in a minute", "absolute", "too late", "before 1970"],
)
async def test_the_time_that_a_device_gives_its_value_is_told(bench: Bench, time: float, measured: int | None) -> None:
    peer = FakePeer()
    registered = await device(bench, peer)
    asked = await observed(bench, peer, registered)
    record = {0: "/3/0/9", 2: 79, **({6: time} if time else {})}
    assert asked.token is not None
    await bench.connect.notified(peer, asked.token, notification(cbor2.dumps([record])))
    (item,) = await bench.told("notifications")
    now = bench.clock.now() // 1000
    expected = None if measured is None else measured if time >= RELATIVE else now + measured
    assert item.get("measured-at") == expected
