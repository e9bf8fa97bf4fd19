"""The record of an answer of 400 and above, kept so that its request ID can be explained later."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from lamplighter.api.request import Request, shown
from lamplighter.errors import Error


class KeptError(msgspec.Struct, frozen=True, kw_only=True):
    """What the server knew when it answered an error. Never a secret: queries are kept without values of credentials."""

    request_id: str
    time: int
    """Microseconds UTC."""
    status: int
    type: str
    member: str
    message: str
    remedy: str = ""
    """What to do, with the facts of the request."""
    fields: list[dict[str, str]]
    method: str
    path: str
    operation: str | None
    """operationId, where the path was known."""
    account_id: str | None
    """The caller's account; None for strangers."""
    credential: str | None
    """Kind and id of the credential, never the credential."""
    address: str
    client_request_id: str | None
    user_agent: str | None
    details: dict[str, Any]


class ErrorKeeper(Protocol):
    """Keeps errors without making the request wait."""

    def keep(self, error: KeptError) -> None: ...


def record_of(request: Request, error: Error) -> KeptError:
    """What is kept of an error that answers that request."""
    caller = request.caller
    return KeptError(
        request_id=request.request_id,
        time=request.time,
        status=error.status,
        type=error.type,
        member=error.name,
        message=error.public_message,
        remedy=error.advice,
        fields=[{"name": fault.name, "message": fault.message} for fault in error.fields],
        method=request.method,
        path=shown(request.raw_path),
        operation=request.operation.operation_id if request.operation else None,
        account_id=caller.account_id if caller else None,
        credential=f"{caller.kind.value} {caller.credential_id}" if caller else None,
        address=request.address,
        client_request_id=request.client_request_id,
        user_agent=(request.header(b"user-agent") or "")[:200] or None,
        details={**request.details, **error.details},
    )
