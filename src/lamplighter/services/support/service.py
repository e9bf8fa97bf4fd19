"""What the server can say about an answer it gave."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lamplighter.api.caller import Caller
from lamplighter.api.kept import KeptError
from lamplighter.clock import to_rfc3339
from lamplighter.errors import Error, access, load_all
from lamplighter.services.support.keeper import Keeper

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Explanation(msgspec.Struct, kw_only=True):
    """A kept error, with what the catalogue says about it."""

    object: str
    id: str
    request_id: str
    created_at: str
    code: int
    type: str
    error: str
    message: str
    fields: list[dict[str, str]]
    cause: str
    remedy: str
    help: str
    method: str
    path: str
    operation: str | None
    account_id: str | None
    credential: str | None
    address: str
    client_request_id: str | None
    user_agent: str | None
    details: dict[str, Any]


class Support:
    def __init__(self, keeper: Keeper, kept_days: float) -> None:
        self._keeper = keeper
        self._days = kept_days
        self._members: dict[str, type[Error]] = load_all()

    async def explain(self, caller: Caller, request_id: str) -> Explanation:
        """The error answered under that request ID: of the caller's own account; strangers' for the root account.

        Raises KeptErrorNotFound.
        """
        found = await self._keeper.find(request_id) if _ID.fullmatch(request_id) else None
        if found is None or not _may_see(caller, found):
            raise access.KeptErrorNotFound(request_id=request_id[:40], days=self._days)
        member = self._members.get(found.member)
        return Explanation(
            object="kept-error",
            id=found.request_id,
            request_id=found.request_id,
            created_at=to_rfc3339(found.time),
            code=found.status,
            type=found.type,
            error=found.member,
            message=found.message,
            fields=found.fields,
            cause=member.cause if member else "",
            remedy=found.remedy,
            help=f"/docs/errors#{found.member}",
            method=found.method,
            path=found.path,
            operation=found.operation,
            account_id=found.account_id,
            credential=found.credential,
            address=found.address,
            client_request_id=found.client_request_id,
            user_agent=found.user_agent,
            details=found.details,
        )


def _may_see(caller: Caller, error: KeptError) -> bool:
    return error.account_id == caller.account_id or (error.account_id is None and caller.root)
