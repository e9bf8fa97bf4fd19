"""The vendor's Python SDK, unmodified, manages accounts, users, groups and keys of this server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
import uvicorn

from lamplighter.clock import ManualClock, SystemClock
from lamplighter.storage.database import Database
from tests.servers import free_port
from tests.services.app import EMAIL, PASSWORD, UNLIMITED, App, make_app

pytestmark = [
    pytest.mark.parametrize("dialect", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore"),  # the SDK's own, of years ago
]
PLAIN = msgspec.structs.replace(UNLIMITED, http=msgspec.structs.replace(UNLIMITED.http, plaintext_api=True))


class Now(ManualClock):
    """Begins now: the SDK sends times of its own."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now())


class Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture
async def served(database: Database) -> AsyncIterator[tuple[App, dict[str, str]]]:
    """The application on a loopback port, and the SDK's configuration for it."""
    async with make_app(database, settings=PLAIN, clock=Now()) as app:
        port = free_port()
        config = uvicorn.Config(app.api, host="127.0.0.1", port=port, log_level="error", lifespan="off", ws="none")
        server = Server(config)
        serving = asyncio.create_task(server.serve())
        await server.ready.wait()
        yield app, {"api_key": app.admin, "host": f"http://127.0.0.1:{port}"}
        server.should_exit = True
        await serving


async def run(client: Callable[[dict[str, str]], None], config: dict[str, str]) -> None:
    """The SDK waits for its answers, so it runs in a thread."""
    await asyncio.to_thread(client, config)


async def test_the_foundation_interface_manages_the_account(served: tuple[App, dict[str, str]]) -> None:
    app, config = served

    def client(config: dict[str, str]) -> None:
        from mbed_cloud import SDK

        sdk: Any = SDK(**config).foundation
        mine = sdk.account().me()
        assert (mine.id, mine.status) == (app.account_id, "ACTIVE")
        for account in sdk.account().list(include="policies"):
            assert account.policies and all(each.feature and each.allow for each in account.policies)
        user = sdk.user(username="sdk_user", email="sdk@lamps.test", full_name="Before")
        user.create()
        assert (user.status, user.account_id) == ("RESET", app.account_id)
        user.full_name = "After"
        user.update()
        assert sdk.user(id=user.id).read().full_name == "After"
        assert [each.id for each in sdk.user().list(filter={"email": {"eq": "sdk@lamps.test"}})] == [user.id]
        user.delete()
        assert [each.email for each in sdk.user().list()] == [EMAIL]
        key = sdk.api_key(name="sdk key", owner=app.user_id)
        key.create()
        assert len(key.key) == 111 and sdk.api_key(id=key.id).read().owner == app.user_id
        key.name = "renamed"
        key.update()
        key.delete()

    await run(client, config)


async def test_the_foundation_interface_manages_a_tenant(served: tuple[App, dict[str, str]]) -> None:
    app, config = served

    def client(config: dict[str, str]) -> None:
        from mbed_cloud import SDK

        sdk: Any = SDK(**config).foundation
        tenant = sdk.account(end_market="lamps", admin_email="boss@tenant.test", display_name="Tenant")
        tenant.create()
        assert tenant.parent_id == app.account_id
        user = sdk.subtenant_user(account_id=tenant.id, username="tenant_user", email="u@tenant.test")
        user.create()
        assert user.account_id == tenant.id
        assert {each.id for each in tenant.users()} == {tenant.admin_id, user.id}

    await run(client, config)


async def test_the_legacy_interface_manages_users_groups_and_keys(served: tuple[App, dict[str, str]]) -> None:
    app, config = served

    def client(config: dict[str, str]) -> None:
        from mbed_cloud.account_management import AccountManagementAPI

        api: Any = AccountManagementAPI(config)
        assert api.get_account().id == app.account_id
        assert [each.name for each in api.list_groups()] == ["Administrators", "Developers"]
        group = app.groups["Administrators"]
        assert [each.username for each in api.list_group_users(group)] == ["ada_lamp"]
        user = api.add_user("legacy_user", "legacy@lamps.test")
        assert api.get_user(user.id).username == "legacy_user"
        key = api.add_api_key("legacy key", groups=[group])
        assert [each.name for each in api.list_group_api_keys(group)] == ["legacy key"]
        assert api.update_api_key(key.id, name="renamed").name == "renamed"
        api.delete_api_key(key.id)
        api.delete_user(user.id)

    await run(client, config)


async def test_the_sdk_shows_what_an_error_says(served: tuple[App, dict[str, str]]) -> None:
    _, config = served

    def client(config: dict[str, str]) -> None:
        from mbed_cloud import SDK
        from mbed_cloud.sdk.exceptions import ApiErrorResponse

        user: Any = SDK(**config).foundation.user(username="ada_lamp", email="else@lamps.test", password=PASSWORD)
        with pytest.raises(ApiErrorResponse) as caught:
            user.create()
        assert caught.value.status_code == 409 and "ada_lamp" in str(caught.value)

    await run(client, config)
