"""The record of an answer of 400 and above, kept so that its request ID can be explained later."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


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
