"""The first start."""

from __future__ import annotations

import asyncio

import pytest

from lamplighter.errors import requests
from lamplighter.storage.database import Database
from tests.services.app import PASSWORD, App, make_app


async def test_the_first_start_makes_an_account_its_groups_and_a_key_that_may_do_everything(database: Database) -> None:
    async with make_app(database, prepared=False) as app:
        key = await app.access.bootstrap()
        assert key is not None and key.startswith("ak_2") and len(key) == 111
        account = (await app.get("/v3/accounts/me", key)).json()
        assert account["status"] == "ACTIVE" and account["tier"] == "1"
        groups = (await app.get("/v3/policy-groups", key)).json()
        assert [each["name"] for each in groups["data"]] == ["Administrators", "Developers"]
        assert [each["application_count"] for each in groups["data"]] == [1, 0]
        (application,) = (await app.get("/v3/applications", key)).json()["data"]
        assert application["name"] == "admin" and application["groups"] == [groups["data"][0]["id"]]


async def test_a_second_start_makes_nothing(database: Database) -> None:
    async with make_app(database, prepared=False) as app:
        assert await app.access.bootstrap() is not None
        assert await app.access.bootstrap() is None


async def test_of_several_first_starts_at_once_one_makes_the_account(database: Database) -> None:
    apps = [App(database) for _ in range(4)]
    keys = await asyncio.gather(*(app.access.bootstrap() for app in apps))
    assert len([key for key in keys if key]) == 1
    (key,) = [key for key in keys if key]
    assert (await apps[0].get("/v3/accounts", key)).json()["total_count"] == 1
    for app in apps:
        await app.close()


async def test_an_administrator_user_can_be_made_without_rest(database: Database) -> None:
    async with make_app(database, prepared=False) as app:
        await app.access.bootstrap()
        user_id = await app.access.make_administrator("grace", "grace@lamps.test", PASSWORD)
        answer = await app.call("POST", "/auth/login", None, json={"username": "grace", "password": PASSWORD})
        token = answer.json()["token"]
        assert answer.json()["user_id"] == user_id
        assert (await app.get("/v3/users", token)).json()["data"][0]["status"] == "ACTIVE"


async def test_an_administrator_user_needs_a_good_name_and_password(database: Database) -> None:
    async with make_app(database, prepared=False) as app:
        await app.access.bootstrap()
        with pytest.raises(requests.InvalidParameters) as caught:
            await app.access.make_administrator("g", "grace", "short")
        assert {fault.name for fault in caught.value.fields} == {"username", "email"}
