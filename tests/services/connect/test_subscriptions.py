"""Subscriptions: one observation of a device for all who subscribed, and what each of them is told."""

from __future__ import annotations

import base64

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.services.connect import service
from lamplighter.services.connect.service import NoAnswer, PeerGone, Registered
from tests.api.toy import ACCOUNT, OTHER, TOKEN
from tests.services.connect.bench import AUTO_TOKEN, Asked, Bench, FakePeer

RESOURCE = "/3303/0/5700"


def url(registered: Registered, path: str = RESOURCE) -> str:
    return f"/v2/subscriptions/{registered.device_id}{path}"


def content(payload: bytes) -> Message:
    return Message(Code.CONTENT, payload=payload)


async def subscribe(bench: Bench, registered: Registered, path: str = RESOURCE) -> str:
    """The async id."""
    answer = await bench.call("PUT", url(registered, path), "addResourceSubscription")
    assert answer.status_code == 202, answer.text
    async_id: str = answer.json()["async-response-id"]
    return async_id


async def observed(bench: Bench, peer: FakePeer, path: str = RESOURCE) -> Asked:
    """The device agrees to be observed."""
    asked = await peer.asked()
    assert (asked.path, asked.message.observe) == (path, 0) and asked.token is not None
    asked.answer(b"20", observe=1)
    await bench.idle()
    return asked


async def second_subscriber(bench: Bench, registered: Registered) -> None:
    await bench.connect.subscribe(ACCOUNT, "second", registered.device_id, RESOURCE)


