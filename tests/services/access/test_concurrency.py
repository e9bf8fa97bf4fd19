"""Many administrators at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from lamplighter.services.access.quota import OperationQuota
from lamplighter.storage.database import Database
from tests.services.app import PASSWORD, App, cheap_passwords, make_app


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


async def test_a_login_that_a_password_change_overtakes_opens_nothing(app: App) -> None:
    """The old password was right when it was checked, and is no more when the session begins."""
    verify = app.access.passwords.verify
    changed = {"password": "a new and longer one", "old_password": PASSWORD}

    async def slow_verify(kept: str | None, password: str) -> bool:
        right = await verify(kept, password)
        app.access.passwords.verify = verify  # type: ignore[method-assign]
        assert (await app.put("/v3/users/me", app.user_token, json=changed)).status_code == 200
        return right

    app.access.passwords.verify = slow_verify  # type: ignore[method-assign]
    form = {"username": "ada_lamp", "password": PASSWORD, "account": app.account_id}
    answer = await app.call("POST", "/auth/login", None, data=form)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_auth")
    assert (await app.get(f"/v3/users/{app.user_id}")).json().get("active_sessions") == []
    await app.log_in("ada_lamp", "a new and longer one")


async def test_of_two_password_changes_at_once_with_the_same_old_password_one_counts(app: App) -> None:
    tokens = [app.user_token, await app.log_in("ada_lamp")]
    answers = await asyncio.gather(
        *(
            app.put("/v3/users/me", token, json={"password": f"new password {number}", "old_password": PASSWORD})
            for number, token in enumerate(tokens)
        )
    )
    assert sorted(each.status_code for each in answers) == [200, 401]


async def test_a_caller_read_before_a_revocation_is_not_remembered_after_it(app: App) -> None:
    access, authenticator = app.access, app.access.authenticator
    prepare = access.quota.prepare

    async def slow_prepare(account_id: str, now: int) -> None:
        await prepare(account_id, now)
        authenticator.forget(account_id)  # the revocation comes while the caller is being put together

    authenticator.forget(app.account_id)
    access.quota.prepare = slow_prepare  # type: ignore[method-assign]
    await app.get("/v3/users", app.developer)
    assert authenticator._remembered == {}


async def test_what_was_counted_is_written_once_however_the_process_ends(app: App) -> None:
    access = app.access
    before = await access.quota.used(app.account_id, app.clock.now())
    calls = 0
    for turns in range(25):
        await app.get("/v3/accounts/me")
        calls += 1
        writing = asyncio.create_task(access._try_to_flush())
        for _ in range(turns):
            await asyncio.sleep(0)
        assert access._writer is not None
        others, access._writer = access._writer, writing
        await access.close()
        await others
        access.passwords = cheap_passwords()
        await access.start()
    written = OperationQuota(app.database, app.settings)
    assert await written.used(app.account_id, app.clock.now()) == before + calls


async def test_two_keys_and_no_more_under_sixty_four_creates_from_two_processes(
    app: App, open_database: Callable[[], Database]
) -> None:
    database = open_database()
    await database.start()
    async with make_app(database, prepared=False) as second:
        made = await app.post("/v3/applications", json={"name": "crowded"})
        path = f"/v3/applications/{made.json()['id']}/access-keys"
        answers = await asyncio.gather(
            *((app, second)[n % 2].post(path, app.admin, json={"name": f"key {n}"}) for n in range(64))
        )
        assert sorted(each.status_code for each in answers) == [201] * 2 + [403] * 62
        paths = await asyncio.gather(
            *((app, second)[n % 2].post("/v3/applications", app.admin, json={"name": f"n{n}"}) for n in range(40))
        )
        assert Counter(each.status_code for each in paths)[201] == app.settings.access.applications_tier_1 - 3
    await database.close()
