"""The tables of echoes, and their statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from lamplighter.clock import MICROSECONDS
from lamplighter.services.echo.changes import Changes, DeviceChanges, Key
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text, metadata

echo_devices = sa.Table(
    "echo_devices",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    # 0: it has not registered since the echo began.
    sa.Column("registered_at", BigInteger, nullable=False),
    sa.Column("seen_at", BigInteger, nullable=False),
    # What was said until then is not to be shown any more.
    sa.Column("cleared_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "device_id"),
    sa.Index("ix_echo_devices_seen_at", "seen_at"),
)

echo_values = sa.Table(
    "echo_values",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("path", Text, nullable=False),
    sa.Column("reported", LargeBinary),
    sa.Column("content_type", Text),
    sa.Column("reported_at", BigInteger),
    sa.Column("expires_at", BigInteger),
    sa.Column("desired", LargeBinary),
    sa.Column("desired_status", SmallInteger),
    sa.Column("desired_at", BigInteger),
    sa.Column("status_updated_at", BigInteger),
    # The command that was to write it.
    sa.Column("command_id", Text),
    sa.PrimaryKeyConstraint("account_id", "device_id", "path"),
)

SEEN_AGAIN = 3600 * MICROSECONDS
"""How far behind may be what is written of when a device was seen."""

_d, _v = echo_devices.c, echo_values.c
_KEY = ["account_id", "device_id"]
_REPORTED = ("reported", "content_type", "reported_at", "expires_at")
_DESIRED = ("desired", "desired_status", "desired_at", "status_updated_at", "command_id")


def _own(table: sa.Table, *more: str) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == sa.bindparam(name) for name in (*_KEY, *more)]


def _put(names: Iterable[str]) -> Query:
    columns = (*_KEY, "path", *names)
    upsert = insert(echo_values).values({name: sa.bindparam(name) for name in columns})
    return Query(
        upsert.on_conflict_do_update(
            index_elements=[*_KEY, "path"], set_={name: upsert.excluded[name] for name in names}
        )
    )


_seen = insert(echo_devices).values({column.name: sa.bindparam(column.name) for column in _d})
_later = {
    name: sa.case((_seen.excluded[name] > _d[name], _seen.excluded[name]), else_=_d[name])
    for name in ("registered_at", "seen_at", "cleared_at")
}
_SEE = Query(_seen.on_conflict_do_update(index_elements=_KEY, set_=_later))
_PUT_REPORTED, _PUT_DESIRED = _put(_REPORTED), _put(_DESIRED)
_END_DESIRED = Query(
    sa.update(echo_values)
    .where(*_own(echo_values, "command_id"))
    .values(desired_status=sa.bindparam("status"), status_updated_at=sa.bindparam("at"))
)
_KNOWN = Query(
    sa.select(_d.account_id, _d.device_id, _d.seen_at, _d.cleared_at).where(
        _d.account_id.in_(sa.bindparam("accounts", expanding=True)),
        _d.device_id.in_(sa.bindparam("devices", expanding=True)),
    ),
    heavy=True,
)
_CROWDED = Query(
    sa.select(_v.account_id, _v.device_id, sa.func.count().label("number"))
    .where(
        _v.account_id.in_(sa.bindparam("accounts", expanding=True)),
        _v.device_id.in_(sa.bindparam("devices", expanding=True)),
    )
    .group_by(_v.account_id, _v.device_id)
    .having(sa.func.count() > sa.bindparam("most")),
    heavy=True,
)
_AGE = sa.func.coalesce(_v.reported_at, _v.desired_at)
_OLDEST = Query(
    sa.select(_v.path).where(*_own(echo_values)).order_by(_AGE, _v.path).limit(sa.bindparam("number")), heavy=True
)
_DELETE_VALUE = Query(sa.delete(echo_values).where(*_own(echo_values, "path")))
_DELETE_VALUES = Query(sa.delete(echo_values).where(*_own(echo_values)))
_DELETE_DEVICE = Query(sa.delete(echo_devices).where(*_own(echo_devices)))
_DEVICE = Query(sa.select(echo_devices).where(*_own(echo_devices)))
_VALUES = Query(sa.select(echo_values).where(*_own(echo_values)).order_by(_v.path), heavy=True)
_FORGOTTEN = Query(
    sa.select(_d.account_id, _d.device_id)
    .where(_d.seen_at < sa.bindparam("before"))
    .order_by(_d.seen_at)
    .limit(sa.bindparam("limit"))
)


async def device(reader: Reader, account_id: str, device_id: str) -> Row | None:
    return await reader.fetch_one(_DEVICE, account_id=account_id, device_id=device_id)


async def values(reader: Reader, account_id: str, device_id: str) -> Sequence[Row]:
    """In the order of their paths."""
    return await reader.fetch_all(_VALUES, account_id=account_id, device_id=device_id)


async def forgotten(reader: Reader, before: int, limit: int) -> list[Key]:
    """Devices that were not seen since then, of all accounts."""
    rows = await reader.fetch_all(_FORGOTTEN, before=before, limit=limit)
    return [(row["account_id"], row["device_id"]) for row in rows]


async def see(tx: Transaction, key: Key, *, seen_at: int, registered_at: int = 0, cleared_at: int = 0) -> None:
    """Note the times of a device; none goes back."""
    times = {"seen_at": seen_at, "registered_at": registered_at, "cleared_at": cleared_at}
    await tx.execute(_SEE, account_id=key[0], device_id=key[1], **times)


async def delete_values(tx: Transaction, key: Key) -> None:
    await tx.execute(_DELETE_VALUES, account_id=key[0], device_id=key[1])


async def delete(tx: Transaction, key: Key) -> None:
    """All of a device."""
    await delete_values(tx, key)
    await tx.execute(_DELETE_DEVICE, account_id=key[0], device_id=key[1])


async def apply(tx: Transaction, changes: Changes, most: int, crowded: Iterable[Key]) -> int:
    """Write what a batch means; the number of values that had to give way to newer ones.

    :param most: resources of one device
    :param crowded: devices that may have more
    """
    for key in changes.deleted:
        await delete(tx, key)
    if not changes.devices:
        return 0
    known = await _known(tx, changes.devices)
    for key, row in known.items():
        if row["cleared_at"]:
            _drop_older(changes.devices[key], row["cleared_at"])
    owned = [({"account_id": account, "device_id": device}, new) for (account, device), new in changes.devices.items()]
    seen = [
        {"account_id": key[0], "device_id": key[1], "seen_at": new.seen_at}
        | {"registered_at": new.registered_at, "cleared_at": 0}
        for key, new in changes.devices.items()
        if key not in known or new.registered_at or new.seen_at - known[key]["seen_at"] > SEEN_AGAIN
    ]
    reports = [
        {**own, "path": path, **dict(zip(_REPORTED, each, strict=True))}
        for own, new in owned
        for path, each in new.reports.items()
    ]
    desires = [
        {**own, "path": path, "desired": each.value, "desired_status": int(each.status), "desired_at": each.at}
        | {"status_updated_at": each.status_at, "command_id": each.command_id}
        for own, new in owned
        for path, each in new.desires.items()
    ]
    ends = [
        {**own, "command_id": command_id, "status": int(status), "at": at}
        for own, new in owned
        for command_id, (status, at) in new.ends.items()
    ]
    for query, rows in ((_SEE, seen), (_PUT_REPORTED, reports), (_PUT_DESIRED, desires), (_END_DESIRED, ends)):
        if rows:
            await tx.execute_many(query, rows)
    return await _trim(tx, list(crowded), most)


async def _known(reader: Reader, keys: Iterable[Key]) -> dict[Key, Row]:
    accounts, devices = {account for account, _ in keys}, [device for _, device in keys]
    rows = await reader.fetch_all(_KNOWN, accounts=sorted(accounts), devices=devices)
    found = {(row["account_id"], row["device_id"]): row for row in rows}
    return {key: found[key] for key in keys if key in found}


def _drop_older(new: DeviceChanges, cleared_at: int) -> None:
    """What was said before the echo was deleted, and is only read now, stays deleted."""
    new.reports = {path: each for path, each in new.reports.items() if each.at > cleared_at}
    new.desires = {path: each for path, each in new.desires.items() if each.at > cleared_at}


async def _trim(tx: Transaction, keys: Sequence[Key], most: int) -> int:
    if not keys:
        return 0
    accounts = sorted({account for account, _ in keys})
    crowded = await tx.fetch_all(_CROWDED, accounts=accounts, devices=[device for _, device in keys], most=most)
    dropped = 0
    for row in crowded:
        own = {"account_id": row["account_id"], "device_id": row["device_id"]}
        oldest = await tx.fetch_all(_OLDEST, **own, number=row["number"] - most)
        await tx.execute_many(_DELETE_VALUE, [{**own, "path": each["path"]} for each in oldest])
        dropped += len(oldest)
    return dropped
