"""Policy groups."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.services.app import App

ABSENT = "0" * 32


async def group(app: App, name: str, **members: list[str]) -> dict[str, Any]:
    answer = await app.post("/v3/policy-groups", json={"name": name, "members": members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_new_group_has_its_members_and_the_rights_of_developers(app: App) -> None:
    key_id = (await app.get("/v3/api-keys")).json()["data"][0]["id"]
    made = await group(app, "Operators", users=[app.user_id], apikeys=[key_id])
    assert (made["user_count"], made["apikey_count"], made["application_count"]) == (1, 1, 0)
    key = await app.new_key("Operators")
    assert (await app.get("/v3/users", key)).json()["type"] == "access_denied"


async def test_64_creates_of_one_group_at_once_make_it_once(app: App) -> None:
    answers = await asyncio.gather(*(app.post("/v3/policy-groups", json={"name": "Crowd"}) for _ in range(64)))
    assert Counter(each.status_code for each in answers) == {201: 1, 409: 63}
    assert {each.json()["type"] for each in answers if each.status_code == 409} == {"duplicate"}


async def test_names_are_compared_by_composition_and_kept_as_sent(app: App) -> None:
    await group(app, "Caf\u00e9")
    answer = await app.post("/v3/policy-groups", json={"name": "Cafe\u0301"})
    assert answer.status_code == 409
    found = await app.get("/v3/policy-groups", params={"name__eq": "Cafe\u0301"})
    assert [each["name"] for each in found.json()["data"]] == ["Caf\u00e9"]


async def test_a_group_is_renamed_but_not_to_a_name_in_use(app: App) -> None:
    made = await group(app, "Old")
    answer = await app.put(f"/v3/policy-groups/{made['id']}", json={"name": "New"})
    assert answer.json()["name"] == "New" and answer.json()["etag"] == "2"
    answer = await app.put(f"/v3/policy-groups/{made['id']}", json={"name": "Developers"})
    assert (answer.status_code, answer.json()["type"]) == (409, "duplicate")
    assert (await app.get(f"/v3/policy-groups/{made['id']}")).json()["name"] == "New"


async def test_administrators_cannot_be_deleted_and_others_can(app: App) -> None:
    answer = await app.delete(f"/v3/policy-groups/{app.groups['Administrators']}")
    assert (answer.status_code, answer.json()["type"]) == (409, "conflict")
    made = await group(app, "Short-lived", users=[app.user_id])
    assert (await app.delete(f"/v3/policy-groups/{made['id']}")).status_code == 204
    assert (await app.get(f"/v3/policy-groups/{made['id']}")).status_code == 404
    assert made["id"] not in (await app.get(f"/v3/users/{app.user_id}")).json()["groups"]


@pytest.mark.parametrize(
    ("join", "leave", "kind"),
    [
        (("POST", "/users"), ("DELETE", "/users"), "users"),
        (("POST", "/users/add"), ("POST", "/users/remove"), "users"),
        (("POST", "/api-keys"), ("DELETE", "/api-keys"), "apikeys"),
        (("POST", "/api-keys/add"), ("POST", "/api-keys/remove"), "apikeys"),
        (("POST", "/applications/add"), ("POST", "/applications/remove"), "applications"),
        (("POST", ""), ("POST", "/users/remove"), "users"),
    ],
)
async def test_members_join_once_and_leave_on_every_path(
    app: App, join: tuple[str, str], leave: tuple[str, str], kind: str
) -> None:
    listing = {"users": "users", "apikeys": "api-keys", "applications": "applications"}[kind]
    subject = (await app.get(f"/v3/{listing}")).json()["data"][0]["id"]
    made = await group(app, "Night shift")
    path = f"/v3/policy-groups/{made['id']}"
    count = {"users": "user_count", "apikeys": "apikey_count", "applications": "application_count"}[kind]
    body = {kind: [subject]}
    assert (await app.call(join[0], path + join[1], app.admin, json=body)).json()[count] == 1
    again = await app.call(join[0], path + join[1], app.admin, json=body)
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    members = (await app.get(f"{path}/{listing}")).json()
    assert [each["id"] for each in members["data"]] == [subject] and members["total_count"] == 1
    assert (await app.call(leave[0], path + leave[1], app.admin, json=body)).json()[count] == 0


async def test_subjects_that_are_not_of_the_account_are_named_all_at_once(app: App) -> None:
    body = {"users": [app.user_id, ABSENT], "applications": [ABSENT]}
    answer = await app.post(f"/v3/policy-groups/{app.groups['Developers']}", json=body)
    assert answer.status_code == 400
    assert [each["name"] for each in answer.json()["fields"]] == ["users[1]", "applications[0]"]


async def test_users_of_a_group_are_filtered_by_status(app: App) -> None:
    path = f"/v3/policy-groups/{app.groups['Administrators']}/users"
    assert (await app.get(path, params={"status__eq": "ACTIVE"})).json()["total_count"] == 1
    assert (await app.get(path, params={"status__nin": "ACTIVE,RESET"})).json()["total_count"] == 0
    assert (await app.get(path, params={"status__eq": "ASLEEP"})).status_code == 400


async def test_groups_of_another_account_are_like_absent_ones(app: App) -> None:
    for group_id in (app.groups["Developers"], ABSENT, "x"):
        answer = await app.get(f"/v3/policy-groups/{group_id}", app.other)
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
    answer = await app.get("/v3/policy-groups", app.other)
    assert answer.json()["total_count"] == 2
    assert not set(app.groups.values()) & {each["id"] for each in answer.json()["data"]}


async def test_groups_are_listed_in_pages_in_both_orders(app: App) -> None:
    for index in range(3):
        await group(app, f"Group {index}")
    first = (await app.get("/v3/policy-groups", params={"limit": "3", "order": "DESC"})).json()
    assert (first["has_more"], first["total_count"], first["order"]) == (True, 5, "DESC")
    last = first["data"][-1]["id"]
    second = (await app.get("/v3/policy-groups", params={"limit": "3", "order": "DESC", "after": last})).json()
    assert (second["has_more"], second["after"]) == (False, last)
    names = [each["name"] for each in (*first["data"], *second["data"])]
    assert names == ["Group 2", "Group 1", "Group 0", "Developers", "Administrators"]


async def test_the_root_account_manages_the_groups_of_a_tenant(app: App) -> None:
    path = f"/v3/accounts/{app.other_account_id}/policy-groups"
    made = await app.post(path, json={"name": "From above"})
    assert made.status_code == 201 and made.json()["account_id"] == app.other_account_id
    assert (await app.delete(f"{path}/{made.json()['id']}")).status_code == 204
    assert (await app.get(f"/v3/accounts/{app.account_id}/policy-groups", app.other)).status_code == 404
