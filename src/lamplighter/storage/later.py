"""What a transaction writes at its end, or before it reads the same tables: all rows of one kind in one statement.

Most of what a small statement costs is the way to it. Where many small transactions are one (see group.py), an event or a
touched row of each of them costs little more than its place in an array.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cache, cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from lamplighter.storage.query import dialect_of

Missing = Callable[[], Exception]
"""Makes what is raised where the row is not there."""


class RowsMissing(Exception):
    """Some of the rows that were to be touched are not there, and it is not known which."""


class Touch:
    """An UPDATE of a row that must be there, found by its key.

    :param keys: the columns that name it
    :param values: the columns that are set
    :param highest: columns that are raised to the value, or keep their own if that is higher
    """

    def __init__(
        self, table: sa.Table, *, keys: Sequence[str], values: Sequence[str] = (), highest: Sequence[str] = ()
    ) -> None:
        self.table = table
        self.keys, self.values, self.highest = tuple(keys), tuple(values), tuple(highest)
        self.columns = (*values, *highest, *keys)

    @cached_property
    def sqlite(self) -> str:
        """For one row, which gives its columns in their order."""
        changes = [f"{name}=?" for name in self.values] + [f"{name}=max({name}, ?)" for name in self.highest]
        return _update(self, changes) + " WHERE " + " AND ".join([f"{name}=?" for name in self.keys])

    def postgresql(self, arrays: str) -> str:
        """For any number of rows, given as an array for each column."""
        mine = self.table.name
        changes = [f"{name}=v.{name}" for name in self.values]
        changes += [f"{name}=greatest({mine}.{name}, v.{name})" for name in self.highest]
        same = " AND ".join([f"{mine}.{name}=v.{name}" for name in self.keys])
        return (
            f"{_update(self, changes)} FROM unnest({arrays}) AS v({', '.join(self.columns)}) WHERE {same} RETURNING 1"
        )


class Insert(NamedTuple):
    """An INSERT of rows with these columns."""

    table: sa.Table
    columns: tuple[str, ...]

    @property
    def sqlite(self) -> str:
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.table.name} ({', '.join(self.columns)}) VALUES ({marks})"

    def postgresql(self, arrays: str) -> str:
        return f"INSERT INTO {self.table.name} ({', '.join(self.columns)}) SELECT * FROM unnest({arrays})"


class Touched(NamedTuple):
    """Rows to be touched, by key; the last one given for a key stands for those before it."""

    rows: dict[tuple[Any, ...], tuple[Any, ...]]
    missing: list[Missing]

    def check(self, found: int) -> None:
        """Raises what the one row's caller asked for, or RowsMissing."""
        if found != len(self.rows):
            raise self.missing[0]() if len(self.missing) == 1 else RowsMissing


class Later:
    """Of one transaction."""

    __slots__ = ("_inserts", "_touched")

    def __init__(self) -> None:
        self._inserts: dict[Insert, list[tuple[Any, ...]]] = {}
        self._touched: dict[Touch, Touched] = {}

    def __bool__(self) -> bool:
        return bool(self._inserts or self._touched)

    def insert(self, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self._inserts.setdefault(Insert(table, tuple(row)), []).append(tuple(row.values()))

    def touch(self, touch: Touch, missing: Missing, values: Mapping[str, Any]) -> None:
        touched = self._touched.get(touch)
        if touched is None:
            touched = self._touched[touch] = Touched({}, [])
        row = tuple([values[name] for name in touch.columns])
        key = row[-len(touch.keys) :]
        before = touched.rows.get(key)
        if before is not None:
            first, end = len(touch.values), len(touch.values) + len(touch.highest)
            row = (*row[:first], *map(max, before[first:end], row[first:end]), *key)
        touched.rows[key] = row
        touched.missing.append(missing)

    def concerns(self, tables: Set[sa.Table]) -> bool:
        """Whether there is something for one of the tables; none given stands for all of them."""
        if not tables:
            return bool(self)
        return any([i.table in tables for i in self._inserts]) or any([t.table in tables for t in self._touched])

    def clear(self) -> None:
        self._inserts = {}
        self._touched = {}

    def for_sqlite(self) -> list[tuple[str, list[tuple[Any, ...]], Touched | None]]:
        """Statements, their rows, and whose number of rows is to be checked. They are not here any more."""
        found: list[tuple[str, list[tuple[Any, ...]], Touched | None]] = [
            (touch.sqlite, list(touched.rows.values()), touched) for touch, touched in self._touched.items()
        ]
        found += [(insert.sqlite, rows, None) for insert, rows in self._inserts.items()]
        self.clear()
        return found

    def for_postgresql(self) -> tuple[str, list[Sequence[Any]], list[Touched]]:
        """One statement, an array for each column, and in the order of its columns what is to be checked against them."""
        touched = list(self._touched.values())
        arrays: list[Sequence[Any]] = [column for each in touched for column in zip(*each.rows.values(), strict=True)]
        arrays += [column for rows in self._inserts.values() for column in zip(*rows, strict=True)]
        text = _as_one((*self._touched, *self._inserts))
        self.clear()
        return text, arrays, touched


def _update(touch: Touch, changes: Iterable[str]) -> str:
    return f"UPDATE {touch.table.name} SET {', '.join(changes)}"


@cache
def _as_one(parts: tuple[Touch | Insert, ...]) -> str:
    """PostgreSQL's statement that does all of them, and answers how many rows each Touch found."""
    numbers = itertools.count(1)
    compiler = dialect_of("postgresql").type_compiler_instance
    texts, counts = [], []
    for place, part in enumerate(parts):
        types = [compiler.process(part.table.c[name].type).partition(" COLLATE")[0] for name in part.columns]
        texts.append(f"w{place} AS ({part.postgresql(', '.join([f'${next(numbers)}::{each}[]' for each in types]))})")
        if isinstance(part, Touch):
            counts.append(f"(SELECT count(*) FROM w{place})")
    return f"WITH {', '.join(texts)} SELECT {', '.join(counts) or '0'}"
