"""What may happen to access keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from lamplighter.api.caller import CredentialKind
from lamplighter.api.filter import Condition
from lamplighter.api.page import Page
from lamplighter.clock import from_rfc3339
from lamplighter.errors import FieldFault
from lamplighter.errors import access as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import is_id
from lamplighter.services.access import limits
from lamplighter.services.access.applications import service, store
from lamplighter.services.access.applications.model import (
    AccessKey,
    AccessKeyCreate,
    AccessKeyUpdate,
    access_key_of,
    status_of,
)
from lamplighter.services.access.events import happened
from lamplighter.services.access.names import shown
from lamplighter.storage.database import Reader, Row, Transaction

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access


async def get(reader: Reader, account_id: str, key_id: str, now: int, application_id: str | None = None) -> AccessKey:
    """Raises AccessKeyNotFound."""
    query, values = store.KEY_GET, {"account_id": account_id, "id": key_id}
    if application_id is not None:
        query, values["application_id"] = store.KEY_GET_OF, application_id
    row = await reader.fetch_one(query, **values) if all(map(is_id, values.values())) else None
    if row is None:
        raise errors.AccessKeyNotFound(access_key_id=shown(key_id))
    return access_key_of(row, now)


async def listed(
    access: Access,
    account_id: str,
    page: Page,
    conditions: Sequence[Condition],
    now: int,
    application_id: str | None = None,
) -> dict[str, Any]:
    """A page of the keys of the account, or of one application."""
    conditions = [access.by_digest(each) for each in conditions]
    values: dict[str, Any] = {"account_id": account_id}
    if any(each.field == "status" for each in conditions):
        values["now"] = now
    listing = store.KEY_LIST
    if application_id is not None:
        listing = store.KEY_LIST_OF
        values["application_id"] = application_id
    found = await listing.read(access.database, page, conditions, **values)
    return found.envelope(page, [access_key_of(row, now) for row in found.rows])


async def insert(
    access: Access, tx: Transaction, account_id: str, application_id: str, wanted: AccessKeyCreate, now: int
) -> AccessKey:
    """Make a key of an application that is held by the transaction; the answer has its secret.

    Raises ObjectLimitReached, InvalidParameters.
    """
    expiration = None if wanted.expiration is None else from_rfc3339(wanted.expiration)
    if expiration is not None and expiration <= now:
        raise invalid([FieldFault("expiration", "must be in the future")])
    key_id = access.ids.new()
    made = access.mint.make(CredentialKind.ACCESS_KEY, application_id, key_id)
    row: dict[str, Any] = {
        "account_id": account_id,
        "id": key_id,
        "name": wanted.name,
        "application_id": application_id,
        "description": wanted.description,
        "status": wanted.status,
        "expiration": expiration,
        "key": made.shown,
        "digest": made.digest,
        "last_used_at": None,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    await tx.execute(store.KEY_INSERT, **row)
    most = access.settings.access.keys_per_application
    await limits.check(
        tx,
        store.KEY_COUNT,
        most,
        "access keys of one application",
        account_id=account_id,
        application_id=application_id,
    )
    await access.record(tx, happened("AccessKeyCreated", account_id, key_id, now))
    return access_key_of(row, now, made.whole)


async def create(access: Access, account_id: str, application_id: str, wanted: AccessKeyCreate, now: int) -> AccessKey:
    """Raises ApplicationNotFound, InvalidParameters, ObjectLimitReached."""
    async with access.changing(account_id) as tx:
        await service.row_of(tx, account_id, application_id)
        return await insert(access, tx, account_id, application_id, wanted, now)


async def update(
    access: Access, account_id: str, application_id: str, key_id: str, wanted: AccessKeyUpdate, now: int
) -> AccessKey:
    """Raises ApplicationNotFound, AccessKeyNotFound, InvalidParameters."""
    async with access.changing(account_id) as tx:
        await service.row_of(tx, account_id, application_id)
        row = await _row_of(tx, account_id, application_id, key_id)
        status = row["status"]
        if wanted.status == "EXPIRED":
            if status_of(row, now) != "EXPIRED":
                raise invalid([FieldFault("status", "EXPIRED follows from the expiration and cannot be set")])
        elif wanted.status is not UNSET:
            status = wanted.status
        expiration = row["expiration"]
        if wanted.expiration is None:
            expiration = None
        elif wanted.expiration is not UNSET:
            expiration = from_rfc3339(wanted.expiration)
        await tx.execute(
            store.KEY_UPDATE,
            account_id=account_id,
            application_id=application_id,
            id=key_id,
            name=wanted.name,
            description=row["description"] if wanted.description is UNSET else wanted.description,
            status=status,
            expiration=expiration,
            now=now,
        )
        await access.record(tx, happened("AccessKeyChanged", account_id, key_id, now), revokes=True)
        return await get(tx, account_id, key_id, now)


async def delete(access: Access, account_id: str, application_id: str, key_id: str, now: int) -> None:
    """Raises ApplicationNotFound, AccessKeyNotFound."""
    async with access.changing(account_id) as tx:
        await service.row_of(tx, account_id, application_id)
        await _row_of(tx, account_id, application_id, key_id)
        await tx.execute(store.KEY_DELETE, account_id=account_id, application_id=application_id, id=key_id)
        await access.record(tx, happened("AccessKeyDeleted", account_id, key_id, now), revokes=True)


async def _row_of(tx: Transaction, account_id: str, application_id: str, key_id: str) -> Row:
    values = {"account_id": account_id, "application_id": application_id, "id": key_id}
    row = await tx.fetch_one(store.KEY_GET_OF, **values) if is_id(key_id) else None
    if row is None:
        raise errors.AccessKeyNotFound(access_key_id=shown(key_id))
    return row
