"""Policy groups on the wire."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from lamplighter.clock import to_rfc3339_seconds

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Group(msgspec.Struct, kw_only=True):
    """A policy group: what it allows is given to everybody in it."""

    id: str
    account_id: str
    name: str
    user_count: int
    application_count: int
    apikey_count: int
    created_at: str
    updated_at: str
    etag: str
    object: str = "group"


class Subjects(msgspec.Struct, kw_only=True):
    """Ids of who is put into a group, or taken out."""

    users: list[str] = []
    applications: list[str] = []
    apikeys: list[str] = []


class GroupCreate(msgspec.Struct, kw_only=True):
    name: Name
    members: Subjects = msgspec.field(default_factory=Subjects)


class GroupUpdate(msgspec.Struct, kw_only=True):
    name: Name


def group_of(row: Any) -> Group:
    return Group(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        user_count=row["user_count"],
        application_count=row["application_count"],
        apikey_count=row["apikey_count"],
        created_at=to_rfc3339_seconds(row["created_at"]),
        updated_at=to_rfc3339_seconds(row["updated_at"]),
        etag=str(row["version"]),
    )
