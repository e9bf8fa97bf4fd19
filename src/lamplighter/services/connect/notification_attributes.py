"""Notification attributes that applications wrote to a device (OMA LwM2M Core 1.1 section 5.1.2, ``pmin=5&pmax=60``).

A device forgets them when it restarts. They are kept here, and written to it again when it registers anew, before anything
is observed: what an application asked for holds for as long as the device is known.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from lamplighter.services.connect.model import Command
from lamplighter.services.connect.resources import path_of
from lamplighter.services.connect.tables import notification_attributes
from lamplighter.storage.database import Reader, Transaction
from lamplighter.storage.query import Query, insert

_c = notification_attributes.c
_DEVICE = (_c.account_id == sa.bindparam("account_id"), _c.device_id == sa.bindparam("device_id"))
_PATH = (*_DEVICE, _c.path == sa.bindparam("path"))
_OF = Query(sa.select(_c.path, _c.query).where(*_DEVICE).order_by(_c.path), quick=True)
_AT = Query(sa.select(_c.query).where(*_PATH))
_new = insert(notification_attributes).values({column.name: sa.bindparam(column.name) for column in _c})
_PUT = Query(
    _new.on_conflict_do_update(
        index_elements=["account_id", "device_id", "path"], set_={"query": _new.excluded["query"]}
    )
)
_DELETE = Query(sa.delete(notification_attributes).where(*_PATH))
_FORGET = Query(sa.delete(notification_attributes).where(*_DEVICE))


def are_written_by(command: Command) -> bool:
    """Whether it writes attributes and no value."""
    return command.method == "PUT" and not command.payload and "?" in command.uri


async def written(tx: Transaction, account_id: str, device_id: str, uri: str) -> None:
    """The device has taken them. One without a value takes an earlier one away."""
    path, _, query = uri.partition("?")
    own = {"account_id": account_id, "device_id": device_id, "path": path_of(path)}
    row = await tx.fetch_one(_AT, **own)
    attributes = _parsed(row["query"]) if row is not None else {}
    attributes.update(_parsed(query))
    kept = "&".join(f"{name}={value}" for name, value in attributes.items() if value)
    if kept:
        await tx.execute(_PUT, **own, query=kept)
    elif row is not None:
        await tx.execute(_DELETE, **own)


async def of(reader: Reader, account_id: str, device_id: str) -> Mapping[str, str]:
    """What a device was told: the query by path."""
    rows = await reader.fetch_all(_OF, account_id=account_id, device_id=device_id)
    return {row["path"]: row["query"] for row in rows}


async def forget(tx: Transaction, account_id: str, device_id: str) -> None:
    """The device is no more."""
    await tx.execute(_FORGET, account_id=account_id, device_id=device_id)


def _parsed(query: str) -> dict[str, str]:
    found = {}
    for each in query.split("&"):
        name, _, value = each.partition("=")
        if name:
            found[name] = value
    return found
