"""What may happen to policy groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamplighter.api.page import Page
from lamplighter.errors import FieldFault
from lamplighter.errors import access as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import is_id
from lamplighter.services.access import members
from lamplighter.services.access.events import happened
from lamplighter.services.access.groups import store
from lamplighter.services.access.groups.model import Group, Subjects, group_of
from lamplighter.services.access.members import Kind
from lamplighter.services.access.names import key_of, shown
from lamplighter.storage.database import Reader, Row, Transaction, UniqueViolation

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

ADMINISTRATORS = "Administrators"
DEVELOPERS = "Developers"


async def row_of(reader: Reader, account_id: str, group_id: str) -> Row:
    """Raises GroupNotFound."""
    row = await reader.fetch_one(store.GET, account_id=account_id, id=group_id) if is_id(group_id) else None
    if row is None:
        raise errors.GroupNotFound(group_id=shown(group_id))
    return row


async def get(reader: Reader, account_id: str, group_id: str) -> Group:
    """Raises GroupNotFound."""
    row = await row_of(reader, account_id, group_id)
    return group_of(row)


async def insert(tx: Transaction, account_id: str, group_id: str, name: str, policy: str, now: int) -> None:
    """Raises GroupNameTaken."""
    try:
        await tx.execute(
            store.INSERT,
            account_id=account_id,
            id=group_id,
            name=name,
            name_key=key_of(name),
            policy=policy,
            version=1,
            created_at=now,
            updated_at=now,
        )
    except UniqueViolation:
        raise errors.GroupNameTaken(name=name) from None


async def make_defaults(access: Access, tx: Transaction, account_id: str, now: int) -> tuple[str, str]:
    """The two groups that every account begins with; their ids, Administrators first."""
    administrators, developers = access.ids.new(), access.ids.new()
    await insert(tx, account_id, administrators, ADMINISTRATORS, "administrators", now)
    await insert(tx, account_id, developers, DEVELOPERS, "developers", now)
    return administrators, developers


async def developers_of(reader: Reader, account_id: str) -> list[str]:
    """The group that a new key joins when none is named: the oldest one with the developers' policy, where one is
    left."""
    row = await reader.fetch_one(store.BY_POLICY, account_id=account_id, policy="developers")
    return [] if row is None else [row["id"]]


async def create(access: Access, account_id: str, name: str, subjects: Subjects, now: int) -> Group:
    """Raises InvalidParameters, GroupNameTaken."""
    group_id = access.ids.new()
    async with access.changing(account_id) as tx:
        await _require(tx, account_id, subjects, "members.")
        await insert(tx, account_id, group_id, name, "developers", now)
        for kind, ids, _ in _by_kind(subjects):
            await members.add(tx, account_id, kind, ((each, group_id) for each in dict.fromkeys(ids)))
        await access.record(tx, happened("GroupCreated", account_id, group_id, now), revokes=any(_listed(subjects)))
        return await get(tx, account_id, group_id)


async def rename(access: Access, account_id: str, group_id: str, name: str, now: int) -> Group:
    """Raises GroupNotFound, GroupNameTaken."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, group_id)
        try:
            await tx.execute(
                store.RENAME, account_id=account_id, id=group_id, name=name, name_key=key_of(name), now=now
            )
        except UniqueViolation:
            raise errors.GroupNameTaken(name=name) from None
        await access.record(tx, happened("GroupChanged", account_id, group_id, now))
        return await get(tx, account_id, group_id)


async def delete(access: Access, account_id: str, group_id: str, now: int) -> None:
    """Raises GroupNotFound, GroupInUse."""
    async with access.changing(account_id) as tx:
        row = await row_of(tx, account_id, group_id)
        if row["policy"] == "administrators":
            raise errors.GroupInUse(name=row["name"])
        await members.empty(tx, account_id, group_id)
        await tx.execute(store.DELETE, account_id=account_id, id=group_id)
        await access.record(tx, happened("GroupDeleted", account_id, group_id, now), revokes=True)


async def change_members(
    access: Access, account_id: str, group_id: str, subjects: Subjects, now: int, *, join: bool
) -> Group:
    """Put subjects into a group, or take them out. Raises GroupNotFound, InvalidParameters, AlreadyInGroup."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, group_id)
        await _require(tx, account_id, subjects)
        for kind, ids, _ in _by_kind(subjects):
            change = members.add if join else members.remove
            await change(tx, account_id, kind, ((each, group_id) for each in dict.fromkeys(ids)))
        await tx.execute(store.TOUCH, account_id=account_id, id=group_id, now=now)
        await access.record(tx, happened("GroupChanged", account_id, group_id, now), revokes=True)
        return await get(tx, account_id, group_id)


async def change_groups(
    access: Access, tx: Transaction, account_id: str, kind: Kind, subject_id: str, ids: Sequence[str], *, join: bool
) -> None:
    """Put one known subject into several groups, or take it out. Raises InvalidParameters, AlreadyInGroup."""
    wanted = list(dict.fromkeys(ids))
    await members.require_groups(tx, account_id, ids, "")
    change = members.add if join else members.remove
    await change(tx, account_id, kind, ((subject_id, group_id) for group_id in wanted))
    now = access.clock.now()
    await tx.execute_many(store.TOUCH, [{"account_id": account_id, "id": each, "now": now} for each in wanted])
    await access.record(tx, *(happened("GroupChanged", account_id, each, now) for each in wanted), revokes=True)


async def of_subject(reader: Reader, account_id: str, kind: Kind, subject_id: str, page: Page) -> dict[str, Any]:
    """The page of a subject's groups."""
    found = await store.OF_SUBJECT.read(reader, page, account_id=account_id, kind=kind, subject_id=subject_id)
    return found.envelope(page, [group_of(row) for row in found.rows])


async def _require(tx: Transaction, account_id: str, subjects: Subjects, place: str = "") -> None:
    """Raises InvalidParameters that names every subject which is not of the account."""
    faults: list[FieldFault] = []
    for kind, ids, field in _by_kind(subjects, place):
        faults.extend(await members.missing(tx, account_id, kind, ids, field))
    if faults:
        raise invalid(faults)


def _listed(subjects: Subjects) -> tuple[list[str], ...]:
    return subjects.users, subjects.applications, subjects.apikeys


def _by_kind(subjects: Subjects, place: str = "") -> tuple[tuple[Kind, list[str], str], ...]:
    return (
        ("user", subjects.users, f"{place}users"),
        ("application", subjects.applications, f"{place}applications"),
        ("apikey", subjects.apikeys, f"{place}apikeys"),
    )
