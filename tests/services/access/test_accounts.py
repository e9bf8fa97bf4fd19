"""Accounts and tenants."""

from __future__ import annotations

from typing import Any

from lamplighter.services.access.permissions import features
from tests.services.app import PASSWORD, App

ABSENT = "0" * 32


async def tenant(app: App, **fields: Any) -> dict[str, Any]:
    body = {"end_market": "lamps", "admin_email": "boss@tenant.test", **fields}
    answer = await app.post("/v3/accounts?action=create", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_tenant_has_its_groups_and_an_administrator_who_can_log_in(app: App) -> None:
    made = await tenant(app, admin_name="boss", admin_password=PASSWORD, display_name="Tenant", aliases=["tenant-one"])
    assert made["parent_id"] == app.account_id and made["aliases"] == ["tenant-one"]
    assert made["display_name"] == "Tenant" and "admin_password" not in made
    token = await app.log_in("boss", account="tenant-one")
    assert (await app.get("/v3/accounts/me", token)).json()["id"] == made["id"]
    (admin,) = (await app.get("/v3/users", token)).json()["data"]
    assert (admin["id"], admin["status"]) == (made["admin_id"], "ACTIVE")
    groups = (await app.get("/v3/policy-groups", token)).json()["data"]
    assert [each["name"] for each in groups] == ["Administrators", "Developers"]


async def test_an_administrator_without_a_password_is_given_one(app: App) -> None:
    made = await tenant(app)
    await app.log_in("boss@tenant.test", made["admin_password"], made["id"])
    users = (await app.get(f"/v3/accounts/{made['id']}/users")).json()["data"]
    assert [each["status"] for each in users] == ["RESET"]


async def test_only_the_root_account_makes_tenants(app: App) -> None:
    body = {"end_market": "lamps", "admin_email": "x@y.test"}
    answer = await app.post("/v3/accounts", app.other, json=body)
    assert (answer.status_code, answer.json()["type"]) == (403, "access_denied")
    assert (await app.post("/v3/accounts", app.developer, json=body)).status_code == 403


async def test_an_alias_is_unique_on_the_server(app: App) -> None:
    await tenant(app, aliases=["tenant-one"])
    body = {"end_market": "x", "admin_email": "x@y.test", "aliases": ["tenant-two", "tenant-one"]}
    answer = await app.post("/v3/accounts", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "duplicate")
    assert (await app.get("/v3/accounts")).json()["total_count"] == 3


async def test_all_faults_of_a_tenant_are_named_at_once(app: App) -> None:
    body = {"admin_name": "x", "country": "x" * 101, "aliases": ["short"], "business_model": "barter"}
    answer = await app.post("/v3/accounts", json=body)
    assert {each["name"].partition("[")[0] for each in answer.json()["fields"]} == {*body, "end_market"}
    answer = await app.post("/v3/accounts", json={"end_market": "x", "admin_password": "short"})
    assert {each["name"] for each in answer.json()["fields"]} == {"admin_email", "admin_password"}


async def test_limits_and_policies_are_included_on_demand(app: App) -> None:
    for path in ("/v3/accounts/me", f"/v3/accounts/{app.account_id}"):
        plain = (await app.get(path)).json()
        assert "limits" not in plain and "policies" not in plain
        full = (await app.get(path, params={"include": "limits, policies"})).json()
        assert full["limits"]["application_limit"] == "25"
        assert [each["feature"] for each in full["policies"]] == features()
        assert all(each["allow"] and each["action"] and each["inherited"] is False for each in full["policies"])


async def test_an_account_shows_its_tenants_on_demand(app: App) -> None:
    shown = (await app.get("/v3/accounts/me", params={"include": "sub_accounts"})).json()
    assert [each["id"] for each in shown["sub_accounts"]] == [app.other_account_id]


async def test_the_root_account_lists_all_accounts_and_a_tenant_only_itself(app: App) -> None:
    made = await tenant(app, country="Finland")
    seen = (await app.get("/v3/accounts", params={"include": "policies"})).json()
    assert {each["id"] for each in seen["data"]} == {app.account_id, app.other_account_id, made["id"]}
    assert (seen["limit"], seen["total_count"]) == (1000, 3) and seen["data"][0]["policies"]
    own = (await app.get("/v3/accounts", app.other)).json()
    assert [each["id"] for each in own["data"]] == [app.other_account_id]
    assert own["total_count"] == 1


async def test_accounts_are_filtered(app: App) -> None:
    await tenant(app, country="Finland")
    for query, count in (
        ({"country__like": "INLA"}, 1),
        ({"country__like": "_"}, 0),
        ({"status__in": "ACTIVE,SUSPENDED"}, 3),
        ({"status__nin": "ACTIVE"}, 0),
        ({"tier__eq": "1"}, 3),
        ({"end_market__eq": "lamps"}, 2),
        ({"parent__eq": ABSENT}, 0),
        ({"parent__eq": app.account_id, "status__eq": "ACTIVE"}, 2),
    ):
        assert (await app.get("/v3/accounts", params=query)).json()["total_count"] == count, query


async def test_an_account_that_is_not_below_the_caller_is_like_an_absent_one(app: App) -> None:
    for account_id in (app.account_id, ABSENT, "x"):
        for path in (f"/v3/accounts/{account_id}", f"/v3/accounts/{account_id}/users"):
            answer = await app.get(path, app.other)
            assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
    assert (await app.get(f"/v3/accounts/{app.other_account_id}", app.other)).status_code == 200


async def test_the_own_account_works_on_tenant_paths(app: App) -> None:
    for noun in ("users", "api-keys", "applications", "policy-groups", "access-keys"):
        twin = (await app.get(f"/v3/accounts/{app.account_id}/{noun}")).json()
        own = (await app.get(f"/v3/{noun}")).json()
        assert [each["id"] for each in twin["data"]] == [each["id"] for each in own["data"]]


async def test_a_developer_may_not_see_the_account(app: App) -> None:
    assert (await app.get("/v3/accounts/me", app.developer)).json()["type"] == "access_denied"
