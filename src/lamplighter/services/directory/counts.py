"""Exact counts of devices by state, of groups' members and of events, kept in the transactions that change them.

A row for each count, updated in place, would make every transaction of an account wait for the commit before. So a
change only adds a row; now and then the rows are folded into the counts. A count is the sum of both, read at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from lamplighter.services.directory.model import STATES
from lamplighter.services.directory.tables import device_count_changes as changes
from lamplighter.services.directory.tables import device_counts as counts
from lamplighter.storage.database import Database, Reader, Transaction
from lamplighter.storage.query import Query, insert

EVENTS = "events"
MOST_FOLDED = 2000
"""Rows that one transaction folds: a few milliseconds of SQLite's writer."""


def of_state(state: str) -> str:
    """The name of the count of devices in that state."""
    return f"state:{state}"


def of_group(group_id: str) -> str:
    """The name of the count of a group's members."""
    return f"group:{group_id}"


ALL_STATES = tuple(of_state(state) for state in STATES)

_NAMED: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
_BOTH = sa.union_all(
    *(
        sa.select(table.c.name, table.c.amount).where(
            table.c.account_id == sa.bindparam("account_id"), table.c.name.in_(_NAMED)
        )
        for table in (counts, changes)
    )
).subquery()
_AMOUNT = sa.cast(sa.func.sum(_BOTH.c.amount), sa.BigInteger).label("amount")
_READ = Query(sa.select(_BOTH.c.name, _AMOUNT).group_by(_BOTH.c.name))
_ENSURE = Query(
    insert(counts)
    .values(account_id=sa.bindparam("account_id"), name=sa.bindparam("name"), amount=0)
    .on_conflict_do_nothing(index_elements=["account_id", "name"])
)
_LOCK = Query(
    sa.select(counts.c.amount)
    .where(counts.c.account_id == sa.bindparam("account_id"), counts.c.name == sa.bindparam("name"))
    .with_for_update()
)
_OLDEST = sa.select(changes.c.position).order_by(changes.c.position).limit(sa.bindparam("most"))
_TAKE = Query(
    sa.delete(changes)
    .where(changes.c.position.in_(_OLDEST.with_for_update(skip_locked=True)))
    .returning(changes.c.account_id, changes.c.name, changes.c.amount),
    heavy=True,
)
_NEW = insert(counts).values({name: sa.bindparam(name) for name in ("account_id", "name", "amount")})
_FOLD = Query(
    _NEW.on_conflict_do_update(
        index_elements=["account_id", "name"], set_={"amount": counts.c.amount + _NEW.excluded.amount}
    )
)
_FORGET = tuple(
    Query(
        sa.delete(table).where(table.c.account_id == sa.bindparam("account_id"), table.c.name == sa.bindparam("name"))
    )
    for table in (counts, changes)
)


async def read(reader: Reader, account_id: str, names: Iterable[str]) -> dict[str, int]:
    """The counts of those names; 0 for what was never counted."""
    wanted = dict.fromkeys(names, 0)
    rows = await reader.fetch_all(_READ, account_id=account_id, names=list(wanted)) if wanted else ()
    for row in rows:
        wanted[row["name"]] = row["amount"]
    return wanted


async def devices(reader: Reader, account_id: str) -> int:
    """How many devices the account has."""
    return sum((await read(reader, account_id, ALL_STATES)).values())


async def change(transaction: Transaction, account_id: str, amounts: Mapping[str, int]) -> None:
    """Add to counts."""
    rows = [{"account_id": account_id, "name": name, "amount": amount} for name, amount in amounts.items() if amount]
    await transaction.insert_later(changes, rows)


async def alone(transaction: Transaction, account_id: str) -> None:
    """Wait until no other transaction of the account is between its look at the limit and its end."""
    await transaction.execute(_ENSURE, account_id=account_id, name="limit")
    await transaction.fetch_one(_LOCK, account_id=account_id, name="limit")


async def forget(transaction: Transaction, account_id: str, name: str) -> None:
    """Remove a count whose subject is gone."""
    for query in _FORGET:
        await transaction.execute(query, account_id=account_id, name=name)


async def fold(database: Database) -> int:
    """Fold the changes into the counts, the oldest first; how many there were. Safe beside other processes that do the
    same."""
    total = 0
    while True:
        folded = await _fold(database)
        total += folded
        if folded < MOST_FOLDED:
            return total


async def _fold(database: Database) -> int:
    async with database.transaction() as transaction:
        rows = await transaction.fetch_all(_TAKE, most=MOST_FOLDED)
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for row in rows:
            sums[row["account_id"], row["name"]] += row["amount"]
        # One order for all processes, so that two never wait for each other.
        await transaction.execute_many(
            _FOLD,
            [
                {"account_id": account_id, "name": name, "amount": amount}
                for (account_id, name), amount in sorted(sums.items())
            ],
        )
    return len(rows)
