"""A walk through operations of a running server: each is called by its name, and its answer held against the public contract."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import httpx2

from lamplighter.api.operation import Operation
from tests import contract
from tests.roles.serving import Serving

OURS = {"login", "logout", "getEndpoints", "getKeptError"}
"""Operations that the contract does not have: clients use the first three, the last is an addition."""
NO_JSON = {"getEndpointSubscriptions", "deleteLongPollChannel"}
"""Their success is plain text."""
WORDS = {"deleteLongPollChannel": {"REMOVED", "ALREADY_DELETED"}}
"""Answers whose words the contract has in its prose only."""


class Walk:
    """Calls operations by their names, and remembers which.

    :param tenant: the account in which to act by the twins; None for the own one
    """

    def __init__(self, serving: Serving, client: httpx2.AsyncClient, tenant: str | None, reached: set[str]) -> None:
        self._client = client
        self._tenant = tenant
        self._reached = reached
        self._key = serving.key
        known = [each for each in serving.process.api.operations if bool(each.tenant_of) == bool(tenant)]
        self._operations = {each.tenant_of or each.operation_id: each for each in known}

    async def do(
        self,
        name: str,
        *values: str,
        body: Any = None,
        key: str = "",
        query: str = "",
        status: int | tuple[int, ...] = 0,
        files: Any = None,
    ) -> Any:
        """Call an operation with the values of its path's variables; the decoded body.

        :param status: what is expected, where it is not the operation's usual one
        """
        operation = self._operations[name]
        path = self._fill(operation, values)
        answer = await self._client.request(
            operation.method,
            f"{path}?{query}" if query else path,
            json=body,
            files=files,
            headers={"Authorization": f"Bearer {key or self._key}"},
        )
        found = operation.operation_id
        expected = status or operation.status
        assert answer.status_code in (expected if isinstance(expected, tuple) else (expected,)), (found, answer.text)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        decoded: Any = (answer.json() if is_json else answer.text) if answer.content else None
        assert is_json == (answer.content != b"" and name not in NO_JSON), found
        if name in WORDS:
            assert decoded in WORDS[name]
            decoded = None
        if found not in OURS:
            contract.check(found, answer.status_code, decoded)
        self._reached.add(found)
        return decoded

    def _fill(self, operation: Operation, values: tuple[str, ...]) -> str:
        left = iter((self._tenant, *values) if self._tenant else values)
        path = re.sub(r"\{[^}]+\}", lambda _: quote(str(next(left)), safe="/"), operation.path)
        assert not list(left), operation.operation_id
        return path
