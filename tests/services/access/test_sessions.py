"""Logging in and out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lamplighter.errors import access as errors
from lamplighter.services.access.sessions.throttle import Throttle
from lamplighter.storage.database import Database
from tests.services.app import EMAIL, PASSWORD, UNLIMITED, App, make_app


async def login(app: App, **fields: Any) -> Any:
    form = {"username": "ada_lamp", "password": PASSWORD, "account": app.account_id, **fields}
    return await app.call("POST", "/auth/login", None, data={key: value for key, value in form.items() if value})


async def test_a_form_and_json_log_in_alike(app: App) -> None:
    body = {"username": "ada_lamp", "password": PASSWORD, "account": app.account_id}
    for answer in (await login(app), await app.call("POST", "/auth/login", None, json=body)):
        assert answer.status_code == 200
        made = answer.json()
        assert made["token"].startswith("rt_") and len(made["token"]) == 110
        assert (made["user_id"], made["expires_in"]) == (app.user_id, 1800)
        assert (await app.get("/v3/users", made["token"])).status_code == 200


async def test_the_address_works_as_name_and_the_account_may_be_left_out(app: App) -> None:
    assert (await login(app, username=EMAIL)).status_code == 200
    assert (await login(app, account=None)).status_code == 200
    body = {"username": "ada_lamp", "email": "ada@other.test", "password": PASSWORD}
    await app.post(f"/v3/accounts/{app.other_account_id}/users", json=body)
    assert (await login(app, account=None)).status_code == 401
    assert (await login(app, account=app.other_account_id)).json()["account_id"] == app.other_account_id


async def test_an_account_is_named_by_its_alias(app: App) -> None:
    body = {"end_market": "lamps", "admin_email": "c@c.test", "admin_password": PASSWORD, "aliases": ["lamp-maker"]}
    assert (await app.post("/v3/accounts", json=body)).status_code == 201
    assert (await login(app, username="admin", account="lamp-maker")).status_code == 200
    assert (await login(app, username="c@c.test", account="lamp-maker")).status_code == 200


async def test_every_wrong_login_is_the_same_error(app: App) -> None:
    for wrong in (
        {"password": "not this one"},
        {"username": "nobody"},
        {"account": "0" * 32},
        {"account": "no-such-alias"},
    ):
        answer = await login(app, **wrong)
        assert (answer.status_code, answer.json()["type"]) == (401, "invalid_auth")
        assert answer.json()["message"] == str(errors.WrongPassword())


async def test_an_inactive_user_cannot_log_in(app: App) -> None:
    await app.put(f"/v3/users/{app.user_id}", json={"status": "INACTIVE"})
    assert (await login(app)).status_code == 401


async def test_missing_fields_are_named_at_once(app: App) -> None:
    answer = await app.call("POST", "/auth/login", None, data={"account": "x"})
    assert answer.status_code == 400
    assert {each["name"] for each in answer.json()["fields"]} == {"username", "password"}
    answer = await app.call("POST", "/auth/login", None, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")


async def test_the_history_has_the_last_five_attempts(app: App) -> None:
    for _ in range(4):
        await login(app, password="not this one")
    await app.call(
        "POST",
        "/auth/login",
        None,
        json={"username": "ada_lamp", "password": PASSWORD},
        headers={"User-Agent": "lamp/1"},
    )
    shown = (await app.get(f"/v3/users/{app.user_id}")).json()
    assert [each["success"] for each in shown["login_history"]] == [True, False, False, False, False]
    assert shown["login_history"][0] == {
        "date": shown["updated_at"],
        "ip_address": app.address,
        "success": True,
        "user_agent": "lamp/1",
    }
    assert shown["last_login_time"] == app.clock.now() // 1000
    assert len(shown["active_sessions"]) == 2
    assert shown["active_sessions"][0]["reference_token"] not in app.user_token


async def test_failed_logins_are_written_in_batches(app: App) -> None:
    await login(app, password="not this one")
    shown = (await app.get(f"/v3/users/{app.user_id}")).json()
    assert [each["success"] for each in shown["login_history"]] == [True]
    await app.access.flush()
    shown = (await app.get(f"/v3/users/{app.user_id}")).json()
    assert [each["success"] for each in shown["login_history"]] == [False, True]


async def test_an_address_that_keeps_failing_is_refused(database: Database) -> None:
    slow = msgspec.structs.replace(UNLIMITED.api, rate_burst_address=3, rate_per_second_address=1.0)
    async with make_app(database, settings=msgspec.structs.replace(UNLIMITED, api=slow)) as app:
        for index in range(3):
            assert (await login(app, username=f"user_{index}")).status_code == 401
        answer = await login(app)
        assert (answer.status_code, answer.json()["type"]) == (429, "rate_limit_exceeded")
        assert answer.headers["retry-after"] == "1"
        app.clock.advance(1)
        assert (await login(app)).status_code == 200


async def test_a_session_ends_after_its_idle_time_and_slides_with_use(app: App) -> None:
    for _ in range(3):
        app.clock.advance(1700)
        assert (await app.get("/v3/users", app.user_token)).status_code == 200
        await app.access.flush()
    app.clock.advance(1801)
    answer = await app.get("/v3/users", app.user_token)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_token")
    assert "30 minutes" in answer.json()["message"] or "expired" in answer.json()["message"]
    assert (await app.get(f"/v3/users/{app.user_id}")).json()["active_sessions"] == []


async def test_uses_that_are_not_yet_written_keep_a_session_alive(app: App) -> None:
    for _ in range(3):
        app.clock.advance(1700)
        assert (await app.get("/v3/users", app.user_token)).status_code == 200


async def test_logging_out_ends_the_session_with_and_without_a_scheme(app: App) -> None:
    for scheme in ("Bearer ", "bearer ", ""):
        token = await app.log_in("ada_lamp")
        answer = await app.call("POST", "/auth/logout", None, headers={"Authorization": scheme + token})
        assert answer.status_code == 204
        assert (await app.get("/v3/users", token)).json()["type"] == "invalid_token"


async def test_a_session_that_was_idle_for_long_is_forgotten(app: App) -> None:
    app.clock.advance(23 * 3600)
    await app.get("/v3/users")
    await app.access.flush()
    assert "expired" in (await app.get("/v3/users", app.user_token)).json()["message"]
    app.clock.advance(2 * 3600)
    await app.get("/v3/users")
    await app.access.flush()
    assert "not valid" in (await app.get("/v3/users", app.user_token)).json()["message"]


async def test_a_key_cannot_log_out(app: App) -> None:
    for key in (app.admin, app.api_key):
        answer = await app.call("POST", "/auth/logout", key)
        assert (answer.status_code, answer.json()["type"]) == (401, "auth_mismatch")
    answer = await app.call("POST", "/auth/logout", None)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_auth")
    answer = await app.call("POST", "/auth/logout", "rt_" + "x" * 107)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_token")


class Waits:
    """Remembers how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_after_some_wrong_passwords_each_attempt_waits_longer() -> None:
    waits = Waits()
    throttle, now = Throttle(5, waits), 0.0
    for _ in range(9):
        await throttle.admit("ada", now)
        now += waits.seconds[-1] if waits.seconds else 0.0
    assert waits.seconds == [0.5, 1.0, 2.0, 4.0]


