"""Many administrators at once."""

from __future__ import annotations

import asyncio

from tests.services.app import PASSWORD, App


async def test_changes_that_cross_each_other_all_get_an_answer(app: App) -> None:
    users = []
    for index in range(4):
        body = {"username": f"user_{index}", "email": f"{index}@lamps.test", "password": PASSWORD}
        users.append((await app.post("/v3/users", json=body)).json()["id"])
    (application,) = (await app.get("/v3/applications", params={"limit": "2"})).json()["data"][1:]
    key = (await app.get(f"/v3/applications/{application['id']}/access-keys")).json()["data"][0]["id"]
    developers, administrators = app.groups["Developers"], app.groups["Administrators"]
    calls = []
    for user in users:
        both = [developers, administrators]
        calls += [
            app.post(f"/v3/users/{user}/groups/add", json=both),
            app.post(f"/v3/users/{user}/groups/remove", json=both[::-1]),
            app.post(f"/v3/policy-groups/{developers}/users/add", json={"users": users}),
            app.post(f"/v3/policy-groups/{administrators}/users/remove", json={"users": users[::-1]}),
            app.put(f"/v3/applications/{application['id']}/access-keys/{key}", json={"name": user}),
            app.put(f"/v3/applications/{application['id']}", json={"name": user, "groups": both}),
            app.log_in(f"user_{users.index(user)}"),
            app.access.flush(),
        ]
    answers = await asyncio.gather(*calls)
    statuses = {each.status_code for each in answers if hasattr(each, "status_code")}
    assert statuses <= {200, 409}


async def test_no_membership_outlives_its_group(app: App) -> None:
    for _ in range(5):
        group = (await app.post("/v3/policy-groups", json={"name": "short-lived"})).json()["id"]
        path = f"/v3/users/{app.user_id}/groups/add"
        await asyncio.gather(
            *(app.post(path, json=[group]) for _ in range(3)), app.delete(f"/v3/policy-groups/{group}")
        )
        assert group not in (await app.get(f"/v3/users/{app.user_id}")).json()["groups"]
