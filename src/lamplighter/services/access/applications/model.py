"""Applications and access keys on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from lamplighter.clock import from_rfc3339, to_rfc3339_seconds
from lamplighter.errors import FieldFault

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Description = Annotated[str, msgspec.Meta(max_length=500)]
Status = Literal["ACTIVE", "INACTIVE"]
STATUSES = ("ACTIVE", "INACTIVE")
KEY_STATUSES = ("ACTIVE", "INACTIVE", "EXPIRED")


class Application(msgspec.Struct, kw_only=True):
    """Something that uses the API: owns access keys, channels and subscriptions."""

    id: str
    account_id: str
    name: str
    description: str | UnsetType = UNSET
    status: str
    groups: list[str]
    last_used_at: str | UnsetType = UNSET
    created_at: str
    updated_at: str
    etag: str
    object: str = "application"


class ApplicationCreate(msgspec.Struct, kw_only=True):
    name: Name
    description: Description | None = None
    status: Status = "ACTIVE"
    groups: list[str] | None = None
    """Developers when absent."""


class ApplicationUpdate(msgspec.Struct, kw_only=True):
    """Absent members stay as they are."""

    name: Name
    description: Description | None | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET


class AccessKey(msgspec.Struct, kw_only=True):
    """A credential of an application. ``key`` has its secret only in the answer that created it."""

    id: str
    account_id: str
    application_id: str
    name: str
    description: str | UnsetType = UNSET
    status: str
    expiration: str | UnsetType = UNSET
    key: str
    last_used_at: str | UnsetType = UNSET
    created_at: str
    updated_at: str
    etag: str
    object: str = "access-key"


class AccessKeyCreate(msgspec.Struct, kw_only=True):
    name: Name
    description: Description | None = None
    status: Status = "ACTIVE"
    expiration: str | None = None

    def faults(self) -> Iterator[FieldFault]:
        yield from _expiration_faults(self.expiration)


class AccessKeyUpdate(msgspec.Struct, kw_only=True):
    """Absent members stay as they are; an ``expiration`` of null takes it away."""

    name: Name
    description: Description | None | UnsetType = UNSET
    status: Literal["ACTIVE", "INACTIVE", "EXPIRED"] | UnsetType = UNSET
    expiration: str | None | UnsetType = UNSET

    def faults(self) -> Iterator[FieldFault]:
        yield from _expiration_faults(self.expiration)


def _expiration_faults(text: str | None | UnsetType) -> Iterator[FieldFault]:
    if isinstance(text, str):
        try:
            from_rfc3339(text)
        except ValueError:
            yield FieldFault("expiration", "must be a UTC date-time such as 2026-11-21T20:15:01Z")


def shown(microseconds: int | None) -> str | UnsetType:
    """A time that may be missing."""
    return UNSET if microseconds is None else to_rfc3339_seconds(microseconds)


def application_of(row: Any, groups: list[str]) -> Application:
    return Application(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        description=UNSET if row["description"] is None else row["description"],
        status=row["status"],
        groups=groups,
        last_used_at=shown(row["last_used_at"]),
        created_at=to_rfc3339_seconds(row["created_at"]),
        updated_at=to_rfc3339_seconds(row["updated_at"]),
        etag=str(row["version"]),
    )


def access_key_of(row: Any, now: int, secret: str | None = None) -> AccessKey:
    """The key; ``secret``: the whole of it, just made."""
    return AccessKey(
        id=row["id"],
        account_id=row["account_id"],
        application_id=row["application_id"],
        name=row["name"],
        description=UNSET if row["description"] is None else row["description"],
        status=status_of(row, now),
        expiration=shown(row["expiration"]),
        key=secret or row["key"],
        last_used_at=shown(row["last_used_at"]),
        created_at=to_rfc3339_seconds(row["created_at"]),
        updated_at=to_rfc3339_seconds(row["updated_at"]),
        etag=str(row["version"]),
    )


def status_of(row: Any, now: int) -> str:
    """EXPIRED is not kept: it follows from the expiration."""
    expired = row["expiration"] is not None and row["expiration"] <= now
    return "EXPIRED" if expired else str(row["status"])
