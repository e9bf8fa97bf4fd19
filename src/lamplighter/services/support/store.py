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
PRUNED_TOGETHER = 1000
"""Rows that one transaction deletes at most: others want to write too."""
_PRUNE = Query(
    sa.delete(kept_errors).where(
        kept_errors.c.request_id.in_(
            sa.select(kept_errors.c.request_id)
            .where(kept_errors.c.time < sa.bindparam("before"))
            .order_by(kept_errors.c.time)
            .limit(PRUNED_TOGETHER)
        )
    ),
    heavy=True,
)

_set = insert(switches)
_SET = Query(_set.on_conflict_do_update(index_elements=["name"], set_={"value": _set.excluded.value}))
_ADD = Query(insert(switches).on_conflict_do_nothing(index_elements=["name"]))
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
                "record": _encoded(each),
            }
            for each in errors
        ],
    )


def _encoded(error: KeptError) -> str:
    """JSON without NUL, which a stranger may have sent and PostgreSQL has no place for."""
    return msgspec.json.encode(error).decode().replace("\\u0000", "\\ufffd")


async def find(reader: Reader, request_id: str) -> KeptError | None:
    row = await reader.fetch_one(_FIND, request_id=request_id)
    return msgspec.json.decode(row["record"], type=KeptError) if row is not None else None


async def prune(transaction: Transaction, before: int) -> int:
    """Delete some of what is older (microseconds UTC); how many, fewer than PRUNED_TOGETHER when none is left."""
    return await transaction.execute(_PRUNE, before=before)


async def set_switch(transaction: Transaction, name: str, value: str) -> None:
    await transaction.execute(_SET, name=name, value=value)


async def add_switch(transaction: Transaction, name: str, value: str) -> None:
    """Set a switch that nobody has set yet; one that is there stays as it is."""
    await transaction.execute(_ADD, name=name, value=value)


async def get_switch(reader: Reader, name: str) -> str | None:
    row = await reader.fetch_one(_GET, name=name)
    return row["value"] if row is not None else None
