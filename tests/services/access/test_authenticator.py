"""Credentials: who they are, what is refused and how soon a revocation counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lamplighter.api.caller import CredentialKind
from lamplighter.bus.local import LocalBus
from lamplighter.errors import access as errors
from lamplighter.services.access.tables import access_keys, api_keys, sessions
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests.services.app import App, make_app


async def test_each_kind_of_credential_is_known_for_what_it_is(app: App) -> None:
    caller_of = app.access.authenticator.caller_of
    admin = await caller_of(CredentialKind.ACCESS_KEY, app.admin)
    assert admin.root and admin.may("anything.at.all") and admin.subject_id == admin.application_id
    developer = await caller_of(CredentialKind.ACCESS_KEY, app.developer)
    assert developer.may("devices.write") and not developer.may("users.read")
    key = await caller_of(CredentialKind.API_KEY, app.api_key)
    assert key.subject_id == key.credential_id and key.group_ids == (app.groups["Developers"],)
    user = await caller_of(CredentialKind.USER_TOKEN, app.user_token)
    assert (user.subject_id, user.user_id, user.name) == (app.user_id, app.user_id, "ada_lamp")
    other = await caller_of(CredentialKind.ACCESS_KEY, app.other)
    assert not other.root and other.account_id == app.other_account_id


@pytest.mark.parametrize(
    ("prefix", "length", "type_"),
    [("ak_2", 111, "invalid_accesskey"), ("ak_1", 111, "invalid_apikey"), ("rt_", 110, "invalid_token")],
)
async def test_an_unknown_credential_is_refused_by_its_kind_and_not_remembered(
    app: App, prefix: str, length: int, type_: str
) -> None:
    await app.get("/v3/users")
    before = len(app.access.authenticator._remembered)
    for credential in (prefix.ljust(length, "x"), (prefix + app.admin[4:]).ljust(length, "x")[: length - 1] + "-"):
        answer = await app.get("/v3/users", credential)
        assert (answer.status_code, answer.json()["type"]) == (401, type_)
    assert len(app.access.authenticator._remembered) == before


async def test_only_digests_of_credentials_are_in_the_database(app: App) -> None:
    for table in (access_keys, api_keys, sessions):
        for row in await app.database.fetch_all(Query(table.select())):
            for secret in (app.admin, app.developer, app.api_key, app.user_token):
                assert secret[-32:] not in str(tuple(row))


async def test_a_process_trusts_a_credential_for_a_moment_and_then_asks_again(database: Database) -> None:
    async with make_app(database) as app:
        await app.get("/v3/users")
        asked = 0
        fetch_one = app.access.authenticator._database.fetch_one

        class Counting:
            async def fetch_one(self, *arguments: object, **values: object) -> object:
                nonlocal asked
                asked += 1
                return await fetch_one(*arguments, **values)  # type: ignore[arg-type]

            fetch_all = staticmethod(app.database.fetch_all)

        app.access.authenticator._database = Counting()  # type: ignore[assignment]
        for _ in range(3):
            await app.access.authenticator.caller_of(CredentialKind.ACCESS_KEY, app.admin)
        assert asked == 0
        app.clock.advance(app.access.settings.access.credential_cache)
        await app.access.authenticator.caller_of(CredentialKind.ACCESS_KEY, app.admin)
        assert asked == 1


async def test_a_revocation_reaches_other_processes_over_the_bus(open_database: Callable[[], Database]) -> None:
    bus = LocalBus()
    databases = [open_database(), open_database()]
    for each in databases:
        await each.start()
    try:
        async with make_app(databases[0], bus=bus) as one, make_app(databases[1], prepared=False, bus=bus) as two:
            assert (await two.get("/v3/devices-of-nobody", one.developer)).status_code == 404
            await two.access.authenticator.caller_of(CredentialKind.ACCESS_KEY, one.developer)
            (key,) = (await one.get("/v3/access-keys", params={"key__eq": one.developer})).json()["data"]
            path = f"/v3/applications/{key['application_id']}/access-keys/{key['id']}"
            await one.put(path, json={"name": "key", "status": "INACTIVE"})
            await asyncio.sleep(0)  # the bus delivers when publish has returned
            with pytest.raises(errors.AccessKeyInactive):
                await two.access.authenticator.caller_of(CredentialKind.ACCESS_KEY, one.developer)
    finally:
        for each in databases:
            await each.close()


async def test_without_the_bus_a_revocation_reaches_other_processes_when_a_credential_is_asked_for_again(
    open_database: Callable[[], Database],
) -> None:
    databases = [open_database(), open_database()]
    for each in databases:
        await each.start()
    try:
        async with make_app(databases[0]) as one, make_app(databases[1], prepared=False, clock=one.clock) as two:
            await two.access.authenticator.caller_of(CredentialKind.API_KEY, one.api_key)
            key_id = (await one.get("/v3/api-keys/me", one.api_key)).json()["id"]
            await one.delete(f"/v3/api-keys/{key_id}")
            one.clock.advance(two.access.settings.access.credential_cache)
            with pytest.raises(errors.ApiKeyUnknown):
                await two.access.authenticator.caller_of(CredentialKind.API_KEY, one.api_key)
    finally:
        for each in databases:
            await each.close()


async def test_the_root_account_acts_in_every_account_and_a_tenant_in_its_own(app: App) -> None:
    authenticator = app.access.authenticator
    root = await authenticator.caller_of(CredentialKind.ACCESS_KEY, app.admin)
    other = await authenticator.caller_of(CredentialKind.ACCESS_KEY, app.other)
    assert await authenticator.is_tenant(root, app.other_account_id)
    assert await authenticator.is_tenant(other, app.other_account_id)
    assert not await authenticator.is_tenant(other, app.account_id)
    assert not await authenticator.is_tenant(root, "0" * 32)
