"""API keys on the wire. Deprecated by access keys, and still what older programs use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from lamplighter.clock import to_rfc3339_seconds

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Status = Literal["ACTIVE", "INACTIVE"]


class ApiKey(msgspec.Struct, kw_only=True):
    """``key`` has its secret only in the answer that made it. Times named ``…_time`` are milliseconds."""

    id: str
    account_id: str
    name: str
    key: str
    status: str
    owner: str | UnsetType = UNSET
    groups: list[str]
    creation_time: int
    last_login_time: int
    created_at: str
    updated_at: str
    etag: str
    object: str = "api-key"


class ApiKeyCreate(msgspec.Struct, kw_only=True):
    name: Name
    status: Status = "ACTIVE"
    owner: str | None = None
    """A user of the account; the caller's own user when absent."""
    groups: list[str] | None = None
    """Developers when absent."""


class ApiKeyUpdate(msgspec.Struct, kw_only=True):
    """Absent members stay as they are."""

    name: Name | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    owner: str | None | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET


def api_key_of(row: Any, groups: list[str], secret: str | None = None) -> ApiKey:
    """The key; ``secret``: the whole of it, just made."""
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        key=secret or row["key"],
        status=row["status"],
        owner=UNSET if row["owner"] is None else row["owner"],
        groups=groups,
        creation_time=row["created_at"] // 1000,
        last_login_time=(row["last_used_at"] or 0) // 1000,
        created_at=to_rfc3339_seconds(row["created_at"]),
        updated_at=to_rfc3339_seconds(row["updated_at"]),
        etag=str(row["version"]),
    )
