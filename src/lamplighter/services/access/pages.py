"""Lists of rows in pages: filters, keyset and count from one declaration, each shape compiled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from lamplighter.api.filter import Condition
from lamplighter.api.page import Page, envelope
from lamplighter.storage.database import Reader, Row
from lamplighter.storage.query import Query

T = TypeVar("T")


class Listed(msgspec.Struct, Generic[T]):
    """A page of a list, for the API reference."""

    object: str
    data: list[T]
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int


class Rows(NamedTuple):
    """A page as read."""

    rows: Sequence[Row]
    has_more: bool
    total_count: int

    def envelope(self, page: Page, data: Sequence[Any]) -> dict[str, Any]:
        return envelope(page, data, has_more=self.has_more, total_count=self.total_count)


class Listing:
    """A list that can be asked for.

    :param select: the rows without order, with the bind parameters that keep it inside an account
    :param key: the id column, unique within the select and sorted by time
    :param terms: the expression compared for each field that may be filtered
    """

    def __init__(
        self,
        select: sa.Select[Any],
        key: sa.ColumnElement[str],
        terms: Mapping[str, sa.ColumnElement[Any]] | None = None,
    ) -> None:
        self._select = select
        self._key = key
        self._terms = terms or {}
        self._pages: dict[tuple[Any, ...], Query] = {}
        self._counts: dict[tuple[Any, ...], Query] = {}

    async def read(self, reader: Reader, page: Page, conditions: Sequence[Condition] = (), **values: Any) -> Rows:
        """One page and the count of all.

        :param values: for the select's own bind parameters
        """
        conditions = sorted(conditions, key=lambda one: (one.field, one.operator))
        shape = tuple((one.field, one.operator) for one in conditions)
        for index, condition in enumerate(conditions):
            values[f"filter_{index}"] = _pattern(condition.value) if condition.operator == "like" else condition.value
        count = self._counts.get(shape)
        if count is None:
            count = self._counts[shape] = Query(self._counted(shape), heavy=True)
        counted = await reader.fetch_one(count, **values)
        assert counted is not None
        query = self._pages.get((page.descending, page.after is None, *shape))
        if query is None:
            query = Query(self._paged(page, shape), heavy=True)
            self._pages[page.descending, page.after is None, *shape] = query
        if page.after is not None:
            values["after"] = page.after
        rows = await reader.fetch_all(query, most=page.limit + 1, **values)
        return Rows(rows[: page.limit], len(rows) > page.limit, counted[0])

    def _filtered(self, shape: Sequence[tuple[str, str]]) -> sa.Select[Any]:
        select = self._select
        for index, (field, operator) in enumerate(shape):
            select = select.where(_compare(self._terms[field], operator, f"filter_{index}"))
        return select

    def _counted(self, shape: Sequence[tuple[str, str]]) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self._filtered(shape).with_only_columns(self._key).subquery())

    def _paged(self, page: Page, shape: Sequence[tuple[str, str]]) -> sa.Select[Any]:
        select = self._filtered(shape)
        if page.after is not None:
            after: sa.BindParameter[str] = sa.bindparam("after", type_=self._key.type)
            select = select.where(self._key < after if page.descending else self._key > after)
        order = self._key.desc() if page.descending else self._key.asc()
        return select.order_by(order).limit(sa.bindparam("most", type_=sa.BigInteger()))


def _compare(term: sa.ColumnElement[Any], operator: str, name: str) -> sa.ColumnElement[bool]:
    listed: sa.BindParameter[Any] = sa.bindparam(name, expanding=True, type_=term.type)
    single: sa.BindParameter[Any] = sa.bindparam(name, type_=term.type)
    match operator:
        case "in":
            return term.in_(listed)
        case "nin":
            return term.not_in(listed)
        case "neq":
            return term != single
        case "like":
            return sa.func.lower(term).like(single, escape="\\")
        case _:
            return term == single


def _pattern(text: str) -> str:
    """The LIKE pattern of a substring."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped.lower()}%"
