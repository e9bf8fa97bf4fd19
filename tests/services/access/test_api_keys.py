"""API keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.app import App

ABSENT = "0" * 32


async def api_key(app: App, **more: Any) -> dict[str, Any]:
    answer = await app.post("/v3/api-keys", json={"name": "old program", **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_key_is_made_read_changed_and_deleted(app: App) -> None:
    made = await api_key(app, owner=app.user_id)
    path = f"/v3/api-keys/{made['id']}"
    assert len(made["key"]) == 111 and made["key"].startswith("ak_1")
    assert made["groups"] == [app.groups["Developers"]]
    assert made["creation_time"] == app.clock.now() // 1000
    shown = (await app.get(path)).json()
    assert shown["key"] == made["key"][:-32] and shown["owner"] == app.user_id
    changed = (await app.put(path, json={"name": "new name", "status": "INACTIVE"})).json()
    assert (changed["name"], changed["status"], changed["owner"]) == ("new name", "INACTIVE", app.user_id)
    assert (await app.get("/v3/api-keys/me", made["key"])).json()["type"] == "invalid_apikey"
    assert (await app.delete(path)).status_code == 204
    assert (await app.get(path)).status_code == 404


async def test_a_new_secret_ends_the_old_one(app: App) -> None:
    made = await api_key(app)
    assert (await app.get("/v3/api-keys/me", made["key"])).status_code == 200
    reset = (await app.post(f"/v3/api-keys/{made['id']}/reset-secret", json={})).json()
    assert reset["key"] != made["key"] and len(reset["key"]) == 111
    assert (await app.get("/v3/api-keys/me", made["key"])).json()["type"] == "invalid_apikey"
    assert (await app.get("/v3/api-keys/me", reset["key"])).status_code == 200
    assert (await app.post(f"/v3/api-keys/{made['id']}/reset-secret")).status_code == 200


async def test_keys_are_found_by_the_whole_key_and_by_owner(app: App) -> None:
    made = await api_key(app, owner=app.user_id)
    for query in ({"key__eq": made["key"]}, {"owner__eq": app.user_id}):
        found = (await app.get("/v3/api-keys", params=query)).json()
        assert [each["id"] for each in found["data"]] == [made["id"]]
    assert (await app.get("/v3/api-keys", params={"key__eq": app.admin})).json()["total_count"] == 0


async def test_the_owner_and_groups_must_be_of_the_account(app: App) -> None:
    answer = await app.post("/v3/api-keys", json={"name": "x", "owner": ABSENT})
    assert [each["name"] for each in answer.json()["fields"]] == ["owner"]
    answer = await app.post("/v3/api-keys", json={"name": "x", "groups": [app.groups["Developers"], ABSENT]})
    assert [each["name"] for each in answer.json()["fields"]] == ["groups[1]"]


async def test_me_is_about_the_calling_key_and_nothing_else(app: App) -> None:
    assert (await app.get("/v3/api-keys/me", app.api_key)).json()["key"] == app.api_key[:-32]
    for key in (app.admin, app.user_token):
        for tail in ("", "/groups"):
            answer = await app.get("/v3/api-keys/me" + tail, key)
            assert (answer.status_code, answer.json()["type"]) == (401, "auth_mismatch")


async def test_a_developer_key_renames_itself_but_does_not_promote_itself(app: App) -> None:
    mine = (await app.get("/v3/api-keys/me", app.api_key)).json()
    renamed = await app.put("/v3/api-keys/me", app.api_key, json={**mine, "name": "mine"})
    assert renamed.json()["name"] == "mine"
    administrators = [app.groups["Administrators"]]
    answers = [
        await app.put("/v3/api-keys/me", app.api_key, json={"groups": administrators}),
        await app.put("/v3/api-keys/me", app.api_key, json={"owner": app.user_id}),
        await app.post("/v3/api-keys/me/groups/add", app.api_key, json=administrators),
        await app.post("/v3/api-keys/me/groups", app.api_key, json=administrators),
        await app.get("/v3/api-keys", app.api_key),
        await app.get(f"/v3/api-keys/{mine['id']}", app.api_key),
    ]
    assert {(each.status_code, each.json()["type"]) for each in answers} == {(403, "access_denied")}


@pytest.mark.parametrize(("join", "leave"), [(("POST", ""), ("DELETE", "")), (("POST", "/add"), ("POST", "/remove"))])
@pytest.mark.parametrize("itself", [True, False])
async def test_groups_of_a_key_change_on_both_generations_of_paths(
    app: App, join: tuple[str, str], leave: tuple[str, str], itself: bool
) -> None:
    made = await api_key(app, groups=[app.groups["Administrators"]])
    path = "/v3/api-keys/me/groups" if itself else f"/v3/api-keys/{made['id']}/groups"
    key = made["key"] if itself else app.admin
    developers = [app.groups["Developers"]]
    joined = (await app.call(join[0], path + join[1], key, json=developers)).json()
    assert set(joined["groups"]) == set(app.groups.values())
    again = await app.call(join[0], path + join[1], key, json=developers)
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    assert (await app.get(path, key)).json()["total_count"] == 2
    left = (await app.call(leave[0], path + leave[1], key, json=developers)).json()
    assert left["groups"] == [app.groups["Administrators"]]


async def test_last_login_time_follows_use(app: App) -> None:
    app.clock.advance(10)
    await app.get("/v3/api-keys/me", app.api_key)
    used = app.clock.now() // 1000
    await app.access.flush()
    assert (await app.get("/v3/api-keys/me", app.api_key)).json()["last_login_time"] == used


async def test_keys_of_another_account_are_like_absent_ones(app: App) -> None:
    made = await api_key(app)
    answers = [
        await app.get(f"/v3/api-keys/{made['id']}", app.other),
        await app.put(f"/v3/api-keys/{made['id']}", app.other, json={"name": "mine"}),
        await app.delete(f"/v3/api-keys/{made['id']}", app.other),
        await app.post(f"/v3/api-keys/{made['id']}/reset-secret", app.other, json={}),
        await app.get(f"/v3/api-keys/{ABSENT}", app.other),
    ]
    assert [(each.status_code, each.json()["type"]) for each in answers] == [(404, "not_found")] * len(answers)
    assert (await app.get("/v3/api-keys", app.other)).json()["total_count"] == 0


async def test_the_root_account_manages_the_keys_of_a_tenant(app: App) -> None:
    path = f"/v3/accounts/{app.other_account_id}/api-keys"
    made = (await app.post(path, json={"name": "from above"})).json()
    assert made["account_id"] == app.other_account_id and "owner" not in made
    assert (await app.get("/v3/api-keys/me", made["key"])).json()["id"] == made["id"]
    assert (await app.get(path)).json()["total_count"] == 1
