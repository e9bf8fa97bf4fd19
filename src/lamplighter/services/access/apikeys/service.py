"""What may happen to API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from lamplighter.api.caller import CredentialKind
from lamplighter.api.filter import Condition
from lamplighter.api.page import Page
from lamplighter.errors import FieldFault
from lamplighter.errors import access as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import is_id
from lamplighter.services.access import members
from lamplighter.services.access.apikeys import store
from lamplighter.services.access.apikeys.model import ApiKey, ApiKeyCreate, ApiKeyUpdate, api_key_of
from lamplighter.services.access.events import happened
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.names import shown
from lamplighter.storage.database import Reader, Row, Transaction

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access


async def row_of(reader: Reader, account_id: str, key_id: str) -> Row:
    """Raises ApiKeyNotFound."""
    row = await reader.fetch_one(store.GET, account_id=account_id, id=key_id) if is_id(key_id) else None
    if row is None:
        raise errors.ApiKeyNotFound(apikey_id=shown(key_id))
    return row


async def get(reader: Reader, account_id: str, key_id: str, secret: str | None = None) -> ApiKey:
    """Raises ApiKeyNotFound."""
    row = await row_of(reader, account_id, key_id)
    memberships = await members.groups_of(reader, account_id, "apikey", [key_id])
    return api_key_of(row, memberships[key_id], secret)


async def listed(
    access: Access, account_id: str, page: Page, conditions: Sequence[Condition], group_id: str | None = None
) -> dict[str, Any]:
    """A page of the account's API keys, or of those in a group."""
    database = access.database
    conditions = [access.by_digest(each) for each in conditions]
    if group_id is None:
        found = await store.LIST.read(database, page, conditions, account_id=account_id)
    else:
        found = await store.OF_GROUP.read(database, page, conditions, account_id=account_id, group_id=group_id)
    memberships = await members.groups_of(database, account_id, "apikey", [row["id"] for row in found.rows])
    return found.envelope(page, [api_key_of(row, memberships[row["id"]]) for row in found.rows])


async def create(access: Access, account_id: str, wanted: ApiKeyCreate, owner: str | None, now: int) -> ApiKey:
    """Make a key; the answer has its secret. Raises InvalidParameters.

    :param owner: the user it belongs to when the request names none
    """
    key_id = access.ids.new()
    made = access.mint.make(CredentialKind.API_KEY, account_id, key_id)
    async with access.changing(account_id) as tx:
        chosen = wanted.groups
        if chosen is None:
            chosen = await groups.developers_of(tx, account_id)
        await members.require_groups(tx, account_id, chosen)
        await _require_owner(tx, account_id, wanted.owner)
        await tx.execute(
            store.INSERT,
            account_id=account_id,
            id=key_id,
            name=wanted.name,
            owner=wanted.owner or owner,
            status=wanted.status,
            key=made.shown,
            digest=made.digest,
            last_used_at=None,
            version=1,
            created_at=now,
            updated_at=now,
        )
        await members.add(tx, account_id, "apikey", ((key_id, each) for each in dict.fromkeys(chosen)))
        await access.record(tx, happened("ApiKeyCreated", account_id, key_id, now))
        return await get(tx, account_id, key_id, made.whole)


async def update(access: Access, account_id: str, key_id: str, wanted: ApiKeyUpdate, now: int) -> ApiKey:
    """Raises ApiKeyNotFound, InvalidParameters."""
    async with access.changing(account_id) as tx:
        row = await row_of(tx, account_id, key_id)
        changes: dict[str, Any] = {}
        for name in ("name", "status", "owner"):
            value = getattr(wanted, name)
            changes[name] = row[name] if value is UNSET else value or None
        if changes["owner"] != row["owner"]:
            await _require_owner(tx, account_id, changes["owner"])
        await tx.execute(
            store.UPDATE, account_id=account_id, id=key_id, key=row["key"], digest=row["digest"], now=now, **changes
        )
        if wanted.groups is not UNSET:
            await members.put(tx, account_id, "apikey", key_id, wanted.groups)
        await access.record(tx, happened("ApiKeyChanged", account_id, key_id, now), revokes=True)
        return await get(tx, account_id, key_id)


async def reset_secret(access: Access, account_id: str, key_id: str, now: int) -> ApiKey:
    """Give the key a new secret; the old one stops working. Raises ApiKeyNotFound."""
    made = access.mint.make(CredentialKind.API_KEY, account_id, key_id)
    async with access.changing(account_id) as tx:
        row = await row_of(tx, account_id, key_id)
        same = {name: row[name] for name in ("name", "status", "owner")}
        await tx.execute(
            store.UPDATE, account_id=account_id, id=key_id, key=made.shown, digest=made.digest, now=now, **same
        )
        await access.record(tx, happened("ApiKeyChanged", account_id, key_id, now), revokes=True)
        return await get(tx, account_id, key_id, made.whole)


async def delete(access: Access, account_id: str, key_id: str, now: int) -> None:
    """Raises ApiKeyNotFound."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, key_id)
        await members.forget(tx, account_id, "apikey", key_id)
        await tx.execute(store.DELETE, account_id=account_id, id=key_id)
        await access.record(tx, happened("ApiKeyDeleted", account_id, key_id, now), revokes=True)


async def change_groups(access: Access, account_id: str, key_id: str, group_ids: list[str], *, join: bool) -> ApiKey:
    """Raises ApiKeyNotFound, InvalidParameters, AlreadyInGroup."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, key_id)
        await groups.change_groups(access, tx, account_id, "apikey", key_id, group_ids, join=join)
        return await get(tx, account_id, key_id)


async def _require_owner(tx: Transaction, account_id: str, owner: str | None) -> None:
    if owner and not await members.existing(tx, account_id, "user", [owner]):
        raise invalid([FieldFault("owner", "is not a user of this account")])
