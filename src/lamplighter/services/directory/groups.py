"""Device groups: their rows, who is in them, and what may happen to them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lamplighter.clock import to_rfc3339
from lamplighter.errors.directory import DeviceGroupNameTaken, DeviceGroupNotFound, DeviceNotFound
from lamplighter.ids import is_id
from lamplighter.services.directory import counts, store
from lamplighter.services.directory.model import DeviceGroup, GroupCreate, GroupUpdate, compared, quoted
from lamplighter.services.directory.stamps import Stamps
from lamplighter.services.directory.tables import (
    GROUP_ATTRIBUTES,
    device_count_changes,
    device_counts,
    device_group_members,
    device_groups,
)
from lamplighter.storage.database import Database, Row, Transaction, UniqueViolation
from lamplighter.storage.query import Query, insert

_NAME = sa.literal("group:") + device_groups.c.id


def _amount(table: sa.Table) -> sa.ColumnElement[int]:
    amount = sa.select(sa.cast(sa.func.coalesce(sa.func.sum(table.c.amount), 0), sa.BigInteger))
    return amount.where(table.c.account_id == device_groups.c.account_id, table.c.name == _NAME).scalar_subquery()


DEVICES_COUNT: sa.ColumnElement[int] = _amount(device_counts) + _amount(device_count_changes)
"""How many devices a group has, as a column of ``device_groups``."""
COLUMNS = (*device_groups.columns, DEVICES_COUNT.label("devices_count"))

_OWN = (device_groups.c.account_id == sa.bindparam("account_id"), device_groups.c.id == sa.bindparam("id"))
_GET = Query(sa.select(*COLUMNS).where(*_OWN))
_LOCK = Query(sa.select(device_groups).where(*_OWN).with_for_update())
_HOLD = Query(sa.select(device_groups.c.id).where(*_OWN).with_for_update(read=True, key_share=True))
_INSERT = Query(sa.insert(device_groups).values({each.name: sa.bindparam(each.name) for each in device_groups.columns}))
_CHANGED = ("name", "name_key", "description", "custom_attributes", "updated_at")
_UPDATE = Query(sa.update(device_groups).where(*_OWN).values({name: sa.bindparam(f"new_{name}") for name in _CHANGED}))
_DELETE = Query(sa.delete(device_groups).where(*_OWN))
_EMPTY = Query(
    sa.delete(device_group_members).where(
        device_group_members.c.account_id == sa.bindparam("account_id"),
        device_group_members.c.group_id == sa.bindparam("group_id"),
    ),
    heavy=True,
)
_JOIN = Query(
    insert(device_group_members)
    .values({each.name: sa.bindparam(each.name) for each in device_group_members.columns})
    .on_conflict_do_nothing(index_elements=["account_id", "group_id", "device_id"])
)
_LEAVE = Query(
    sa.delete(device_group_members).where(
        *(column == sa.bindparam(f"old_{column.name}") for column in device_group_members.columns)
    )
)


class Groups:
    """The device groups of all accounts."""

    def __init__(self, database: Database, stamps: Stamps) -> None:
        self._database = database
        self._stamps = stamps

    async def exists(self, account_id: str, group_id: str) -> bool:
        return is_id(group_id) and await self._database.fetch_one(_GET, account_id=account_id, id=group_id) is not None

    async def retrieve(self, account_id: str, group_id: str) -> DeviceGroup:
        """Raises DeviceGroupNotFound."""
        row = await self._database.fetch_one(_GET, account_id=account_id, id=group_id) if is_id(group_id) else None
        if row is None:
            raise DeviceGroupNotFound(group_id=quoted(group_id))
        return shown(row)

    async def create(self, account_id: str, body: GroupCreate) -> DeviceGroup:
        """Raises DeviceGroupNameTaken."""
        stamp = self._stamps.new()
        attributes = body.custom_attributes or {}
        row = {
            "account_id": account_id,
            "id": stamp.id,
            "name": body.name,
            "name_key": compared(body.name),
            "description": body.description or "",
            "custom_attributes": store.encoded(attributes),
            "created_at": stamp.time,
            "updated_at": stamp.time,
        }
        try:
            async with self._database.transaction() as tx:
                await tx.execute(_INSERT, **row)
                await GROUP_ATTRIBUTES.store(tx, account_id, stamp.id, {}, attributes)
        except UniqueViolation:
            raise DeviceGroupNameTaken(name=body.name) from None
        return shown({**row, "devices_count": 0})

    async def update(self, account_id: str, group_id: str, body: GroupUpdate) -> DeviceGroup:
        """Raises DeviceGroupNotFound, DeviceGroupNameTaken."""
        try:
            async with self._database.transaction() as tx:
                old = await self._locked(tx, account_id, group_id)
                new = _changed(old, body)
                if new is not None:
                    new["updated_at"] = self._stamps.after(old["updated_at"])
                    await tx.execute(
                        _UPDATE,
                        account_id=account_id,
                        id=group_id,
                        **{f"new_{name}": new[name] for name in _CHANGED},
                    )
                    before, after = (store.decoded(each["custom_attributes"]) for each in (old, new))
                    await GROUP_ATTRIBUTES.store(tx, account_id, group_id, before, after)
                row = await tx.fetch_one(_GET, account_id=account_id, id=group_id)
                assert row is not None
                return shown(row)
        except UniqueViolation:
            raise DeviceGroupNameTaken(name=body.name) from None

    async def delete(self, account_id: str, group_id: str) -> None:
        """The devices stay. Raises DeviceGroupNotFound."""
        async with self._database.transaction() as tx:
            old = await self._locked(tx, account_id, group_id)
            await GROUP_ATTRIBUTES.store(tx, account_id, group_id, store.decoded(old["custom_attributes"]), {})
            await tx.execute(_DELETE, account_id=account_id, id=group_id)
            await tx.execute(_EMPTY, account_id=account_id, group_id=group_id)
            await counts.forget(tx, account_id, counts.of_group(group_id))

    async def add(self, account_id: str, group_id: str, device_id: str) -> None:
        """Add a device; nothing happens when it is a member. Raises DeviceGroupNotFound, DeviceNotFound."""
        async with self._database.transaction() as tx:
            await self._both(tx, account_id, group_id, device_id)
            if await tx.execute(_JOIN, account_id=account_id, group_id=group_id, device_id=device_id):
                await counts.change(tx, account_id, {counts.of_group(group_id): 1})

    async def remove(self, account_id: str, group_id: str, device_id: str) -> None:
        """Remove a device; nothing happens when it is no member. Raises DeviceGroupNotFound, DeviceNotFound."""
        async with self._database.transaction() as tx:
            await self._both(tx, account_id, group_id, device_id)
            if await tx.execute(_LEAVE, old_account_id=account_id, old_group_id=group_id, old_device_id=device_id):
                await counts.change(tx, account_id, {counts.of_group(group_id): -1})

    async def _locked(self, tx: Transaction, account_id: str, group_id: str) -> Row:
        row = await tx.fetch_one(_LOCK, account_id=account_id, id=group_id) if is_id(group_id) else None
        if row is None:
            raise DeviceGroupNotFound(group_id=quoted(group_id))
        return row

    async def _both(self, tx: Transaction, account_id: str, group_id: str, device_id: str) -> None:
        """Hold the group and the device, so that neither is deleted meanwhile."""
        if not is_id(group_id) or await tx.fetch_one(_HOLD, account_id=account_id, id=group_id) is None:
            raise DeviceGroupNotFound(group_id=quoted(group_id))
        if not is_id(device_id) or not await store.hold(tx, account_id, device_id):
            raise DeviceNotFound(device_id=quoted(device_id))


def _changed(old: Row, body: GroupUpdate) -> dict[str, Any] | None:
    """The new values of all that can change; None when nothing does."""
    new: dict[str, Any] = {name: old[name] for name in _CHANGED}
    if body.name is not None:
        new |= {"name": body.name, "name_key": compared(body.name)}
    if body.description is not None:
        new["description"] = body.description
    if body.custom_attributes is not None and body.custom_attributes != store.decoded(old["custom_attributes"]):
        new["custom_attributes"] = store.encoded(body.custom_attributes)
    return new if any(new[name] != old[name] for name in _CHANGED) else None


def shown(row: Row | dict[str, Any]) -> DeviceGroup:
    """A row as the API shows it."""
    updated_at = to_rfc3339(row["updated_at"])
    return DeviceGroup(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        custom_attributes=store.decoded(row["custom_attributes"]),
        devices_count=row["devices_count"],
        created_at=to_rfc3339(row["created_at"]),
        updated_at=updated_at,
        etag=updated_at,
    )
