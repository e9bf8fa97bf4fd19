"""Searching in a map of texts (``custom_attributes``): what each database is good at, behind one description.

The map is a JSON column of its table on both. PostgreSQL searches it through a GIN index; for SQLite every entry is
also a row of a side table, in the order (account, key, value, owner). The service that writes the map calls
:meth:`AttributeIndex.store` in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from lamplighter.storage.database import Transaction
from lamplighter.storage.query import DialectName, Query
from lamplighter.storage.schema import Contains, Json, Text


class AttributeIndex:
    """The index of one map field.

    :param field: its name in conditions
    :param column: the JSON column that holds the map (null: an empty one), of a table with ``account_id``
    :param side_table: the name of SQLite's side table
    """

    def __init__(self, field: str, column: sa.Column[Any], side_table: str) -> None:
        self.field = field
        self._column = column
        table = column.table
        assert isinstance(table, sa.Table)
        self.gin = sa.Index(
            f"ix_{table.name}_{column.name}_gin",
            column,
            postgresql_using="gin",
            postgresql_ops={column.name: "jsonb_path_ops"},
        ).ddl_if(dialect="postgresql")
        self.side = sa.Table(
            side_table,
            table.metadata,
            *side_columns(),
            sqlite_with_rowid=False,
            info={"dialect": "sqlite"},
        )
        self._insert = Query(sa.insert(self.side))
        parts: dict[str, sa.BindParameter[str]] = {
            name: sa.bindparam(f"old_{name}") for name in ("account_id", "key", "value", "owner_id")
        }
        self._delete = Query(
            sa.delete(self.side).where(*(self.side.columns[name] == bound for name, bound in parts.items()))
        )

    async def store(
        self,
        transaction: Transaction,
        account_id: str,
        owner_id: str,
        before: Mapping[str, str],
        after: Mapping[str, str],
    ) -> None:
        """Follow a change of the map, from ``before`` (empty for a new row) to ``after`` (empty for a deleted one)."""
        if transaction.dialect != "sqlite":
            return
        gone = before.items() - after.items()
        new = after.items() - before.items()
        if gone:
            await transaction.execute_many(
                self._delete,
                [
                    {"old_account_id": account_id, "old_key": key, "old_value": value, "old_owner_id": owner_id}
                    for key, value in gone
                ],
            )
        if new:
            await transaction.execute_many(
                self._insert,
                [{"account_id": account_id, "key": key, "value": value, "owner_id": owner_id} for key, value in new],
            )

    def bind(
        self, dialect: DialectName, number: int, operator: str, key: str, value: Any, values: dict[str, Any]
    ) -> int:
        """Add a condition's values; the length of its list where the statement's text depends on it."""
        if dialect == "postgresql" and operator in ("eq", "neq", "in", "nin") and value is not None:
            wanted = list(value) if operator in ("in", "nin") else [value]
            length = 1 << (len(wanted) - 1).bit_length() if wanted else 0
            wanted += wanted[-1:] * (length - len(wanted))
            for element, one in enumerate(wanted):
                values[f"v{number}_{element}"] = json.dumps({key: one})
            return length
        values[f"k{number}"] = key
        if value is not None:
            values[f"v{number}"] = list(value) if operator in ("in", "nin") else value
        return -1 if value is None else 0

    def lead(
        self, account: sa.Column[Any], owner: sa.Column[Any], number: int
    ) -> tuple[sa.FromClause, sa.ColumnElement[Any], list[sa.ColumnElement[bool]]]:
        """On SQLite: rows reached from the side table, the column that orders them, and the clauses."""
        side = self.side.alias(f"a{number}")
        joined = side.join(account.table, sa.and_(account == side.c.account_id, owner == side.c.owner_id))
        clauses = [
            side.c.account_id == sa.bindparam(f"scope_{account.name}", type_=Text, required=True),
            side.c.key == sa.bindparam(f"k{number}", type_=Text, required=True),
            side.c.value == sa.bindparam(f"v{number}", type_=Text, required=True),
        ]
        return joined, side.c.owner_id, clauses

    def clause(
        self,
        dialect: DialectName,
        account: sa.Column[Any],
        owner: sa.Column[Any],
        number: int,
        operator: str,
        length: int,
    ) -> sa.ColumnElement[bool]:
        """A condition on the entry under its key."""
        if operator in ("neq", "nin"):
            positive = self.clause(dialect, account, owner, number, "eq" if operator == "neq" else "in", length)
            # A row without a map, or without the key, is not equal.
            return sa.not_(sa.func.coalesce(positive, sa.false())) if dialect == "postgresql" else sa.not_(positive)
        if dialect == "postgresql":
            return self._on_postgresql(number, operator, length)
        return self._on_sqlite(account, owner, number, operator, length)

    def _on_postgresql(self, number: int, operator: str, length: int) -> sa.ColumnElement[bool]:
        if operator in ("eq", "in") and length >= 0:
            contained = [
                self._column.op("@>", is_comparison=True)(
                    sa.bindparam(f"v{number}_{element}", type_=Json, required=True)
                )
                for element in range(length)
            ]
            return sa.or_(sa.false(), *contained)
        key = sa.bindparam(f"k{number}", type_=sa.Text(), required=True)
        text = sa.cast(self._column, postgresql.JSONB)[key].astext.collate("C")
        return _compare(text, number, operator, length)

    def _on_sqlite(
        self, account: sa.Column[Any], owner: sa.Column[Any], number: int, operator: str, length: int
    ) -> sa.ColumnElement[bool]:
        side = self.side.alias(f"a{number}")
        entry = (
            sa.select(sa.literal(1))
            .select_from(side)
            .where(
                side.c.account_id == account,
                side.c.owner_id == owner,
                side.c.key == sa.bindparam(f"k{number}", type_=Text, required=True),
            )
            .correlate(account.table)
        )
        if length < 0:  # eq null: there is no such entry
            return sa.not_(entry.exists())
        return entry.where(_compare(side.c.value, number, operator, length)).exists()


def _compare(text: sa.ColumnElement[Any], number: int, operator: str, length: int) -> sa.ColumnElement[bool]:
    name = f"v{number}"
    if operator == "in":
        return text.in_(sa.bindparam(name, expanding=True, type_=Text, required=True))
    if length < 0:
        return text.is_(None)
    value = sa.bindparam(name, type_=Text, required=True)
    match operator:
        case "eq":
            return text == value
        case "lte":
            return text <= value
        case "gte":
            return text >= value
        case "like":
            return Contains(text, value)
    raise ValueError(f"there is no operator {operator}")


def side_columns() -> list[sa.Column[Any] | sa.PrimaryKeyConstraint]:
    """The columns and the key of a side table, for the table and for the migration that makes it on SQLite."""
    names = ("account_id", "key", "value", "owner_id")
    return [*(sa.Column(name, Text, nullable=False) for name in names), sa.PrimaryKeyConstraint(*names)]
