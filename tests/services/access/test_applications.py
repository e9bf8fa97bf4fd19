"""Applications and access keys."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from lamplighter.clock import to_rfc3339
from lamplighter.storage.database import Database
from tests.services.app import App, make_app

ABSENT = "0" * 32


async def application(app: App, name: str = "app", **more: Any) -> str:
    answer = await app.post("/v3/applications", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def access_key(app: App, application_id: str, **more: Any) -> dict[str, Any]:
    answer = await app.post(f"/v3/applications/{application_id}/access-keys", json={"name": "key", **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_application_is_made_read_changed_and_deleted(app: App) -> None:
    made = await app.post("/v3/applications", json={"name": "bridge", "description": "to the moon"})
    path = f"/v3/applications/{made.json()['id']}"
    assert made.json()["groups"] == [app.groups["Developers"]] and made.json()["status"] == "ACTIVE"
    changed = await app.put(path, json={"name": "bridge 2", "groups": [app.groups["Administrators"]]})
    assert changed.json()["description"] == "to the moon" and changed.json()["etag"] == "2"
    assert (await app.get(path)).json() == changed.json()
    assert (await app.delete(path)).status_code == 204
    assert (await app.get(path)).json()["type"] == "not_found"


async def test_64_creates_of_one_application_at_once_make_it_once(app: App) -> None:
    answers = await asyncio.gather(*(app.post("/v3/applications", json={"name": "crowd"}) for _ in range(64)))
    assert Counter(each.status_code for each in answers) == {201: 1, 409: 63}
    assert {each.json()["type"] for each in answers if each.status_code == 409} == {"duplicate"}


async def test_all_faults_of_an_application_are_named_at_once(app: App) -> None:
    body = {"name": "x" * 101, "description": "x" * 501, "status": "ASLEEP", "groups": "all"}
    answer = await app.post("/v3/applications", json=body)
    assert {each["name"] for each in answer.json()["fields"]} == set(body)


async def test_an_account_has_as_many_applications_as_its_tier_allows(database: Database) -> None:
    async with make_app(database) as app:
        for index in range(25 - 2):
            await application(app, f"app {index}")
        answer = await app.post("/v3/applications", json={"name": "one too many"})
        assert (answer.status_code, answer.json()["type"]) == (403, "account_limit_exceeded")
        assert "25 of at most 25 applications" in answer.json()["message"]


async def test_an_application_has_two_keys_at_most_even_when_many_ask_at_once(app: App) -> None:
    path = f"/v3/applications/{await application(app)}/access-keys"
    answers = await asyncio.gather(*(app.post(path, json={"name": "key"}) for _ in range(8)))
    assert Counter(each.status_code for each in answers) == {201: 2, 403: 6}
    assert (await app.get(path)).json()["total_count"] == 2


async def test_a_key_shows_its_secret_once_and_works(app: App) -> None:
    application_id = await application(app, groups=[app.groups["Administrators"]])
    made = await access_key(app, application_id, description="for tests")
    assert len(made["key"]) == 111 and made["key"].startswith("ak_2")
    for path in (f"/v3/applications/{application_id}/access-keys/{made['id']}", f"/v3/access-keys/{made['id']}"):
        shown = (await app.get(path, made["key"])).json()
        assert shown["key"] == made["key"][:-32] and shown["application_id"] == application_id


async def test_keys_are_found_by_the_whole_key_by_what_lists_show_and_by_status(app: App) -> None:
    application_id = await application(app)
    made = await access_key(app, application_id)
    for value in (made["key"], made["key"][:-32]):
        found = await app.get("/v3/access-keys", params={"key__eq": value})
        assert [each["id"] for each in found.json()["data"]] == [made["id"]]
    assert (await app.get("/v3/access-keys", params={"key__eq": made["key"][:-1] + "!"})).json()["total_count"] == 0
    found = await app.get("/v3/access-keys", params={"application_id__eq": application_id, "status__eq": "ACTIVE"})
    assert found.json()["total_count"] == 1
    assert (await app.get("/v3/access-keys", params={"status__eq": "EXPIRED"})).json()["total_count"] == 0


async def test_an_expired_key_is_refused_and_shown_as_expired(app: App) -> None:
    application_id = await application(app, groups=[app.groups["Administrators"]])
    ends = to_rfc3339(app.clock.now() + 60_000_000)
    made = await access_key(app, application_id, expiration=ends)
    path = f"/v3/applications/{application_id}/access-keys/{made['id']}"
    assert (await app.get("/v3/users", made["key"])).status_code == 200
    app.clock.advance(61)
    refused = await app.get("/v3/users", made["key"])
    assert (refused.status_code, refused.json()["type"]) == (401, "invalid_accesskey")
    assert "expired" in refused.json()["message"]
    assert (await app.get(path)).json()["status"] == "EXPIRED"
    assert (await app.get("/v3/access-keys", params={"status__eq": "EXPIRED"})).json()["total_count"] == 1
    renewed = await app.put(path, json={"name": "key", "status": "EXPIRED", "expiration": None})
    assert renewed.json()["status"] == "ACTIVE" and "expiration" not in renewed.json()
    assert (await app.get("/v3/users", made["key"])).status_code == 200


@pytest.mark.parametrize("expiration", ["yesterday", "2001-01-01T00:00:00Z"])
async def test_a_key_needs_an_expiration_in_the_future(app: App, expiration: str) -> None:
    path = f"/v3/applications/{await application(app)}/access-keys"
    answer = await app.post(path, json={"name": "key", "expiration": expiration})
    assert answer.status_code == 400
    assert [each["name"] for each in answer.json()["fields"]] == ["expiration"]


async def test_expired_cannot_be_set(app: App) -> None:
    application_id = await application(app)
    made = await access_key(app, application_id)
    path = f"/v3/applications/{application_id}/access-keys/{made['id']}"
    answer = await app.put(path, json={"name": "key", "status": "EXPIRED"})
    assert [each["name"] for each in answer.json()["fields"]] == ["status"]


async def test_a_key_stops_working_at_once_in_every_way_it_can_end(app: App) -> None:
    application_id = await application(app, groups=[app.groups["Administrators"]])
    path = f"/v3/applications/{application_id}"
    one, two = await access_key(app, application_id), await access_key(app, application_id)
    refused: list[tuple[int, str]] = []

    async def ask(key: str) -> int:
        return (await app.get("/v3/users", key)).status_code

    assert await ask(one["key"]) == await ask(two["key"]) == 200
    await app.put(f"{path}/access-keys/{one['id']}", json={"name": "key", "status": "INACTIVE"})
    refused.append((await ask(one["key"]), "key inactive"))
    await app.delete(f"{path}/access-keys/{one['id']}")
    refused.append((await ask(one["key"]), "key deleted"))
    await app.put(path, json={"name": "app", "status": "INACTIVE"})
    refused.append((await ask(two["key"]), "application inactive"))
    await app.put(path, json={"name": "app", "status": "ACTIVE"})
    assert await ask(two["key"]) == 200
    await app.post(f"{path}/groups/remove", json=[app.groups["Administrators"]])
    assert await ask(two["key"]) == 403
    await app.delete(path)
    refused.append((await ask(two["key"]), "application deleted"))
    assert {status for status, _ in refused} == {401}, refused


async def test_groups_of_an_application_are_listed_added_and_removed(app: App) -> None:
    path = f"/v3/applications/{await application(app)}/groups"
    both = {app.groups["Administrators"], app.groups["Developers"]}
    assert (await app.post(f"{path}/add", json=[app.groups["Administrators"]])).status_code == 204
    assert {each["id"] for each in (await app.get(path)).json()["data"]} == both
    again = await app.post(f"{path}/add", json=[app.groups["Developers"]])
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    assert (await app.post(f"{path}/remove", json=list(both))).status_code == 204
    assert (await app.get(path)).json()["total_count"] == 0
    unknown = await app.post(f"{path}/add", json=[ABSENT])
    assert [each["name"] for each in unknown.json()["fields"]] == ["[0]"]


async def test_last_use_is_written_in_batches(app: App) -> None:
    application_id = await application(app, groups=[app.groups["Administrators"]])
    made = await access_key(app, application_id)
    app.clock.advance(5)
    await app.get("/v3/users", made["key"])
    await app.access.flush()
    shown = (await app.get(f"/v3/access-keys/{made['id']}")).json()
    assert shown["last_used_at"] > shown["created_at"]
    assert (await app.get(f"/v3/applications/{application_id}")).json()["last_used_at"] == shown["last_used_at"]


async def test_applications_and_keys_of_another_account_are_like_absent_ones(app: App) -> None:
    application_id = await application(app)
    made = await access_key(app, application_id)
    answers = [
        await app.get(path, app.other)
        for path in (
            f"/v3/applications/{application_id}",
            f"/v3/applications/{application_id}/access-keys",
            f"/v3/applications/{application_id}/access-keys/{made['id']}",
            f"/v3/access-keys/{made['id']}",
            f"/v3/accounts/{app.account_id}/applications",
            f"/v3/applications/{ABSENT}",
        )
    ]
    answers.append(await app.delete(f"/v3/applications/{application_id}", app.other))
    answers.append(await app.put(f"/v3/applications/{application_id}", app.other, json={"name": "mine"}))
    assert [(each.status_code, each.json()["type"]) for each in answers] == [(404, "not_found")] * len(answers)


async def test_the_root_account_manages_the_applications_of_a_tenant(app: App) -> None:
    prefix = f"/v3/accounts/{app.other_account_id}"
    made = (await app.post(f"{prefix}/applications", json={"name": "from above"})).json()
    assert made["account_id"] == app.other_account_id
    key = (await app.post(f"{prefix}/applications/{made['id']}/access-keys", json={"name": "k"})).json()
    assert (await app.get(f"{prefix}/access-keys/{key['id']}")).json()["id"] == key["id"]
    assert (await app.get("/v3/applications/" + made["id"])).status_code == 404


async def test_a_developer_may_not_see_applications(app: App) -> None:
    answer = await app.get("/v3/applications", app.developer)
    assert (answer.status_code, answer.json()["type"]) == (403, "access_denied")
