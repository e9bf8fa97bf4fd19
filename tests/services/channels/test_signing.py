"""Signatures of deliveries, how deliveries go, and the test of a webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import pytest

from lamplighter.services.channels.signing import OVERLAP, Secret, rotated, signature_headers
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, TOKEN
from tests.outbound.receivers import PATIENCE, Request, ok, receiving, status
from tests.services.channels.served import CALLBACK, Served, notified, serving

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
DELIVERIES, TEST, SECRET = f"{CALLBACK}/deliveries", f"{CALLBACK}/test", f"{CALLBACK}/secret"


def verified(request: Request, secret: str) -> bool:
    """Check a delivery as its receiver would, with nothing of ours."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in request.headers["webhook-signature"].split(" ")


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signature_headers([Secret(key)], "msg_p5jXN8AQM9LWM0D4loKWxJek", body, 1614265330 * 1_000_000)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_former_secret_signs_for_a_day_and_the_one_before_it_no_more() -> None:
    first, second, third = (Secret(bytes([number]) * 32) for number in range(3))
    after_one = rotated([first], second, 1)
    assert [(each.key, each.until) for each in after_one] == [(second.key, None), (first.key, 1 + OVERLAP)]
    assert [each.key for each in rotated(after_one, third, 2)] == [third.key, second.key]
    signatures = [
        len(signature_headers(after_one, "m", b"", now)["webhook-signature"].split(" ")) for now in (2, 2 + OVERLAP)
    ]
    assert signatures == [2, 1]
    assert signature_headers([], "m", b"", 1) == {}


async def hooked(served: Served, receiver: Any) -> None:
    assert (await served.call("PUT", CALLBACK, json={"url": receiver.url()})).status_code == 204
    receiver.requests.clear()


async def test_deliveries_are_signed_once_a_secret_was_asked_for(database: Database) -> None:
    async with serving(database, pause=lambda failures: 0.02) as served, receiving() as receiver:
        await hooked(served, receiver)
        made = await served.call("POST", SECRET)
        assert made.status_code == 201
        secret = made.json()["secret"]
        receiver.script = status(500)
        await served.happen(notified(1))
        await receiver.got(2)
        assert all(verified(each, secret) for each in receiver.requests)
        assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
        receiver.script = ok
        other = (await served.call("POST", SECRET)).json()["secret"]
        await served.happen(notified(2))
        async with asyncio.timeout(PATIENCE), receiver.arrived:
            await receiver.arrived.wait_for(lambda: b"/3303/0/2" in receiver.requests[-1].body)
        last = receiver.requests[-1]
        assert other != secret and verified(last, other) and verified(last, secret)
        assert last.headers["webhook-id"] != receiver.requests[0].headers["webhook-id"]
        assert (await served.call("DELETE", SECRET)).status_code == 204
        assert (await served.call("GET", DELIVERIES)).json()["signed"] is False


@only_sqlite
async def test_a_secret_is_sealed_at_rest_and_ends_with_its_webhook(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await hooked(served, receiver)
        secret = (await served.call("POST", SECRET)).json()["secret"]
        row = await served.channels._store.get(ACCOUNT, "subject")
        assert row is not None and row.secrets is not None
        assert base64.b64decode(secret.removeprefix("whsec_")) not in row.secrets
        await hooked(served, receiver)  # a replaced webhook keeps its secret
        assert (await served.call("GET", DELIVERIES)).json()["signed"] is True
        await served.call("DELETE", CALLBACK)
        await hooked(served, receiver)
        assert (await served.call("GET", DELIVERIES)).json()["signed"] is False


async def test_how_deliveries_go_is_shown(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await hooked(served, receiver)
        fresh = (await served.call("GET", DELIVERIES)).json()
        assert (fresh["state"], fresh["queue_size"], fresh["failures"]) == ("delivering", 0, [])
        receiver.script = status(503)
        await served.happen(notified(1), notified(2))
        async with asyncio.timeout(PATIENCE):
            while (state := (await served.call("GET", DELIVERIES)).json())["state"] != "failing":
                pass
        assert (state["queue_size"], state["failures_in_a_row"], state["delivered_at"]) == (2, 1, None)
        assert state["next_attempt_at"] > state["failing_since"]
        (failure,) = state["failures"]
        assert (failure["status"], failure["kind"], failure["reason"]) == (503, "status", "it answered 503")
        assert 0 <= failure["seconds"] < PATIENCE


@only_sqlite
async def test_the_latest_twenty_failures_are_kept(database: Database) -> None:
    async with serving(database, pause=lambda failures: 0.0) as served, receiving() as receiver:
        await hooked(served, receiver)
        receiver.script = status(500)
        await served.happen(notified(1))
        await receiver.got(25)
        failures = (await served.call("GET", DELIVERIES)).json()["failures"]
        assert len(failures) == 20
        assert [each["time"] for each in failures] == sorted((each["time"] for each in failures), reverse=True)


@only_sqlite
async def test_a_webhook_is_tested_on_demand(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await hooked(served, receiver)
        good = (await served.call("POST", TEST)).json()
        assert (good["acknowledged"], good["status"], receiver.requests[0].body) == (True, 204, b"{}")
        receiver.script = status(401)
        bad = (await served.call("POST", TEST)).json()
        assert (bad["acknowledged"], bad["status"], bad["reason"]) == (False, 401, "it answered 401")
        await receiver.close()
        gone = (await served.call("POST", TEST)).json()
        assert (gone["acknowledged"], gone["status"], gone["kind"]) == (False, None, "connection")


@only_sqlite
@pytest.mark.parametrize(
    ("method", "path"), [("GET", DELIVERIES), ("POST", TEST), ("POST", SECRET), ("DELETE", SECRET)]
)
async def test_without_a_webhook_there_is_nothing_to_show_test_or_sign(
    database: Database, method: str, path: str
) -> None:
    async with serving(database) as served:
        absent = await served.call(method, path)
        assert (absent.status_code, absent.json()["type"]) == (404, "not_found")
        user = await served.call(method, path, TOKEN)
        assert (user.status_code, user.json()["type"]) == (403, "access_denied")
