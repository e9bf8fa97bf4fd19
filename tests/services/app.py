"""The REST kernel over a real database, with this project's own accounts and keys: for tests of services.

::

    async with make_app(open_database, lambda app: directory.operations()) as app:
        answer = await app.get("/v3/devices")            # as the administrator
        answer = await app.call("GET", "/v3/devices", app.developer)

Each answer with an operation of the public contract is held against it where the contract is at hand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from lamplighter.api.http import Api
from lamplighter.api.kept import KeptError
from lamplighter.api.metrics import Metrics
from lamplighter.api.networks import Origin
from lamplighter.api.operation import Bound
from lamplighter.bus.bus import Bus
from lamplighter.bus.local import LocalBus
from lamplighter.clock import ManualClock
from lamplighter.ids import Ids
from lamplighter.services.access.passwords import Passwords
from lamplighter.services.access.service import Access
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from tests import contract

PEPPER = b"a pepper of the tests"
PASSWORD = "correct horse battery"
EMAIL = "ada@lamps.test"
UNLIMITED = Settings()
"""The settings' defaults; the rate limits of the kernel are wide enough for a test."""

OURS = frozenset({"login", "logout", "getAutomaticRenewal", "setAutomaticRenewal", "getAcmeChallenge"})
"""Operations that the public contract does not have."""


class Kept:
    """Remembers errors instead of keeping them."""

    def __init__(self) -> None:
        self.errors: list[KeptError] = []

    def keep(self, error: KeptError) -> None:
        self.errors.append(error)


class OpenGate:
    def check(self) -> None:
        """Lets everything in."""


def cheap_passwords() -> Passwords:
    """Argon2id at the smallest cost it has, so that tests are not slow."""
    return Passwords(memory=32, passes=1)


class App:
    """The application, its parts, and credentials of every kind.

    After ``prepare``: ``admin`` and ``developer`` (access keys), ``api_key``, ``user_token`` (of the user ``user_id``) in
    the root account ``account_id``, and ``other``, the administrator's key of the tenant ``other_account_id``.
    """

    def __init__(
        self,
        database: Database,
        more: Callable[[App], Iterable[Bound]] | None = None,
        *,
        settings: Settings = UNLIMITED,
        clock: ManualClock | None = None,
        bus: Bus | None = None,
        address: str = "203.0.113.9",
    ) -> None:
        self.database = database
        self.settings = settings
        self.clock = clock or ManualClock()
        self.ids = Ids(self.clock)
        self.bus = bus or LocalBus()
        self.access = Access(database, self.clock, self.ids, settings, PEPPER, self.bus, passwords=cheap_passwords())
        self.kept = Kept()
        self.address = address
        self.api = Api(
            [*self.access.operations(), *(more(self) if more else ())],
            settings=settings,
            clock=self.clock,
            ids=self.ids,
            authenticator=self.access.authenticator,
            keeper=self.kept,
            quota=self.access.quota,
            origin=Origin(
                settings.http.trusted_proxies,
                settings.access.restricted_networks,
                settings.access.restricted_countries,
                None,
                "the operator",
            ),
            gate=OpenGate(),
            metrics=Metrics(),
            strict=True,
        )
        transport = httpx2.ASGITransport(app=self.api, client=(address, 4711))
        self._client = httpx2.AsyncClient(transport=transport, base_url="https://lamps.test")

    async def start(self) -> None:
        await self.bus.start()
        await self.access.start()

    async def close(self) -> None:
        await self._client.aclose()
        await self.access.close()
        await self.bus.close()

    async def prepare(self) -> None:
        """Make the root account, a tenant, and a credential of each kind."""
        key = await self.access.bootstrap()
        assert key is not None
        self.admin = key
        self.account_id: str = (await self.get("/v3/accounts/me")).json()["id"]
        self.groups = {each["name"]: each["id"] for each in (await self.get("/v3/policy-groups")).json()["data"]}
        self.developer = await self.new_key("Developers")
        made = await self.post("/v3/api-keys", json={"name": "old program"})
        self.api_key: str = made.json()["key"]
        self.user_id = await self.access.make_administrator("ada_lamp", EMAIL, PASSWORD)
        self.user_token = await self.log_in("ada_lamp")
        made = await self.post("/v3/accounts", json={"end_market": "lamps", "admin_email": "bo@other.test"})
        self.other_account_id: str = made.json()["id"]
        self.other = await self.new_key("Administrators", f"/v3/accounts/{self.other_account_id}")

    async def new_key(self, group: str, prefix: str = "/v3", name: str | None = None) -> str:
        """An access key of a new application in that group."""
        groups = (await self.get(f"{prefix}/policy-groups", params={"name__eq": group})).json()["data"]
        body = {"name": name or f"in {group}", "groups": [each["id"] for each in groups]}
        application = (await self.post(f"{prefix}/applications", json=body)).json()["id"]
        made = await self.post(f"{prefix}/applications/{application}/access-keys", json={"name": "test"})
        key: str = made.json()["key"]
        return key

    async def log_in(self, username: str, password: str = PASSWORD, account: str | None = None) -> str:
        form = {"username": username, "password": password, "account": account or self.account_id}
        answer = await self.call("POST", "/auth/login", None, data=form)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        return token

    async def call(self, method: str, path: str, key: str | None, **more: Any) -> httpx2.Response:
        """One request; the answer keeps the public contract."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key}")
        answer = await self._client.request(method, path, headers=headers, **more)
        self._check(method, answer)
        return answer

    async def get(self, path: str, key: str | None = None, **more: Any) -> httpx2.Response:
        return await self.call("GET", path, key or self.admin, **more)

    async def post(self, path: str, key: str | None = None, **more: Any) -> httpx2.Response:
        return await self.call("POST", path, key or self.admin, **more)

    async def put(self, path: str, key: str | None = None, **more: Any) -> httpx2.Response:
        return await self.call("PUT", path, key or self.admin, **more)

    async def delete(self, path: str, key: str | None = None, **more: Any) -> httpx2.Response:
        return await self.call("DELETE", path, key or self.admin, **more)

    def _check(self, method: str, answer: httpx2.Response) -> None:
        """Hold an answer against the contract."""
        raw_path = answer.request.url.raw_path.decode().partition("?")[0]
        found = self.api.router.find(raw_path)
        bound = found[0].get(method) if found is not None else None
        known = contract.here()
        if bound is None or known is None:
            return
        operation_id = bound.operation.operation_id
        if operation_id in OURS:
            return
        is_json = answer.headers.get("content-type", "").endswith("json")
        body = None if not answer.content else answer.json() if is_json else answer.text
        assert contract.check(operation_id, answer.status_code, body)


@asynccontextmanager
async def make_app(
    database: Database,
    more: Callable[[App], Iterable[Bound]] | None = None,
    *,
    prepared: bool = True,
    **parts: Any,
) -> AsyncIterator[App]:
    """The application on a started database; ``prepared`` with credentials of every kind.

    :param more: makes the operations of further services, given the application with its clock, bus and Access
    """
    app = App(database, more, **parts)
    await app.start()
    try:
        if prepared:
            await app.prepare()
        yield app
    finally:
        await app.close()
