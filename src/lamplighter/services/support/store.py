"""The tables of kept errors and of the installation's switches."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from lamplighter.api.kept import KeptError
from lamplighter.storage.database import Reader, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import BigInteger, Json, Text, metadata

STRANGER = ""
"""The account of errors answered to callers whose account is not known."""

kept_errors = sa.Table(
    "kept_errors",
    metadata,
    sa.Column("request_id", Text, primary_key=True),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("time", BigInteger, nullable=False),
    sa.Column("record", Json, nullable=False),
    sa.Index("ix_kept_errors_time", "time"),
)

switches = sa.Table(
    "installation_switches",
    metadata,
    sa.Column("name", Text, primary_key=True),
    sa.Column("value", Json, nullable=False),
)

_KEEP = Query(insert(kept_errors).on_conflict_do_nothing(index_elements=["request_id"]))
_FIND = Query(sa.select(kept_errors.c.record).where(kept_errors.c.request_id == sa.bindparam("request_id")))
_PRUNE = Query(sa.delete(kept_errors).where(kept_errors.c.time < sa.bindparam("before")), heavy=True)

_set = insert(switches)
_SET = Query(_set.on_conflict_do_update(index_elements=["name"], set_={"value": _set.excluded.value}))
_GET = Query(sa.select(switches.c.value).where(switches.c.name == sa.bindparam("name")))


async def keep(transaction: Transaction, errors: Iterable[KeptError]) -> None:
    """Store errors; one that is there already stays as it is."""
    await transaction.execute_many(
        _KEEP,
        [
            {
                "request_id": each.request_id,
                "account_id": each.account_id or STRANGER,
                "time": each.time,
                "record": msgspec.json.encode(each).decode(),
            }
            for each in errors
        ],
    )


async def find(reader: Reader, request_id: str) -> KeptError | None:
    row = await reader.fetch_one(_FIND, request_id=request_id)
    return msgspec.json.decode(row["record"], type=KeptError) if row is not None else None


async def prune(transaction: Transaction, before: int) -> int:
    """Delete what is older (microseconds UTC); how many."""
    return await transaction.execute(_PRUNE, before=before)


async def set_switch(transaction: Transaction, name: str, value: str) -> None:
    await transaction.execute(_SET, name=name, value=value)


async def get_switch(reader: Reader, name: str) -> str | None:
    row = await reader.fetch_one(_GET, name=name)
    return row["value"] if row is not None else None
