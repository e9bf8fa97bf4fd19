"""Requests to devices: what is refused, what is queued, and how each of them ends exactly once."""

from __future__ import annotations

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.numbers import Code
from lamplighter.services.connect.service import AnswerTooLarge, Ending, NoAnswer, PeerGone
from tests.api.toy import ACCOUNT, OTHER, TOKEN
from tests.services.connect.bench import Bench, FakePeer

GET = {"method": "GET", "uri": "/3/0/0"}
ASYNC = "?async-id=one"


@pytest.mark.parametrize(
    ("query", "body", "status", "answer"),
    [
        (ASYNC, {"method": "GET", "uri": "/3/0/0?pmin=1"}, 202, ""),
        (ASYNC, {"method": "GET", "uri": "3303/0/5700"}, 202, ""),
        (ASYNC, {"method": "GET", "uri": "/3303/0/5701"}, 400, "RESOURCE_NOT_FOUND"),
        (ASYNC, {"method": "GET", "uri": "/9/0/1"}, 400, "RESOURCE_NOT_FOUND"),
        (ASYNC, {"method": "GET", "uri": "/lamp/one"}, 404, "URI_PATH_DOES_NOT_EXISTS"),
        (ASYNC, {"method": "GET", "uri": "/"}, 404, "URI_PATH_DOES_NOT_EXISTS"),
        ("", GET, 400, "MALFORMED_ASYNC_ID"),
        ("?async-id=not%20one", GET, 400, "MALFORMED_ASYNC_ID"),
        ("?async-id=" + "a" * 41, GET, 400, "MALFORMED_ASYNC_ID"),
        (ASYNC, [], 400, "MALFORMED_JSON_CONTENT"),
        (ASYNC, {"uri": "/3/0/0"}, 400, "MALFORMED_JSON_CONTENT"),
        (ASYNC, {"method": "FETCH", "uri": "/3/0/0"}, 400, "MALFORMED_JSON_CONTENT"),
        (ASYNC, {**GET, "payload-b64": "*"}, 400, "MALFORMED_JSON_CONTENT"),
        (ASYNC, {**GET, "accept": "image/png"}, 400, "MALFORMED_JSON_CONTENT"),
        ("", [], 400, "MALFORMED_JSON_CONTENT"),
        ("", {}, 400, "MALFORMED_ASYNC_ID,MALFORMED_JSON_CONTENT"),
    ],
)
async def test_a_request_is_accepted_or_answered_by_the_contracts_words(
    bench: Bench, query: str, body: object, status: int, answer: str
) -> None:
    registered = await bench.register(FakePeer())
    path = f"/v2/device-requests/{registered.device_id}{query}"
    given = await bench.call("POST", path, "createAsyncRequest", json=body)
    assert (given.status_code, given.text) == (status, answer)


@pytest.mark.parametrize("query", ["&retry=11", "&retry=x", "&expiry-seconds=59"])
async def test_other_faulty_parameters_are_answered_by_the_error_object(bench: Bench, query: str) -> None:
    registered = await bench.register(FakePeer())
    answer = await bench.call("POST", f"/v2/device-requests/{registered.device_id}{ASYNC}{query}", json=GET)
    assert answer.json()["type"] == "validation_error"
    assert answer.json()["fields"][0]["name"] == query[1:].partition("=")[0]


