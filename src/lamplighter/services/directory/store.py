"""The rows of devices: every statement that writes them or reads one by its key. Lists are in listing.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from lamplighter.clock import to_rfc3339
from lamplighter.services.directory.model import Device
from lamplighter.services.directory.tables import DEVICE_ATTRIBUTES, device_group_members, devices
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert

MAPS = tuple(index.field for index in DEVICE_ATTRIBUTES)

_ACCOUNT: sa.BindParameter[str] = sa.bindparam("account_id")
_ID: sa.BindParameter[str] = sa.bindparam("id")
_OWN = (devices.c.account_id == _ACCOUNT, devices.c.id == _ID)

_GET = Query(sa.select(devices).where(*_OWN))
_LOCK = Query(sa.select(devices).where(*_OWN).with_for_update())
_LOCK_KEY = Query(sa.select(devices.c.id).where(*_OWN).with_for_update(read=True, key_share=True))
_BY_ENDPOINT = Query(
    sa.select(devices).where(devices.c.account_id == _ACCOUNT, devices.c.endpoint_key == sa.bindparam("endpoint_key"))
)
_INSERT = Query(
    insert(devices)
    .values({column.name: sa.bindparam(column.name) for column in devices.columns})
    .on_conflict_do_nothing(index_elements=["account_id", "endpoint_key"])
    .returning(devices.c.id)
)
_DELETE = Query(sa.delete(devices).where(*_OWN))

_members_of = (
    sa.select(device_group_members.c.device_id, device_group_members.c.group_id)
    .where(
        device_group_members.c.account_id == _ACCOUNT,
        device_group_members.c.device_id.in_(sa.bindparam("ids", expanding=True)),
    )
    .order_by(device_group_members.c.device_id, device_group_members.c.group_id)
)
_GROUPS_OF = Query(_members_of)
_GROUPS_OF_FEW = Query(_members_of, quick=True)
FEW = 64
"""Devices whose groups are read in one go without a thread: 0.1 ms."""
_LEAVE_GROUPS = Query(
    sa.delete(device_group_members)
    .where(device_group_members.c.account_id == _ACCOUNT, device_group_members.c.device_id == _ID)
    .returning(device_group_members.c.group_id)
)

AT_ONCE = 100
"""Devices of a page that are made ready in one turn of the event loop: about two milliseconds."""

BLANK: Mapping[str, Any] = {
    "name": "",
    "description": "",
    "custom_attributes": {},
    "component_attributes": {},
    "endpoint_type": "",
    "host_gateway": "",
    "net_id": "",
    "device_class": "",
    "vendor_id": "",
    "serial_number": "",
    "device_key": "",
    "ca_id": "",
    "issuer_fingerprint": None,
    "device_execution_mode": 0,
    "state": "unenrolled",
    "bootstrapped_timestamp": None,
    "enrolment_list_timestamp": None,
    "manifest_timestamp": None,
    "bootstrap_expiration_date": None,
    "connector_expiration_date": None,
    "firmware_checksum": "",
    "lifecycle_status": "enabled",
    "operator_suspended": 0,
    "last_operator_suspended_category": None,
    "last_operator_suspended_description": None,
    "last_operator_suspended_updated_at": None,
    "system_suspended": 0,
    "last_system_suspended_category": None,
    "last_system_suspended_description": None,
    "last_system_suspended_updated_at": None,
    "deployed_state": "development",
    "deployment": "",
    "manifest": "",
    "auto_update": 0,
    "mechanism": "connector",
    "mechanism_url": "",
}
"""A device of which nothing is known yet."""


async def get(reader: Reader, account_id: str, device_id: str) -> Row | None:
    return await reader.fetch_one(_GET, account_id=account_id, id=device_id)


async def lock(transaction: Transaction, account_id: str, device_id: str) -> Row | None:
    """The row, held against other writers until the transaction ends."""
    return await transaction.fetch_one(_LOCK, account_id=account_id, id=device_id)


async def hold(transaction: Transaction, account_id: str, device_id: str) -> bool:
    """Whether the device exists; it cannot be deleted until the transaction ends."""
    return await transaction.fetch_one(_LOCK_KEY, account_id=account_id, id=device_id) is not None


async def by_endpoint(reader: Reader, account_id: str, endpoint_key: str) -> Row | None:
    return await reader.fetch_one(_BY_ENDPOINT, account_id=account_id, endpoint_key=endpoint_key)


async def add(transaction: Transaction, row: Mapping[str, Any]) -> bool:
    """Insert a device; False when its endpoint name is taken, and then nothing was done."""
    values = {**row, **{name: encoded(row[name]) for name in MAPS}}
    if await transaction.fetch_one(_INSERT, **values) is None:
        return False
    for index in DEVICE_ATTRIBUTES:
        await index.store(transaction, row["account_id"], row["id"], {}, row[index.field])
    return True


async def change(transaction: Transaction, old: Row, values: Mapping[str, Any]) -> None:
    """Write new values of some columns; ``old`` is the row as it is locked."""
    account_id, device_id = old["account_id"], old["id"]
    stored = dict(values)
    for index in DEVICE_ATTRIBUTES:
        if index.field in stored:
            after = stored[index.field]
            await index.store(transaction, account_id, device_id, decoded(old[index.field]), after)
            stored[index.field] = encoded(after)
    new = {f"new_{name}": value for name, value in stored.items()}
    await transaction.execute(_update(tuple(sorted(stored))), account_id=account_id, id=device_id, **new)


async def change_if_still(transaction: Transaction, old: Row, values: Mapping[str, Any]) -> bool:
    """Write new values of some columns, no maps among them, to a row that was read and not locked; False, and nothing
    is done, when somebody has changed it meanwhile."""
    new = {f"new_{name}": value for name, value in values.items()}
    keys = {"account_id": old["account_id"], "id": old["id"], "old_updated_at": old["updated_at"]}
    return bool(await transaction.execute(_update(tuple(sorted(values)), True), **keys, **new))


async def remove(transaction: Transaction, old: Row) -> list[str]:
    """Delete a device; the groups it was in."""
    account_id, device_id = old["account_id"], old["id"]
    for index in DEVICE_ATTRIBUTES:
        await index.store(transaction, account_id, device_id, decoded(old[index.field]), {})
    groups = await transaction.fetch_all(_LEAVE_GROUPS, account_id=account_id, id=device_id)
    await transaction.execute(_DELETE, account_id=account_id, id=device_id)
    return [row["group_id"] for row in groups]


async def groups_of(reader: Reader, account_id: str, device_ids: Sequence[str]) -> dict[str, list[str]]:
    """The groups of each device."""
    found: dict[str, list[str]] = {device_id: [] for device_id in device_ids}
    if found:
        query = _GROUPS_OF_FEW if len(found) <= FEW else _GROUPS_OF
        for row in await reader.fetch_all(query, account_id=account_id, ids=list(found)):
            found[row["device_id"]].append(row["group_id"])
    return found


async def shown(reader: Reader, account_id: str, rows: Iterable[Row]) -> list[Device]:
    """Rows as the API shows them."""
    rows = list(rows)
    groups = await groups_of(reader, account_id, [row["id"] for row in rows])
    found: list[Device] = []
    for start in range(0, len(rows), AT_ONCE):
        if start:
            await asyncio.sleep(0)  # a page of a thousand would keep the loop from others for too long
        found += [_shown(row, groups[row["id"]]) for row in rows[start : start + AT_ONCE]]
    return found


def encoded(pairs: Mapping[str, str]) -> str:
    return msgspec.json.encode(pairs).decode()


def decoded(text: str) -> dict[str, str]:
    return _DECODER.decode(text)


_DECODER = msgspec.json.Decoder(dict[str, str])


@cache
def _update(columns: tuple[str, ...], if_still: bool = False) -> Query:
    still = [devices.c.updated_at == sa.bindparam("old_updated_at")] if if_still else []
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in columns}
    return Query(sa.update(devices).where(*_OWN, *still).values(values))


def _time(microseconds: int | None) -> str | UnsetType:
    return UNSET if microseconds is None else to_rfc3339(microseconds)


def _text(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text


def _shown(row: Row, groups: list[str]) -> Device:
    # By position: a look-up by name costs SQLite's rows a search through all names, 45 times a device.
    (
        account_id,
        device_id,
        endpoint_name,
        _,
        name,
        _,
        description,
        custom_attributes,
        component_attributes,
        endpoint_type,
        host_gateway,
        net_id,
        device_class,
        vendor_id,
        serial_number,
        device_key,
        ca_id,
        issuer_fingerprint,
        device_execution_mode,
        state,
        bootstrapped_timestamp,
        enrolment_list_timestamp,
        manifest_timestamp,
        bootstrap_expiration_date,
        connector_expiration_date,
        firmware_checksum,
        lifecycle_status,
        operator_suspended,
        last_operator_suspended_category,
        last_operator_suspended_description,
        last_operator_suspended_updated_at,
        system_suspended,
        last_system_suspended_category,
        last_system_suspended_description,
        last_system_suspended_updated_at,
        deployed_state,
        deployment,
        manifest,
        auto_update,
        mechanism,
        mechanism_url,
        created_at,
        updated_at,
    ) = row
    created = to_rfc3339(created_at)
    updated = created if updated_at == created_at else to_rfc3339(updated_at)
    return Device(
        id=device_id,
        account_id=account_id,
        name=name,
        description=description,
        custom_attributes=decoded(custom_attributes),
        component_attributes=decoded(component_attributes),
        endpoint_name=endpoint_name,
        endpoint_type=endpoint_type,
        host_gateway=host_gateway,
        net_id=net_id,
        device_class=device_class,
        vendor_id=vendor_id,
        serial_number=serial_number,
        device_key=device_key,
        ca_id=ca_id,
        issuer_fingerprint=issuer_fingerprint,
        device_execution_mode=device_execution_mode,
        state=state,
        groups=groups,
        lifecycle_status=lifecycle_status,
        operator_suspended=bool(operator_suspended),
        system_suspended=bool(system_suspended),
        last_operator_suspended_category=_text(last_operator_suspended_category),
        last_operator_suspended_description=_text(last_operator_suspended_description),
        last_operator_suspended_updated_at=_time(last_operator_suspended_updated_at),
        last_system_suspended_category=_text(last_system_suspended_category),
        last_system_suspended_description=_text(last_system_suspended_description),
        last_system_suspended_updated_at=_time(last_system_suspended_updated_at),
        bootstrapped_timestamp=_time(bootstrapped_timestamp),
        enrolment_list_timestamp=_time(enrolment_list_timestamp),
        manifest_timestamp=_time(manifest_timestamp),
        bootstrap_expiration_date=bootstrap_expiration_date,
        connector_expiration_date=connector_expiration_date,
        firmware_checksum=firmware_checksum,
        deployed_state=deployed_state,
        deployment=deployment,
        manifest=manifest,
        auto_update=bool(auto_update),
        mechanism=mechanism,
        mechanism_url=mechanism_url,
        created_at=created,
        updated_at=updated,
        etag=updated,
    )
