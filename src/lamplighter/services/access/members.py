"""Who is in which policy group: users, applications and API keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import sqlalchemy as sa

from lamplighter.errors import FieldFault, access
from lamplighter.errors.requests import invalid
from lamplighter.services.access.tables import api_keys, applications, group_members, groups, users
from lamplighter.storage.database import Reader, Transaction
from lamplighter.storage.query import Query, insert

Kind = Literal["user", "application", "apikey"]

TABLES: dict[Kind, sa.Table] = {"user": users, "application": applications, "apikey": api_keys}

MOST: Final = 1000
"""Ids that one request may name: more than a statement should carry."""
_WORDS: dict[Kind, str] = {"user": "a user", "application": "an application", "apikey": "an API key"}

_member = group_members.c


def _all(table: sa.Table) -> Query:
    """The ids of a table that exist among given ones."""
    return Query(
        sa.select(table.c.id).where(
            table.c.account_id == sa.bindparam("account_id"), table.c.id.in_(sa.bindparam("ids", expanding=True))
        )
    )


_EXISTING = {kind: _all(table) for kind, table in TABLES.items()}
_EXISTING_GROUPS = _all(groups)
_OF = Query(
    sa.select(_member.subject_id, _member.group_id)
    .where(
        _member.account_id == sa.bindparam("account_id"),
        _member.kind == sa.bindparam("kind"),
        _member.subject_id.in_(sa.bindparam("ids", expanding=True)),
    )
    .order_by(_member.group_id)
)
_POLICIES = Query(
    sa.select(groups.c.id, groups.c.policy)
    .join(group_members, (groups.c.account_id == _member.account_id) & (groups.c.id == _member.group_id))
    .where(
        _member.account_id == sa.bindparam("account_id"),
        _member.kind == sa.bindparam("kind"),
        _member.subject_id == sa.bindparam("id"),
    )
    .order_by(groups.c.id)
)
_ADD = Query(
    insert(group_members)
    .values({name: sa.bindparam(name) for name in ("account_id", "group_id", "kind", "subject_id")})
    .on_conflict_do_nothing(index_elements=["account_id", "group_id", "kind", "subject_id"])
)
_ONE = (
    _member.account_id == sa.bindparam("account_id"),
    _member.kind == sa.bindparam("kind"),
    _member.subject_id == sa.bindparam("subject_id"),
)
_REMOVE = Query(sa.delete(group_members).where(*_ONE, _member.group_id == sa.bindparam("group_id")))
_REMOVE_ALL = Query(sa.delete(group_members).where(*_ONE))
_EMPTY = Query(
    sa.delete(group_members).where(
        _member.account_id == sa.bindparam("account_id"), _member.group_id == sa.bindparam("group_id")
    )
)


async def groups_of(reader: Reader, account_id: str, kind: Kind, ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the groups of each of these subjects."""
    found: dict[str, list[str]] = {each: [] for each in ids}
    if ids:
        for row in await reader.fetch_all(_OF, account_id=account_id, kind=kind, ids=ids):
            found[row["subject_id"]].append(row["group_id"])
    return found


async def policies_of(reader: Reader, account_id: str, kind: Kind, subject_id: str) -> list[tuple[str, str]]:
    """Id and policy of each group of a subject."""
    rows = await reader.fetch_all(_POLICIES, account_id=account_id, kind=kind, id=subject_id)
    return [(row["id"], row["policy"]) for row in rows]


async def require_groups(tx: Transaction, account_id: str, ids: Sequence[str], name: str = "groups") -> None:
    """Raises InvalidParameters that names every id which is not a group of the account."""
    if not ids:
        return
    _bound(ids, name)
    found = {row["id"] for row in await tx.fetch_all(_EXISTING_GROUPS, account_id=account_id, ids=ids)}
    faults = list(_missing(found, ids, name, "is not a policy group of this account"))
    if faults:
        raise invalid(faults)


async def existing(tx: Transaction, account_id: str, kind: Kind, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are such subjects of the account."""
    return {row["id"] for row in await tx.fetch_all(_EXISTING[kind], account_id=account_id, ids=ids)}


async def missing(tx: Transaction, account_id: str, kind: Kind, ids: Sequence[str], name: str) -> Iterable[FieldFault]:
    """A fault for every id that is not such a subject of the account."""
    if not ids:
        return ()
    _bound(ids, name)
    found = await existing(tx, account_id, kind, ids)
    return _missing(found, ids, name, f"is not {_WORDS[kind]} of this account")


def _bound(ids: Sequence[str], name: str) -> None:
    if len(ids) > MOST:
        raise invalid([FieldFault(name or "body", f"must have at most {MOST} entries")])


def _missing(found: set[str], ids: Sequence[str], name: str, message: str) -> Iterable[FieldFault]:
    return (FieldFault(f"{name}[{index}]", message) for index, each in enumerate(ids) if each not in found)


async def add(tx: Transaction, account_id: str, kind: Kind, pairs: Iterable[tuple[str, str]]) -> None:
    """Put subjects into groups: pairs of subject and group, known to exist, of an account that is held. Raises
    AlreadyInGroup."""
    pairs = list(pairs)
    before = await groups_of(tx, account_id, kind, list(dict.fromkeys(subject_id for subject_id, _ in pairs)))
    for subject_id, group_id in pairs:
        if group_id in before[subject_id]:
            raise access.AlreadyInGroup(subject=subject_id, group_id=group_id)
    await tx.execute_many(_ADD, _rows(account_id, kind, pairs))


async def remove(tx: Transaction, account_id: str, kind: Kind, pairs: Iterable[tuple[str, str]]) -> None:
    """Take subjects out of groups; one that is not in it is left alone."""
    await tx.execute_many(_REMOVE, _rows(account_id, kind, pairs))


def _rows(account_id: str, kind: Kind, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"account_id": account_id, "kind": kind, "subject_id": subject_id, "group_id": group_id}
        for subject_id, group_id in pairs
    ]


async def put(tx: Transaction, account_id: str, kind: Kind, subject_id: str, group_ids: Iterable[str]) -> None:
    """Make these the groups of the subject, and no others. Raises InvalidParameters."""
    wanted = list(dict.fromkeys(group_ids))
    await require_groups(tx, account_id, wanted)
    await forget(tx, account_id, kind, subject_id)
    await add(tx, account_id, kind, ((subject_id, group_id) for group_id in wanted))


async def forget(tx: Transaction, account_id: str, kind: Kind, subject_id: str) -> None:
    """Take a subject out of all groups."""
    await tx.execute(_REMOVE_ALL, account_id=account_id, kind=kind, subject_id=subject_id)


async def empty(tx: Transaction, account_id: str, group_id: str) -> None:
    """Take everybody out of a group."""
    await tx.execute(_EMPTY, account_id=account_id, group_id=group_id)
