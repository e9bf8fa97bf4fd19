"""What may happen to applications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from lamplighter.api.filter import Condition
from lamplighter.api.page import Page
from lamplighter.errors import access as errors
from lamplighter.ids import is_id
from lamplighter.services.access import limits, members
from lamplighter.services.access.applications import store
from lamplighter.services.access.applications.model import (
    Application,
    ApplicationCreate,
    ApplicationUpdate,
    application_of,
)
from lamplighter.services.access.events import happened
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.names import key_of, shown
from lamplighter.storage.database import Reader, Row, Transaction, UniqueViolation

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access


async def row_of(reader: Reader, account_id: str, application_id: str) -> Row:
    """Raises ApplicationNotFound."""
    row = await reader.fetch_one(store.GET, account_id=account_id, id=application_id) if is_id(application_id) else None
    if row is None:
        raise errors.ApplicationNotFound(application_id=shown(application_id))
    return row


async def get(reader: Reader, account_id: str, application_id: str) -> Application:
    """Raises ApplicationNotFound."""
    row = await row_of(reader, account_id, application_id)
    memberships = await members.groups_of(reader, account_id, "application", [application_id])
    return application_of(row, memberships[application_id])


async def listed(
    access: Access, account_id: str, page: Page, conditions: Sequence[Condition], group_id: str | None = None
) -> dict[str, Any]:
    """A page of the account's applications, or of those in a group."""
    database = access.database
    if group_id is None:
        found = await store.LIST.read(database, page, conditions, account_id=account_id)
    else:
        found = await store.OF_GROUP.read(database, page, conditions, account_id=account_id, group_id=group_id)
    ids = [row["id"] for row in found.rows]
    memberships = await members.groups_of(database, account_id, "application", ids)
    return found.envelope(page, [application_of(row, memberships[row["id"]]) for row in found.rows])


async def insert(
    access: Access, tx: Transaction, account_id: str, wanted: ApplicationCreate, now: int, *, limited: bool = True
) -> str:
    """Make an application; its id. Raises InvalidParameters, ApplicationNameTaken, ObjectLimitReached."""
    application_id = access.ids.new()
    chosen = wanted.groups
    if chosen is None:
        chosen = await groups.developers_of(tx, account_id)
    await members.require_groups(tx, account_id, chosen)
    account = await limits.hold(tx, account_id)
    try:
        await tx.execute(
            store.INSERT,
            account_id=account_id,
            id=application_id,
            name=wanted.name,
            name_key=key_of(wanted.name),
            description=wanted.description,
            status=wanted.status,
            last_used_at=None,
            version=1,
            created_at=now,
            updated_at=now,
        )
    except UniqueViolation:
        raise errors.ApplicationNameTaken(name=wanted.name) from None
    if limited:
        most = limits.applications(access.settings, account["tier"])
        await limits.check(tx, store.COUNT, most, "applications", account_id=account_id)
    await members.add(tx, account_id, "application", ((application_id, each) for each in dict.fromkeys(chosen)))
    await access.record(tx, happened("ApplicationCreated", account_id, application_id, now))
    return application_id


async def create(access: Access, account_id: str, wanted: ApplicationCreate, now: int) -> Application:
    """Raises InvalidParameters, ApplicationNameTaken, ObjectLimitReached."""
    async with access.changing(account_id) as tx:
        application_id = await insert(access, tx, account_id, wanted, now)
        return await get(tx, account_id, application_id)


async def update(
    access: Access, account_id: str, application_id: str, wanted: ApplicationUpdate, now: int
) -> Application:
    """Raises ApplicationNotFound, InvalidParameters, ApplicationNameTaken."""
    async with access.changing(account_id) as tx:
        row = await row_of(tx, account_id, application_id)
        status = row["status"] if wanted.status is UNSET else wanted.status
        try:
            await tx.execute(
                store.UPDATE,
                account_id=account_id,
                id=application_id,
                name=wanted.name,
                name_key=key_of(wanted.name),
                description=row["description"] if wanted.description is UNSET else wanted.description,
                status=status,
                now=now,
            )
        except UniqueViolation:
            raise errors.ApplicationNameTaken(name=wanted.name) from None
        if wanted.groups is not UNSET:
            await members.put(tx, account_id, "application", application_id, wanted.groups)
        kinds = ["ApplicationChanged"]
        if status == "INACTIVE" and row["status"] != status:
            kinds.append("ApplicationDeactivated")
        await access.record(tx, *(happened(kind, account_id, application_id, now) for kind in kinds), revokes=True)
        return await get(tx, account_id, application_id)


async def delete(access: Access, account_id: str, application_id: str, now: int) -> None:
    """Its keys go with it. Raises ApplicationNotFound."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, application_id)
        await tx.execute(store.DELETE_KEYS, account_id=account_id, application_id=application_id)
        await members.forget(tx, account_id, "application", application_id)
        await tx.execute(store.DELETE, account_id=account_id, id=application_id)
        await access.record(tx, happened("ApplicationDeleted", account_id, application_id, now), revokes=True)


async def change_groups(
    access: Access, account_id: str, application_id: str, group_ids: list[str], *, join: bool
) -> None:
    """Raises ApplicationNotFound, InvalidParameters, AlreadyInGroup."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, application_id)
        await groups.change_groups(access, tx, account_id, "application", application_id, group_ids, join=join)
