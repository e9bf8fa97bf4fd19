"""What became of a request to a device: waiting, sent, or why it failed; and what is not done twice."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.numbers import Code
from lamplighter.services.connect.service import Ending, NoAnswer
from tests.api.toy import ACCOUNT, OTHER
from tests.services.connect.bench import Bench, FakePeer

DAY = 86400


async def told(bench: Bench, name: str) -> dict[str, Any]:
    answer = await bench.call("GET", f"/v3/device-requests/{name}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def post(bench: Bench, device_id: str, async_id: str, body: dict[str, Any], query: str = "") -> str:
    """A request that is accepted; its request ID."""
    path = f"/v2/device-requests/{device_id}?async-id={async_id}{query}"
    answer = await bench.call("POST", path, "createAsyncRequest", json=body)
    assert (answer.status_code, answer.content) == (202, b""), answer.text
    return str(answer.headers["x-request-id"])


async def test_a_request_that_waits_says_for_what_by_either_of_its_ids(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    await bench.idle()
    bench.clock.advance(94)
    request_id = await post(bench, registered.device_id, "one", {"method": "GET", "uri": "/3/0/0"})
    for name in (request_id, "one"):
        shown = await told(bench, name)
        assert (shown["id"], shown["async_id"], shown["state"]) == (request_id, "one", "waiting")
        assert shown["details"] == {"deliveries_left": 3} and shown["why"]


async def test_a_silent_device_is_told_of_with_its_session_and_retransmissions(bench: Bench) -> None:
    peer = FakePeer()
    peer.facts = {"security": "DTLS 1.2, TLS_PSK_WITH_AES_128_CCM_8", "connection_id": "01"}
    registered = await bench.register(peer)
    request_id = await post(bench, registered.device_id, "one", {"method": "GET", "uri": "/3/0/0"})
    (await peer.asked()).fail(NoAnswer(retransmissions=5))
    (await peer.asked()).fail(NoAnswer(retransmissions=5))
    await bench.idle()
    shown = await told(bench, "one")
    assert (shown["id"], shown["state"], shown["status"], shown["error"]) == (request_id, "ended", 504, "TIMEOUT")
    assert shown["why"] == "The device did not answer in time."
    assert shown["details"]["retransmissions"] == 5
    assert shown["details"]["session"] == f"open, at {peer.address}"
    assert shown["details"].items() >= peer.facts.items()


async def test_a_refusal_is_told_with_its_coap_code_and_diagnostic(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await post(bench, registered.device_id, "one", {"method": "PUT", "uri": "/3/0/0", "payload-b64": "eA=="})
    (await peer.asked()).answer(b"read only", code=Code.METHOD_NOT_ALLOWED)
    await bench.idle()
    shown = await told(bench, "one")
    assert (shown["status"], shown["error"]) == (405, None)
    assert shown["details"] == {"coap_code": "4.05 METHOD_NOT_ALLOWED", "diagnostic": "read only"}


async def test_an_execute_cut_by_a_crash_ends_in_doubt_and_says_why(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await post(bench, registered.device_id, "execute", {"method": "POST", "uri": "/3/0/4"})
    await peer.asked()
    assert (await told(bench, "execute"))["state"] == "sent"
    await bench.connect.close()  # nothing of it is written when a process ends: the tables are as after a crash
    after = Bench(bench.database, clock=bench.clock, bus=LocalBus())
    again = FakePeer()
    await after.update(again, registered)
    await after.idle()
    assert again.is_left_alone and await after.ends() == {"execute": (504, "TIMEOUT")}
    shown = await told(after, "execute")
    assert "was not sent again" in shown["why"] and shown["details"] == {"process": "lwm2m"}
    await after.connect.close()


@pytest.mark.parametrize(
    ("how", "status", "error", "words"),
    [
        (None, 429, "REQUEST_EXPIRED", "expiry-seconds"),
        (Ending.DEREGISTERED, 429, "DEVICE_REMOVED_REGISTRATION", "registration ended"),
        (Ending.SUSPENDED, 429, "DEVICE_BLOCKED", "suspended"),
    ],
)
async def test_what_was_never_delivered_says_why(
    bench: Bench, how: Ending | None, status: int, error: str, words: str
) -> None:
    registered = await bench.register(FakePeer(), queue_mode=True)
    await bench.idle()
    bench.clock.advance(94)
    await post(bench, registered.device_id, "one", {"method": "GET", "uri": "/3/0/0"}, "&expiry-seconds=60")
    if how is None:
        bench.clock.advance(61)
        await bench.connect.expire()
    else:
        await bench.connect.end(ACCOUNT, registered.device_id, how, before=bench.clock.now())
    shown = await told(bench, "one")
    assert (shown["status"], shown["error"]) == (status, error) and words in shown["why"]


async def test_what_succeeded_or_is_unknown_or_anothers_is_not_told(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await post(bench, registered.device_id, "good", {"method": "GET", "uri": "/3/0/0"})
    (await peer.asked()).answer(b"x")
    await post(bench, registered.device_id, "bad", {"method": "GET", "uri": "/3/0/0"})
    (await peer.asked()).answer(code=Code.NOT_FOUND)
    await bench.idle()
    for name, key in (("good", None), ("never", None), ("bad", OTHER)):
        more = {} if key is None else {"key": key}
        assert (await bench.call("GET", f"/v3/device-requests/{name}", **more)).status_code == 404
    bench.clock.advance(8 * DAY)
    assert await bench.connect.outcomes.prune() == 1
    assert (await bench.call("GET", "/v3/device-requests/bad")).status_code == 404


async def test_an_execute_sent_again_within_its_life_is_done_once(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    body = {"method": "POST", "uri": "/3/0/4"}
    await post(bench, registered.device_id, "one", body, "&expiry-seconds=600")
    await post(bench, registered.device_id, "one", body, "&expiry-seconds=600")
    (await peer.asked()).answer(code=Code.CHANGED)
    await bench.idle()
    bench.clock.advance(500)
    await post(bench, registered.device_id, "one", body)  # its answer 202 may have been lost
    await bench.idle()
    assert peer.is_left_alone and await bench.ends() == {"one": (200, "")}
    assert (await told(bench, "one"))["why"] == "The device has done it."
    await post(bench, registered.device_id, "one", {**body, "uri": "/3/0/5"})  # another request
    (await peer.asked()).answer(code=Code.CHANGED)
    await bench.idle()
    bench.clock.advance(101)
    await post(bench, registered.device_id, "one", body)
    (await peer.asked()).answer(code=Code.CHANGED)
    await bench.idle()
    assert len(await bench.told("async-responses")) == 3


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("async-id=" + "a" * 40, 202),
        ("async-id=A-z_09", 202),
        ("async-id=%C3%A4", 400),
        ("async-id=", 400),
        ("async-id=a&retry=0", 202),
        ("async-id=a&retry=10", 202),
        ("async-id=a&retry=-1", 400),
        ("async-id=a&retry=11", 400),
        ("async-id=a&expiry-seconds=60", 202),
        ("async-id=a&expiry-seconds=2592000", 202),
        ("async-id=a&expiry-seconds=59", 400),
        ("async-id=a&expiry-seconds=2592001", 400),
    ],
)
async def test_the_bounds_of_the_parameters_are_those_of_the_contract(bench: Bench, query: str, status: int) -> None:
    registered = await bench.register(FakePeer())
    path = f"/v2/device-requests/{registered.device_id}?{query}"
    answer = await bench.call("POST", path, "createAsyncRequest", json={"method": "GET", "uri": "/3/0/0"})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("queue_mode", "retries", "seconds"), [(False, 0, 2 * 3600), (True, 2, 3 * DAY)])
async def test_retries_and_expiry_are_by_the_devices_mode_where_nobody_says(
    bench: Bench, queue_mode: bool, retries: int, seconds: int
) -> None:
    registered = await bench.register(FakePeer(), queue_mode=queue_mode, lifetime=3 * DAY)
    await bench.idle()
    bench.clock.advance(94)
    await post(bench, registered.device_id, "one", {"method": "GET", "uri": "/3/0/0"})
    row = await told(bench, "one")
    assert row["details"]["deliveries_left"] == retries + 1
    bench.clock.advance(seconds - 1)
    await bench.connect.commands.expire()
    assert await bench.ends() == {}
    bench.clock.advance(1)
    await bench.connect.commands.expire()
    assert list(await bench.ends()) == ["one"]
    await bench.connect.close()


@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 202), (1024 * 1024 + 1, 400)])
async def test_a_payload_has_a_mebibyte_at_most(bench: Bench, size: int, status: int) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    body = {"method": "PUT", "uri": "/3/0/15", "payload-b64": base64.b64encode(b"x" * size).decode()}
    path = f"/v2/device-requests/{registered.device_id}?async-id=large"
    answer = await bench.call("POST", path, "createAsyncRequest", json=body)
    assert answer.status_code == status
    if status == 202:
        assert len((await peer.asked()).message.payload) == size
    else:
        assert answer.text == "MALFORMED_JSON_CONTENT"


async def test_write_attributes_create_and_execute_reach_the_device_as_they_are(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    tlv = {"content-type": "application/vnd.oma.lwm2m+tlv", "payload-b64": base64.b64encode(b"\xc1\x00\x01").decode()}
    for body, path, query, payload in (
        (
            {"method": "PUT", "uri": "/3303/0/5700?lt=10&gt=60&pmax=120"},
            "/3303/0/5700",
            ["lt=10", "gt=60", "pmax=120"],
            b"",
        ),
        ({"method": "POST", "uri": "/3303", **tlv}, "/3303", [], b"\xc1\x00\x01"),
        ({"method": "POST", "uri": "/3/0/4"}, "/3/0/4", [], b""),
    ):
        await post(bench, registered.device_id, f"r-{path.count('/')}-{len(query)}", body)
        asked = await peer.asked()
        assert (asked.path, asked.message.payload) == (path, payload)
        assert [value.decode() for number, value in asked.message.options if number == 15] == query
        asked.answer(code=Code.CHANGED)
        await bench.idle()
    assert {end[0] for end in (await bench.ends()).values()} == {200}
