"""Users."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.services.app import PASSWORD, App

ABSENT = "0" * 32


async def user(app: App, username: str = "marie", **more: Any) -> dict[str, Any]:
    body = {"username": username, "email": f"{username}@lamps.test", "password": PASSWORD, **more}
    answer = await app.post("/v3/users?action=create", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_user_with_a_password_is_active_and_can_log_in(app: App) -> None:
    made = await user(app, full_name="Marie C.", groups=[app.groups["Administrators"]])
    assert made["status"] == "ACTIVE" and "password" not in made
    assert made["creation_time"] == app.clock.now() // 1000 and made["last_login_time"] == 0
    token = await app.log_in("marie")
    assert (await app.get("/v3/users/me", token)).json()["full_name"] == "Marie C."


async def test_a_user_without_a_password_is_given_one_to_change(app: App) -> None:
    made = (await app.post("/v3/users", json={"email": "new@lamps.test", "username": "newcomer"})).json()
    assert made["status"] == "RESET" and len(made["password"]) == 20
    assert "password" not in (await app.get(f"/v3/users/{made['id']}")).json()
    token = await app.log_in("newcomer", made["password"])
    body = {"password": "a new long one", "old_password": made["password"]}
    changed = await app.put("/v3/users/me", token, json=body)
    assert changed.json()["status"] == "ACTIVE"
    assert (await app.get("/v3/users/me", token)).json()["type"] == "invalid_token"
    await app.log_in("newcomer", "a new long one")


async def test_the_old_password_must_be_right_to_change_it(app: App) -> None:
    body = {"password": "a new long one", "old_password": "not this one"}
    answer = await app.put("/v3/users/me", app.user_token, json=body)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_auth")
    answer = await app.put("/v3/users/me", app.user_token, json={"password": "a new long one"})
    assert [each["name"] for each in answer.json()["fields"]] == ["old_password"]


async def test_64_creates_of_one_user_at_once_make_it_once(app: App) -> None:
    body = {"username": "crowd", "email": "crowd@lamps.test", "password": PASSWORD}
    answers = await asyncio.gather(*(app.post("/v3/users", json=body) for _ in range(64)))
    assert Counter(each.status_code for each in answers) == {201: 1, 409: 63}


async def test_the_error_says_whether_the_name_or_the_address_is_taken(app: App) -> None:
    await user(app)
    name = await app.post("/v3/users", json={"username": "marie", "email": "x@lamps.test", "password": PASSWORD})
    address = await app.post("/v3/users", json={"username": "other", "email": "MARIE@lamps.test", "password": PASSWORD})
    assert [each.json()["type"] for each in (name, address)] == ["duplicate"] * 2
    assert "user name marie" in name.json()["message"]
    assert "e-mail address MARIE@lamps.test" in address.json()["message"]


async def test_names_and_addresses_may_be_used_again_in_another_account(app: App) -> None:
    await user(app)
    body = {"username": "marie", "email": "marie@lamps.test", "password": PASSWORD}
    answer = await app.post(f"/v3/accounts/{app.other_account_id}/users", json=body)
    assert answer.status_code == 201 and answer.json()["account_id"] == app.other_account_id


async def test_all_faults_of_a_user_are_named_at_once(app: App) -> None:
    body = {"username": "a b", "email": "nowhere", "full_name": "x" * 101, "password": 7}
    answer = await app.post("/v3/users", json=body)
    assert answer.status_code == 400 and {each["name"] for each in answer.json()["fields"]} == set(body)
    answer = await app.post("/v3/users", json={"email": "a@b.test", "password": "short", "login_profiles": []})
    assert {each["name"] for each in answer.json()["fields"]} == {"password", "login_profiles"}
    answer = await app.post("/v3/users?action=dance", json={"email": "a@b.test"})
    assert [each["name"] for each in answer.json()["fields"]] == ["action"]


async def test_an_administrator_changes_status_groups_and_profile_but_not_the_address(app: App) -> None:
    made = await user(app, phone_number="123")
    path = f"/v3/users/{made['id']}"
    body = {"status": "INACTIVE", "groups": [app.groups["Developers"]], "phone_number": None, "address": "Here"}
    changed = (await app.put(path, json=body)).json()
    assert (changed["status"], changed["groups"], changed["address"]) == ("INACTIVE", body["groups"], "Here")
    assert "phone_number" not in changed
    answer = await app.put(path, json={"email": "else@lamps.test", "status": "INVITED"})
    assert {each["name"] for each in answer.json()["fields"]} == {"email", "status"}
    answer = await app.put(path, json={"is_totp_enabled": True})
    assert [each["name"] for each in answer.json()["fields"]] == ["is_totp_enabled"]


async def test_a_client_may_send_back_a_user_as_it_got_it(app: App) -> None:
    made = await user(app, login_profiles=[{"id": ABSENT}])
    answer = await app.put(f"/v3/users/{made['id']}", json=made)
    assert answer.status_code == 200
    assert {**answer.json(), "etag": "1"} == made


async def test_a_user_changes_the_own_address_but_not_the_own_groups(app: App) -> None:
    await user(app, groups=[app.groups["Developers"]])
    token = await app.log_in("marie")
    assert (await app.put("/v3/users/me", token, json={"email": "m@lamps.test"})).json()["email"] == "m@lamps.test"
    for body in ({"groups": [app.groups["Administrators"]]}, {"status": "RESET"}):
        answer = await app.put("/v3/users/me", token, json=body)
        assert (answer.status_code, answer.json()["type"]) == (403, "access_denied")


async def test_an_active_user_is_not_deleted_and_an_inactive_one_is(app: App) -> None:
    made = await user(app, groups=[app.groups["Administrators"]])
    path = f"/v3/users/{made['id']}"
    answer = await app.delete(path)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    await app.put(path, json={"status": "INACTIVE"})
    assert (await app.delete(path)).status_code == 204
    assert (await app.get(path)).status_code == 404


async def test_removing_a_user_ends_sessions_and_leaves_keys_to_the_account(app: App) -> None:
    made = await user(app, groups=[app.groups["Administrators"]])
    token = await app.log_in("marie")
    key = (await app.post("/v3/api-keys", token, json={"name": "hers"})).json()
    assert key["owner"] == made["id"]
    assert (await app.post(f"/v3/users/{made['id']}/remove")).status_code == 204
    assert (await app.get("/v3/users", token)).json()["type"] == "invalid_token"
    assert (await app.get("/v3/api-keys/me", key["key"])).status_code == 200
    assert "owner" not in (await app.get(f"/v3/api-keys/{key['id']}")).json()


async def test_a_user_made_inactive_is_out_at_once(app: App) -> None:
    made = await user(app, groups=[app.groups["Administrators"]])
    token = await app.log_in("marie")
    assert (await app.get("/v3/users", token)).status_code == 200
    await app.put(f"/v3/users/{made['id']}", json={"status": "INACTIVE"})
    answer = await app.get("/v3/users", token)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_token")
    assert "not active" in answer.json()["message"]


async def test_users_are_filtered_by_address_status_and_login_profile(app: App) -> None:
    made = await user(app, login_profiles=[{"id": "1" * 32}, {"id": "2" * 32}])
    assert [each["id"] for each in made["login_profiles"]] == ["1" * 32, "2" * 32]
    for query in (
        {"email__eq": "Marie@lamps.test"},
        {"login_profiles__eq": "2" * 32},
        {"status__in": "ACTIVE,RESET", "email__eq": "marie@lamps.test"},
    ):
        found = (await app.get("/v3/users", params=query)).json()
        assert [each["id"] for each in found["data"]] == [made["id"]], query
    for query in ({"email__eq": "nobody@lamps.test"}, {"login_profiles__eq": "2"}, {"status__nin": "ACTIVE"}):
        assert (await app.get("/v3/users", params=query)).json()["total_count"] == 0, query


@pytest.mark.parametrize(("join", "leave"), [(("POST", ""), ("DELETE", "")), (("POST", "/add"), ("POST", "/remove"))])
async def test_groups_of_a_user_change_on_both_generations_of_paths(
    app: App, join: tuple[str, str], leave: tuple[str, str]
) -> None:
    made = await user(app)
    path = f"/v3/users/{made['id']}/groups"
    developers = [app.groups["Developers"]]
    assert (await app.call(join[0], path + join[1], app.admin, json=developers)).json()["groups"] == developers
    again = await app.call(join[0], path + join[1], app.admin, json=developers)
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    assert [each["name"] for each in (await app.get(path)).json()["data"]] == ["Developers"]
    assert (await app.call(leave[0], path + leave[1], app.admin, json=developers)).json()["groups"] == []


async def test_me_is_about_a_logged_in_user(app: App) -> None:
    assert (await app.get("/v3/users/me", app.user_token)).json()["id"] == app.user_id
    for key in (app.admin, app.api_key):
        for answer in (await app.get("/v3/users/me", key), await app.put("/v3/users/me", key, json={})):
            assert (answer.status_code, answer.json()["type"]) == (401, "auth_mismatch")


async def test_users_of_another_account_are_like_absent_ones(app: App) -> None:
    answers = [
        await app.get(f"/v3/users/{app.user_id}", app.other),
        await app.put(f"/v3/users/{app.user_id}", app.other, json={"full_name": "Mine"}),
        await app.delete(f"/v3/users/{app.user_id}", app.other),
        await app.get(f"/v3/users/{app.user_id}/groups", app.other),
        await app.get(f"/v3/accounts/{app.account_id}/users", app.other),
        await app.get(f"/v3/users/{ABSENT}", app.other),
    ]
    assert [(each.status_code, each.json()["type"]) for each in answers] == [(404, "not_found")] * len(answers)


async def test_the_root_account_is_named_by_an_encoded_slash_too(app: App) -> None:
    assert (await app.get("/v3/accounts/%2F/users")).json()["total_count"] == 1
    assert (await app.get("/v3/accounts/%2F")).json()["id"] == app.account_id