async def test_a_subscription_is_observed_answered_and_notified(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    async_id = await subscribe(bench, registered, "//3303/0/5700/")
    assert await subscribe(bench, registered) == async_id  # while the device has not answered
    assert (await bench.call("GET", url(registered), "checkResourceSubscription")).status_code == 200
    asked = await observed(bench, peer)
    assert await bench.ends() == {async_id: (200, "20")}
    assert (await bench.call("PUT", url(registered), "addResourceSubscription")).status_code == 200
    assert asked.token is not None and await bench.connect.notified(peer, asked.token, content(b"21"))
    (item,) = await bench.told("notifications")
    assert item == {
        "ep": registered.device_id,
        "path": RESOURCE,
        "payload": base64.b64encode(b"21").decode(),
        "ct": "text/plain",
        "max-age": "60",
    }
    assert await bench.told_to("notifications") == [("subject",)]
    listed = await bench.call("GET", f"/v2/subscriptions/{registered.device_id}", "getEndpointSubscriptions")
    assert (listed.text, listed.headers["content-type"]) == (RESOURCE, "text/uri-list")


async def test_many_subscribers_cost_the_device_one_observation_until_the_last_leaves(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await subscribe(bench, registered)
    first = await observed(bench, peer)
    await second_subscriber(bench, registered)
    refreshed = await observed(bench, peer)
    assert refreshed.token == first.token is not None
    await bench.connect.notified(peer, first.token, content(b"21"))
    assert await bench.told_to("notifications") == [("second", "subject")]
    assert (await bench.call("DELETE", url(registered), "deleteResourceSubscription")).status_code == 204
    assert peer.cancelled == []
    await bench.connect.unsubscribe(ACCOUNT, "second", registered.device_id)
    assert peer.cancelled == [(first.token, True)]
    assert not await bench.connect.notified(peer, first.token, content(b"22"))
    for path in (url(registered), url(registered, "")):
        assert (await bench.call("GET", path)).status_code == 404
        assert (await bench.call("DELETE", path)).status_code == 204


@pytest.mark.parametrize(
    ("code", "observe", "status"),
    [
        (Code.CONTENT, None, 412),
        (Code.METHOD_NOT_ALLOWED, None, 412),
        (Code.PRECONDITION_FAILED, None, 412),
        (Code.NOT_FOUND, None, 404),
    ],
)
async def test_a_resource_that_cannot_be_observed_is_no_subscription(
    bench: Bench, code: Code, observe: int | None, status: int
) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    async_id = await subscribe(bench, registered)
    (await peer.asked()).answer(code=code, observe=observe)
    await bench.idle()
    assert await bench.ends() == {async_id: (status, "")}
    assert (await bench.call("GET", url(registered), "checkResourceSubscription")).status_code == 404


async def test_a_device_that_does_not_answer_is_not_subscribed_to(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    async_id = await subscribe(bench, registered)
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).fail(NoAnswer())
    await bench.idle()
    assert await bench.ends() == {async_id: (504, "TIMEOUT")}
    assert (await bench.call("GET", url(registered))).status_code == 404


async def test_what_a_device_observes_itself_is_subscribed_to_without_asking_it(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    assert await bench.connect.notified(peer, AUTO_TOKEN, content(b"2"))
    assert await bench.told_to("notifications") == [()]  # for the services that follow the log
    async_id = await subscribe(bench, registered, "/10252/0/2")
    assert peer.is_left_alone
    assert await bench.ends() == {async_id: (200, "2")}
    await bench.connect.notified(peer, AUTO_TOKEN, content(b"3"))
    assert await bench.told_to("notifications") == [(), ("subject",)]
    await bench.connect.unsubscribe(ACCOUNT, "subject", registered.device_id, "/10252/0/2")
    assert peer.cancelled == []


async def test_the_value_in_a_registration_answers_a_subscription(bench: Bench) -> None:
    registered = await bench.register(FakePeer())
    async_id = await subscribe(bench, registered, "/10252/0/2")
    assert await bench.ends() == {async_id: (200, "1")}


async def test_a_full_registration_ends_subscriptions_but_not_those_still_asked_for(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await subscribe(bench, registered)
    first = await observed(bench, peer)
    await subscribe(bench, registered, "/3/0")
    pending = await peer.asked()
    await bench.register(peer)
    assert first.token is not None and (first.token, False) in peer.cancelled
    assert not await bench.connect.notified(peer, first.token, content(b"21"))
    assert (await bench.call("GET", url(registered))).status_code == 404
    pending.answer(b"x", observe=1)
    await bench.idle()
    assert (await bench.call("GET", url(registered, "/3/0"))).status_code == 200
    assert pending.token is not None and await bench.connect.notified(peer, pending.token, content(b"y"))


async def test_a_device_that_comes_back_in_another_session_is_observed_again(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await subscribe(bench, registered)
    await observed(bench, peer)
    after = Bench(bench.database, clock=bench.clock, bus=LocalBus())
    again = FakePeer()
    await after.update(again, registered)
    asked = await observed(after, again)
    assert asked.token is not None and await after.connect.notified(again, asked.token, content(b"21"))
    assert await after.told_to("notifications") == [("subject",)]


async def test_a_subscription_deleted_before_the_device_was_asked_ends_as_failed(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    await bench.idle()
    bench.clock.advance(94)
    async_id = await subscribe(bench, registered)
    await bench.call("DELETE", url(registered))
    await bench.update(peer, registered)
    await bench.idle()
    assert peer.is_left_alone and await bench.ends() == {async_id: (412, "")}


async def test_the_subscriptions_of_an_application_that_ended_end_on_every_device(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ENDED_TOGETHER", 2)
    peers = [FakePeer() for _ in range(3)]
    registered = [await bench.register(peer, f"lamp-{number}") for number, peer in enumerate(peers)]
    for device, peer in zip(registered, peers, strict=True):
        await subscribe(bench, device)
        await observed(bench, peer)
    await second_subscriber(bench, registered[1])
    await observed(bench, peers[1])
    await bench.connect.subject_ended(ACCOUNT, "subject")
    assert [len(peer.cancelled) for peer in peers] == [1, 0, 1]
    for device in registered:
        assert await bench.connect.subscriptions.paths(ACCOUNT, "subject", device.device_id) == []
    assert await bench.connect.subscriptions.paths(ACCOUNT, "second", registered[1].device_id) == [RESOURCE]


async def test_a_sleeping_device_is_not_woken_to_cancel(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    await subscribe(bench, registered)
    asked = await observed(bench, peer)
    await bench.call("DELETE", url(registered))
    assert peer.cancelled == [(asked.token, False)]


async def test_a_notification_that_is_no_success_ends_the_observation(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await subscribe(bench, registered)
    asked = await observed(bench, peer)
    assert asked.token is not None and await bench.connect.notified(peer, asked.token, Message(Code.NOT_FOUND))
    assert not await bench.connect.notified(peer, asked.token, content(b"21"))
    assert await bench.told("notifications") == []


async def test_a_stranger_is_not_notified_for(bench: Bench) -> None:
    assert not await bench.connect.notified(FakePeer(), b"token", content(b"21"))


@pytest.mark.parametrize(("device", "path"), [("%00", ""), ("x", "/3/0"), ("{id}", "/%00"), ("{id}", "/a%00b")])
async def test_what_can_be_no_device_or_path_is_not_subscribed_to(bench: Bench, device: str, path: str) -> None:
    registered = await bench.register(FakePeer())
    where = f"/v2/subscriptions/{device.format(id=registered.device_id)}{path}"
    assert (await bench.call("GET", where)).json()["type"] == "not_found"
    assert (await bench.call("DELETE", where)).status_code == 204
    if path:
        assert (await bench.call("PUT", where)).json()["type"] == "not_found"
    assert (await bench.call("GET", f"/v2/endpoints/{device.format(id='%00')}")).json()["type"] == "not_found"


async def test_a_session_that_ends_while_a_device_is_asked_to_be_observed_is_followed_by_its_next(
    bench: Bench,
) -> None:
    peer, again = FakePeer(), FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    async_id = await subscribe(bench, registered)
    asked = await peer.asked()
    bench.connect.disconnected(peer)
    asked.fail(PeerGone())
    await bench.idle()
    assert await bench.ends() == {}
    await bench.update(again, registered)
    asked = await observed(bench, again)
    assert await bench.ends() == {async_id: (200, "20")}
    assert asked.token is not None and await bench.connect.notified(again, asked.token, content(b"21"))


async def test_who_may_not_subscribe_is_told_why(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    path = url(registered)
    answer = await bench.call("PUT", path, "addResourceSubscription", key=OTHER)
    assert answer.json()["type"] == "not_found"
    assert (await bench.call("PUT", url(registered, "/9/9/9"))).status_code == 404
    assert (await bench.call("PUT", path, key=TOKEN)).json()["type"] == "access_denied"
    for number in (1, 2, 3):
        await bench.request(registered.device_id, f"r{number}")
    full = await bench.call("PUT", path, "addResourceSubscription")
    assert (full.status_code, full.json()["type"]) == (429, "rate_limit_exceeded")
    assert (await bench.call("GET", path)).status_code == 404
