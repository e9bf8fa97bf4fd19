"""The directory behind its API, with two accounts and four keys."""

from __future__ import annotations

from typing import Any

import httpx2

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.api.http import Api
from lamplighter.api.kept import KeptError
from lamplighter.api.metrics import Metrics
from lamplighter.api.networks import Origin
from lamplighter.clock import Clock, ManualClock
from lamplighter.errors import access
from lamplighter.ids import Ids
from lamplighter.services.directory.operations import bind
from lamplighter.services.directory.service import Directory
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from tests import contract

ADMIN = "ak_2" + "a" * 107
DEVELOPER = "ak_2" + "d" * 107
READER = "ak_2" + "r" * 107
OTHER = "ak_2" + "o" * 107
ACCOUNT, FOREIGN = "0" * 31 + "1", "0" * 31 + "2"

WRITES = {"devices.write", "device-groups.write", "queries.write"}
READS = {"devices.read", "device-groups.read", "queries.read", "events.read"}


class Callers:
    def __init__(self) -> None:
        self.known = {
            ADMIN: self._caller(ACCOUNT, "admin", {"*"}),
            DEVELOPER: self._caller(ACCOUNT, "developer", READS | WRITES),
            READER: self._caller(ACCOUNT, "reader", READS),
            OTHER: self._caller(FOREIGN, "other", {"*"}),
        }

    def _caller(self, account_id: str, name: str, permissions: set[str]) -> Caller:
        return Caller(
            account_id=account_id,
            kind=CredentialKind.ACCESS_KEY,
            credential_id=name,
            subject_id=name,
            permissions=frozenset(permissions),
        )

    async def caller_of(self, kind: CredentialKind, credential: str) -> Caller:
        if credential not in self.known:
            raise access.AccessKeyUnknown()
        return self.known[credential]

    async def is_tenant(self, caller: Caller, account_id: str) -> bool:
        return account_id == caller.account_id


class Nobody:
    """Keeps no errors, has no quota, and lets everybody in."""

    def keep(self, error: KeptError) -> None:
        pass

    def count(self, caller: Caller, now: int) -> None:
        pass

    def check(self) -> None:
        pass


class App:
    """The application, and a client that holds every answer against the contract."""

    def __init__(self, database: Database, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = ManualClock()
        self.database = database
        clock = clock or self.clock
        self.directory = Directory(database, clock, Ids(clock), self.settings)
        self.api = Api(
            bind(self.directory),
            settings=self.settings,
            clock=clock,
            ids=Ids(clock),
            authenticator=Callers(),
            keeper=Nobody(),
            quota=Nobody(),
            origin=Origin((), (), (), None, "the operator"),
            gate=Nobody(),
            metrics=Metrics(),
            strict=True,
        )

    async def call(self, method: str, path: str, body: Any = None, key: str = ADMIN) -> httpx2.Response:
        """Call an operation; every call takes a millisecond of the clock."""
        self.clock.advance(0.001)
        transport = httpx2.ASGITransport(app=self.api, client=("203.0.113.9", 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="https://directory.test") as client:
            headers = {"Authorization": f"Bearer {key}"}
            if body is None:
                answer = await client.request(method, path, headers=headers)
            else:
                answer = await client.request(method, path, headers=headers, json=body)
        self._check(method, path, answer)
        return answer

    async def get(self, path: str, key: str = ADMIN) -> Any:
        """The body of a GET that is answered 200."""
        answer = await self.call("GET", path, key=key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, status: int = 201, key: str = ADMIN) -> Any:
        answer = await self.call("POST", path, body, key)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def put(self, path: str, body: Any, status: int = 200, key: str = ADMIN) -> Any:
        answer = await self.call("PUT", path, body, key)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, body: Any, status: int, type_: str, key: str = ADMIN) -> Any:
        """The error that a call is answered."""
        answer = await self.call(method, path, body, key)
        error = answer.json()
        assert (answer.status_code, error["type"]) == (status, type_), answer.text
        return error

    async def ids(self, path: str, key: str = ADMIN) -> list[str]:
        """The ids of a list."""
        return [each["id"] for each in (await self.get(path, key))["data"]]

    def _check(self, method: str, path: str, answer: httpx2.Response) -> None:
        found = self.api.router.find(path.partition("?")[0])
        if found is None or method not in found[0]:
            return
        body = answer.json() if answer.content else None
        contract.check(found[0][method].operation.operation_id, answer.status_code, body)
