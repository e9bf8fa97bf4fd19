"""Lists: filters, keyset pages and counts, as one compiled statement per shape.

A page is read by ``id > after ORDER BY id LIMIT n + 1``, never by OFFSET. What is filtered is a condition as the API
knows it; a field that is null is *not equal* to anything, so ``neq`` and ``nin`` find it (plain SQL would not).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import sqlalchemy as sa

from lamplighter.clock import Clock
from lamplighter.storage.attributes import AttributeIndex
from lamplighter.storage.database import Row
from lamplighter.storage.query import DialectName, Query
from lamplighter.storage.schema import Contains

Order = Literal["ASC", "DESC"]

SHAPES = 1000
"""Compiled shapes that one search keeps at most."""


class Condition(Protocol):
    """One term of a filter; api/filter.py has the class."""

    @property
    def field(self) -> str: ...
    @property
    def operator(self) -> str: ...
    @property
    def value(self) -> Any: ...
    @property
    def key(self) -> str | None: ...


class Source(Protocol):
    """Where a search reads: a database or a transaction."""

    @property
    def dialect(self) -> DialectName: ...

    async def fetch_one(self, query: Query, /, **values: Any) -> Row | None: ...

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[Row]: ...


class _Term(NamedTuple):
    """What of a condition changes the text of the statement."""

    field: str
    operator: str
    of_attribute: bool
    is_null: bool
    length: int
    """Of the list, where the text depends on it."""


class _Shape(NamedTuple):
    dialect: DialectName
    order: Order | None
    """None: a count."""
    after: bool
    terms: tuple[_Term, ...]


class Search:
    """The lists of one table.

    :param table: its rows
    :param scope: columns that every search fixes (``account_id``), first of the indexes it uses
    :param key: the column that orders a page and that ``after`` names
    :param fields: what may be filtered, by the condition's field; by default every column under its own name
    :param attributes: map fields, by the condition's field
    :param columns: what a row holds; by default every column
    """

    def __init__(
        self,
        table: sa.Table,
        *,
        scope: Sequence[sa.Column[Any]],
        key: sa.Column[Any],
        fields: Mapping[str, sa.ColumnElement[Any]] | None = None,
        attributes: Sequence[AttributeIndex] = (),
        columns: Sequence[sa.ColumnElement[Any]] | None = None,
    ) -> None:
        self._table = table
        self._scope = tuple(scope)
        self._key = key
        self._fields: Mapping[str, sa.ColumnElement[Any]] = dict(table.columns) if fields is None else fields
        self._attributes = {index.field: index for index in attributes}
        self._columns = tuple(table.columns) if columns is None else tuple(columns)
        self._queries: dict[_Shape, Query] = {}

    async def page(
        self,
        source: Source,
        scope: Mapping[str, Any],
        conditions: Sequence[Condition] = (),
        *,
        order: Order = "ASC",
        after: str | None = None,
        limit: int,
    ) -> Sequence[Row]:
        """The next rows, one more than the limit if there are more. Raises KeyError for a field that cannot be
        filtered."""
        query, values = self.page_query(source.dialect, scope, conditions, order=order, after=after, limit=limit)
        return await source.fetch_all(query, **values)

    async def count(self, source: Source, scope: Mapping[str, Any], conditions: Sequence[Condition] = ()) -> int:
        """How many rows there are in all; milliseconds for many thousands (see CountCache)."""
        query, values = self.count_query(source.dialect, scope, conditions)
        row = await source.fetch_one(query, **values)
        assert row is not None
        return int(row[0])

    def page_query(
        self,
        dialect: DialectName,
        scope: Mapping[str, Any],
        conditions: Sequence[Condition] = (),
        *,
        order: Order = "ASC",
        after: str | None = None,
        limit: int,
    ) -> tuple[Query, dict[str, Any]]:
        """The statement of a page and its values."""
        query, values = self._query(dialect, order, after is not None, scope, conditions)
        values["limit"] = limit + 1
        if after is not None:
            values["after"] = after
        return query, values

    def count_query(
        self, dialect: DialectName, scope: Mapping[str, Any], conditions: Sequence[Condition] = ()
    ) -> tuple[Query, dict[str, Any]]:
        """The statement of a count and its values."""
        return self._query(dialect, None, False, scope, conditions)

    def _query(
        self,
        dialect: DialectName,
        order: Order | None,
        after: bool,
        scope: Mapping[str, Any],
        conditions: Sequence[Condition],
    ) -> tuple[Query, dict[str, Any]]:
        # One order of the terms for every order in which a client may write them.
        ordered = sorted(conditions, key=lambda one: (one.field, one.operator, one.key or ""))
        values: dict[str, Any] = {f"scope_{column.name}": scope[column.name] for column in self._scope}
        terms = []
        for number, condition in enumerate(ordered):
            attribute = self._attributes.get(condition.field) if condition.key is not None else None
            length = 0
            if attribute is not None:
                length = attribute.bind(
                    dialect, number, condition.operator, str(condition.key), condition.value, values
                )
            elif condition.value is not None:
                values[f"v{number}"] = _plain(condition.value)
            terms.append(
                _Term(condition.field, condition.operator, attribute is not None, condition.value is None, length)
            )
        shape = _Shape(dialect, order, after, tuple(terms))
        query = self._queries.get(shape)
        if query is None:
            query = self._build(shape)
            if len(self._queries) >= SHAPES:
                del self._queries[next(iter(self._queries))]
            self._queries[shape] = query
        return query, values

    def _build(self, shape: _Shape) -> Query:
        clauses = [column == _value(f"scope_{column.name}", column) for column in self._scope]
        key: sa.ColumnElement[Any] = self._key
        rows: sa.FromClause = self._table
        for number, term in enumerate(shape.terms):
            if not term.of_attribute:
                clauses.append(_clause(self._fields[term.field], term, f"v{number}"))
                continue
            attribute = self._attributes[term.field]
            if shape.dialect == "sqlite" and term.operator == "eq" and not term.is_null and rows is self._table:
                # The side table is in the order of the owner: it leads, and a page stops when it is full.
                rows, key, leading = attribute.lead(self._scope[0], self._key, number)
                clauses += leading
            else:
                clauses.append(
                    attribute.clause(shape.dialect, self._scope[0], self._key, number, term.operator, term.length)
                )
        skewed = any(term.of_attribute for term in shape.terms)
        if shape.order is None:
            counted = sa.select(sa.func.count()).select_from(rows).where(*clauses)
            return Query(counted, heavy=True, skewed=skewed)
        if shape.after:
            bound = _value("after", self._key)
            clauses.append(key > bound if shape.order == "ASC" else key < bound)
        statement = sa.select(*self._columns).select_from(rows).where(*clauses)
        statement = statement.order_by(key if shape.order == "ASC" else key.desc())
        statement = statement.limit(sa.bindparam("limit", type_=sa.BigInteger(), required=True))
        return Query(statement, skewed=skewed)


class CountCache:
    """Counts that may be a little old. However many ask at once, it is counted once.

    :param age: seconds that a count may be old
    """

    ENTRIES = 10_000

    def __init__(self, clock: Clock, age: float) -> None:
        self._clock = clock
        self._age = age
        self._counts: dict[Hashable, tuple[float, int]] = {}
        self._under_way: dict[Hashable, asyncio.Task[int]] = {}

    async def get(self, key: Hashable, count: Callable[[], Awaitable[int]]) -> int:
        """The count under that key (whose list, which conditions), counted anew when it is too old."""
        known = self._counts.get(key)
        if known is not None and self._clock.monotonic() - known[0] <= self._age:
            return known[1]
        task = self._under_way.get(key)
        if task is None:
            # A task of its own: who asked first may be cancelled, and the others still wait.
            task = self._under_way[key] = asyncio.create_task(self._count(key, count))
            task.add_done_callback(lambda ended: self._ended(key, ended))
        return await asyncio.shield(task)

    async def _count(self, key: Hashable, count: Callable[[], Awaitable[int]]) -> int:
        now = self._clock.monotonic()
        number = await count()
        self._counts.pop(key, None)
        if len(self._counts) >= self.ENTRIES:
            del self._counts[next(iter(self._counts))]
        self._counts[key] = (now, number)
        return number

    def _ended(self, key: Hashable, task: asyncio.Task[int]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # nobody may be left who asks for it


def _clause(column: sa.ColumnElement[Any], term: _Term, name: str) -> sa.ColumnElement[bool]:
    match term.operator:
        case "eq":
            return column.is_(None) if term.is_null else column == _value(name, column)
        case "neq" if term.is_null:
            return column.is_not(None)
        case "neq":
            return _or_null(column, column != _value(name, column))
        case "in":
            return column.in_(sa.bindparam(name, expanding=True, type_=column.type, required=True))
        case "nin":
            return _or_null(column, column.not_in(sa.bindparam(name, expanding=True, type_=column.type, required=True)))
        case "lte":
            return column <= _value(name, column)
        case "gte":
            return column >= _value(name, column)
        case "like":
            return Contains(column, _value(name, column))
    raise ValueError(f"there is no operator {term.operator}")


def _or_null(column: sa.ColumnElement[Any], clause: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    if isinstance(column, sa.Column) and not column.nullable:
        return clause
    return sa.or_(clause, column.is_(None))


def _value(name: str, column: sa.ColumnElement[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type, required=True)


def _plain(value: Any) -> Any:
    """Truth is 0 and 1 in our tables."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (tuple, list, frozenset, set)):
        return [_plain(one) for one in value]
    return value