async def test_attempts_at_once_queue_up_and_are_refused_when_they_would_wait_too_long() -> None:
    waits = Waits()
    throttle = Throttle(2, waits)
    for _ in range(6):
        await throttle.admit("ada", 0.0)
    with pytest.raises(errors.LoginsTooFast) as caught:
        await throttle.admit("ada", 0.0)
    assert waits.seconds == [0.5, 1.5, 3.5, 7.5] and caught.value.retry_after == 15.5
    await throttle.admit("grace", 0.0)
    assert len(waits.seconds) == 4


async def test_a_right_password_and_time_make_attempts_forgotten() -> None:
    waits = Waits()
    throttle = Throttle(1, waits)
    await throttle.admit("ada", 0.0)
    throttle.succeeded("ada")
    await throttle.admit("ada", 0.0)
    await throttle.admit("ada", 1000.0)
    assert waits.seconds == []


async def test_too_many_wrong_passwords_slow_the_login_down(app: App) -> None:
    waits = Waits()
    app.access.throttle = Throttle(2, waits)
    for _ in range(2):
        await login(app, password="not this one")
    assert waits.seconds == []
    assert (await login(app)).status_code == 200
    for _ in range(3):
        await login(app, password="not this one")
    assert waits.seconds == [0.5, 0.5], "the third attempts waited, the right one too"