async def test_a_device_of_nobody_of_another_account_or_without_registration_is_told_apart(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    path = f"/v2/device-requests/{registered.device_id}{ASYNC}"
    assert (await bench.call("POST", path, json=GET, key=OTHER)).text == "DEVICE_NOT_FOUND"
    assert (await bench.call("POST", f"/v2/device-requests/x{ASYNC}", json=GET)).status_code == 404
    assert (await bench.call("POST", path, json=GET, key=TOKEN)).status_code == 403
    await bench.connect.end(ACCOUNT, registered.device_id, Ending.EXPIRED, before=bench.clock.now())
    answer = await bench.call("POST", path, json=GET)
    assert (answer.status_code, answer.text) == (400, "DEVICE_NOT_CONNECTED")


async def test_requests_reach_a_device_one_at_a_time_in_their_order(bench: Bench) -> None:
    peer = FakePeer()
    device_id = (await bench.register(peer)).device_id
    for number in (1, 2, 3):
        await bench.request(device_id, f"r{number}", uri=f"/3/0/{number}")
    for number in (1, 2, 3):
        asked = await peer.asked()
        assert asked.path == f"/3/0/{number}" and peer.is_left_alone
        asked.answer(f"value {number}".encode())
    await bench.idle()
    assert await bench.ends() == {f"r{number}": (200, f"value {number}") for number in (1, 2, 3)}


async def test_a_full_queue_is_said_so_and_a_repeated_request_is_no_second_one(bench: Bench) -> None:
    peer = FakePeer()
    device_id = (await bench.register(peer)).device_id
    for number in (1, 2, 3):
        await bench.request(device_id, f"r{number}")
    await bench.request(device_id, "r3")
    path = f"/v2/device-requests/{device_id}?async-id=r4"
    assert (await bench.call("POST", path, json=GET)).text == "QUEUE_IS_FULL"
    (await peer.asked()).answer()
    (await peer.asked()).answer()
    (await peer.asked()).answer()
    await bench.idle()
    assert peer.is_left_alone and set(await bench.ends()) == {"r1", "r2", "r3"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.CHANGED, 200),
        (Code.BAD_REQUEST, 400),
        (Code.NOT_FOUND, 404),
        (Code.METHOD_NOT_ALLOWED, 405),
        (Code.PRECONDITION_FAILED, 412),
        (Code.UNSUPPORTED_CONTENT_FORMAT, 415),
        (Code.TOO_MANY_REQUESTS, 400),
        (Code.INTERNAL_SERVER_ERROR, 500),
    ],
)
async def test_what_the_device_answers_is_the_result(bench: Bench, code: Code, status: int) -> None:
    peer = FakePeer()
    await bench.request((await bench.register(peer)).device_id, "one")
    (await peer.asked()).answer(code=code)
    await bench.idle()
    (item,) = await bench.told("async-responses")
    assert item == {"id": "one", "status": status, "payload": "", "ct": "text/plain", "max-age": "0"}
    assert await bench.told_to("async-responses") == [("subject",)]


async def test_a_silent_device_is_asked_once_more_at_once_and_then_the_request_ends(bench: Bench) -> None:
    peer = FakePeer()
    device_id = (await bench.register(peer)).device_id
    await bench.request(device_id, "one")
    await bench.request(device_id, "two")
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).answer(b"awake")
    await bench.idle()
    assert await bench.ends() == {"one": (504, "TIMEOUT"), "two": (200, "awake")}


async def test_retries_wait_for_the_devices_next_contact(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await bench.request(registered.device_id, "one", retry=1)
    await bench.request(registered.device_id, "two")
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).fail(NoAnswer())
    await bench.idle()
    await bench.request(registered.device_id, "three")
    assert peer.is_left_alone and await bench.ends() == {}
    await bench.update(peer, registered)
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).answer(b"2")
    (await peer.asked()).answer(b"3")
    await bench.idle()
    assert await bench.ends() == {"one": (504, "TIMEOUT"), "two": (200, "2"), "three": (200, "3")}


async def test_a_device_in_queue_mode_gets_its_requests_at_its_next_contact(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    await bench.idle()
    bench.clock.advance(94)
    await bench.request(registered.device_id, "one")
    await bench.idle()
    assert peer.is_left_alone
    await bench.update(peer, registered)
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).fail(NoAnswer())
    await bench.idle()
    assert await bench.ends() == {}  # two retries more, by default
    await bench.update(peer, registered)
    (await peer.asked()).answer(b"up")
    await bench.idle()
    assert await bench.ends() == {"one": (200, "up")}


@pytest.mark.parametrize(("vendor", "seconds"), [(True, 4), (False, 93)])
async def test_a_device_in_queue_mode_is_asked_while_it_is_awake(bench: Bench, vendor: bool, seconds: int) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True, client_version="4.13.2" if vendor else None)
    await bench.idle()
    bench.clock.advance(seconds - 1)
    await bench.request(registered.device_id, "one")
    (await peer.asked()).answer(b"up")
    await bench.idle()
    bench.clock.advance(seconds)
    await bench.request(registered.device_id, "two")
    await bench.idle()
    assert peer.is_left_alone and await bench.ends() == {"one": (200, "up")}


async def test_a_body_too_large_ends_the_request_at_once(bench: Bench) -> None:
    peer = FakePeer()
    await bench.request((await bench.register(peer)).device_id, "one", retry=5)
    (await peer.asked()).fail(AnswerTooLarge())
    await bench.idle()
    assert await bench.ends() == {"one": (413, "")}


async def test_a_session_that_ends_under_a_request_ends_it_as_not_connected(bench: Bench) -> None:
    peer = FakePeer()
    await bench.request((await bench.register(peer)).device_id, "one")
    asked = await peer.asked()
    bench.connect.disconnected(peer)
    asked.fail(PeerGone())
    await bench.idle()
    assert await bench.ends() == {"one": (503, "NOT_CONNECTED")}


async def test_a_request_goes_on_in_the_devices_new_session(bench: Bench) -> None:
    old, new = FakePeer(), FakePeer("192.0.2.1 5001")
    registered = await bench.register(old)
    await bench.request(registered.device_id, "one")
    asked = await old.asked()
    await bench.update(new, registered)
    assert old.closed
    asked.fail(PeerGone())
    (await new.asked()).answer(b"here")
    await bench.idle()
    assert await bench.ends() == {"one": (200, "here")}


async def test_a_request_that_expires_ends_once_even_if_the_device_answers_later(bench: Bench) -> None:
    peer = FakePeer()
    device_id = (await bench.register(peer)).device_id
    await bench.request(device_id, "one", expiry_seconds=60)
    await bench.request(device_id, "two", expiry_seconds=60)
    asked = await peer.asked()
    bench.clock.advance(61)
    await bench.connect.expire()
    asked.answer(b"too late")
    await bench.idle()
    assert await bench.ends() == {"one": (429, "REQUEST_EXPIRED"), "two": (429, "REQUEST_EXPIRED")}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (Ending.EXPIRED, "DEVICE_REMOVED_REGISTRATION"),
        (Ending.DELETED, "DEVICE_REMOVED_REGISTRATION"),
        (Ending.REVOKED, "DEVICE_REMOVED_REGISTRATION"),
        (Ending.SUSPENDED, "DEVICE_BLOCKED"),
    ],
)
async def test_the_end_of_a_registration_ends_what_waited_for_the_device(bench: Bench, how: Ending, error: str) -> None:
    peer = FakePeer()
    device_id = (await bench.register(peer)).device_id
    await bench.request(device_id, "one")
    await bench.request(device_id, "two")
    asked = await peer.asked()
    await bench.connect.end(ACCOUNT, device_id, how, before=bench.clock.now())
    assert peer.closed is how.closes_session
    asked.answer(b"too late")
    assert await bench.ends() == {"one": (429, error), "two": (429, error)}


async def test_after_a_crash_reads_and_writes_are_repeated_and_executions_are_not(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await bench.request(registered.device_id, "execute", "POST", "/3/0/4")
    await peer.asked()
    await bench.request(registered.device_id, "write", "PUT", "/1/0/1")
    await bench.request(registered.device_id, "execute-too", "POST", "/3/0/5")
    await bench.connect.close()  # nothing of it is written when a process ends: the tables are as after a crash
    after = Bench(bench.database, clock=bench.clock, bus=LocalBus())
    again = FakePeer()
    await after.update(again, registered)
    written = await again.asked()
    assert written.path == "/1/0/1"
    written.answer(code=Code.CHANGED)
    executed = await again.asked()
    assert executed.path == "/3/0/5"
    executed.answer(code=Code.CHANGED)
    await after.idle()
    assert await after.ends() == {"execute": (504, "TIMEOUT"), "write": (200, ""), "execute-too": (200, "")}


async def test_another_process_tells_the_one_that_has_the_device(bench: Bench) -> None:
    await bench.connect.start()
    peer = FakePeer()
    device_id = (await bench.register(peer)).device_id
    api = Bench(bench.database, clock=bench.clock, bus=bench.bus, process="api")
    await api.request(device_id, "one")
    (await peer.asked()).answer(b"from afar")
    await bench.idle()
    assert await api.ends() == {"one": (200, "from afar")}
    await api.connect.end(ACCOUNT, device_id, Ending.SUSPENDED, before=bench.clock.now())
    await api.connect.close()
