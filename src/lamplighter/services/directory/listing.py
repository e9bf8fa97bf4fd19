"""The directory's lists: which index a page is read by, and where its count comes from.

A page is read in the order of ids. Equality on an indexed column gives that order by itself. A range or a list of values
does not: its rows would have to be sorted, all of them. So it is first asked, up to ``FEW``, how many rows it selects: few
are read from its index and sorted, only their ids; otherwise the devices are walked in order and the condition is looked
at on the way. A planner that guesses this wrong reads a million rows for a page of fifty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from lamplighter.api.filter import Condition
from lamplighter.api.page import Page
from lamplighter.ids import first_id_at
from lamplighter.services.directory import counts, groups
from lamplighter.services.directory.model import compared
from lamplighter.services.directory.tables import (
    DEVICE_ATTRIBUTES,
    GROUP_ATTRIBUTES,
    device_events,
    device_group_members,
    device_groups,
    device_queries,
    devices,
)
from lamplighter.storage.attributes import AttributeIndex
from lamplighter.storage.database import Database, Row
from lamplighter.storage.query import Query
from lamplighter.storage.search import CountCache, Order, Search

FEW = 20_000
"""Rows of an index that are sorted rather than walked past."""

INDEXED = ("state", "device_class", "vendor_id", "updated_at")
"""Columns with an index, of which many rows may have the same value, or lie in a range."""

_BY_INDEX = frozenset({"name", "endpoint_name", "id"})
"""Fields whose values select few devices, so that the planner does right with them."""


def _walked(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The column as an expression that no index has."""
    nothing: sa.ColumnElement[Any] = sa.literal_column("0" if isinstance(column.type, sa.BigInteger) else "''")
    return sa.type_coerce(column.op("+" if isinstance(column.type, sa.BigInteger) else "||")(nothing), column.type)


WALKED = " walked"
_DEVICE_FIELDS: dict[str, sa.ColumnElement[Any]] = {
    **devices.columns,
    "name": devices.c.name_key,
    "endpoint_name": devices.c.endpoint_key,
    "etag": devices.c.updated_at,
    **{name + WALKED: _walked(devices.c[name]) for name in INDEXED},
}
_DEVICES = Search(
    devices, scope=[devices.c.account_id], key=devices.c.id, fields=_DEVICE_FIELDS, attributes=DEVICE_ATTRIBUTES
)
_SORTED = Search(
    devices,
    scope=[devices.c.account_id],
    key=_walked(devices.c.id),  # type: ignore[arg-type]  # an expression, so that no index is read in its order
    fields=_DEVICE_FIELDS,
    attributes=DEVICE_ATTRIBUTES,
    columns=[devices.c.id],
)
_DRIVING = {
    name: Search(
        devices, scope=[devices.c.account_id], key=devices.c[name], fields=_DEVICE_FIELDS, columns=[devices.c.id]
    )
    for name in INDEXED
}
_SIDES = {
    index.field: Search(index.side, scope=[index.side.c.account_id], key=index.side.c.owner_id)
    for index in DEVICE_ATTRIBUTES
}
_BY_IDS = Query(
    sa.select(devices).where(
        devices.c.account_id == sa.bindparam("account_id"), devices.c.id.in_(sa.bindparam("ids", expanding=True))
    )
)


class _OfMembers(AttributeIndex):
    """Attributes of devices, for a list that begins at the members of a group."""

    def __init__(self, index: AttributeIndex) -> None:
        self.__dict__.update(index.__dict__)

    def lead(
        self, account: sa.Column[Any], owner: sa.Column[Any], number: int
    ) -> tuple[sa.FromClause, sa.ColumnElement[Any], list[sa.ColumnElement[bool]]]:
        joined, key, clauses = super().lead(account, owner, number)
        return joined.join(devices, _OF_MEMBER), key, clauses


_OF_MEMBER = sa.and_(
    devices.c.account_id == device_group_members.c.account_id, devices.c.id == device_group_members.c.device_id
)
_MEMBERS = Search(
    cast(sa.Table, device_group_members.join(devices, _OF_MEMBER)),
    scope=[device_group_members.c.account_id, device_group_members.c.group_id],
    key=device_group_members.c.device_id,
    fields={**_DEVICE_FIELDS, "id": device_group_members.c.device_id},
    attributes=[_OfMembers(index) for index in DEVICE_ATTRIBUTES],
    columns=list(devices.columns),
)
_GROUPS = Search(
    device_groups,
    scope=[device_groups.c.account_id],
    key=device_groups.c.id,
    fields={
        **device_groups.columns,
        "name": device_groups.c.name_key,
        "etag": device_groups.c.updated_at,
        "devices_count": groups.DEVICES_COUNT,
        "component_attributes": sa.literal_column("'{}'"),
    },
    attributes=[GROUP_ATTRIBUTES],
    columns=groups.COLUMNS,
)
_QUERIES = Search(
    device_queries,
    scope=[device_queries.c.account_id],
    key=device_queries.c.id,
    fields={**device_queries.columns, "name": device_queries.c.name_key, "etag": device_queries.c.updated_at},
)
_EVENTS = Search(device_events, scope=[device_events.c.account_id], key=device_events.c.id)


class Found(NamedTuple):
    """A page: its rows, whether there are more, and how many there are in all."""

    rows: Sequence[Row]
    has_more: bool
    total_count: int


class Bounded(NamedTuple):
    """What is asked of a list, with bounds of ids for bounds of time.

    :param counted: the conditions of its count
    :param terms: the conditions of the page
    :param after: the id after which the page begins
    """

    counted: list[Condition]
    terms: list[Condition]
    after: str | None


class Lists:
    """Reads pages. ``age``: seconds that the count of a filtered list may be old."""

    def __init__(self, database: Database, cache: CountCache) -> None:
        self._database = database
        self._cache = cache

    async def devices(self, account_id: str, conditions: Sequence[Condition], page: Page) -> Found:
        total = await self._devices_count(account_id, conditions)
        rows = await self.device_rows(account_id, conditions, page.descending, page.after, page.limit)
        return _found(rows, page.limit, total)

    async def device_rows(
        self, account_id: str, conditions: Sequence[Condition], descending: bool, after: str | None, limit: int
    ) -> Sequence[Row]:
        """The next devices, one more than the limit if there are more."""
        scope, reader = {"account_id": account_id}, self._database
        _, terms, after = bounded(_spelled(conditions), "created_at", after, descending)
        terms, after = _behind(terms, after, descending)
        order: Order = "DESC" if descending else "ASC"
        driver = _driver(terms)
        if driver is None:
            return await _DEVICES.page(reader, scope, terms, order=order, after=after, limit=limit)
        few = await self._are_few(scope, driver, [term for term in terms if term.field == driver])
        walked = [_walking(term, others_than=driver if few else None) for term in terms]
        if not few:
            return await _DEVICES.page(reader, scope, walked, order=order, after=after, limit=limit)
        ids = await _SORTED.page(reader, scope, walked, order=order, after=after, limit=limit)
        if not ids:
            return ()
        rows = await reader.fetch_all(_BY_IDS, account_id=scope["account_id"], ids=[row["id"] for row in ids])
        return sorted(rows, key=lambda row: cast(str, row["id"]), reverse=descending)

    async def members(self, account_id: str, group_id: str, conditions: Sequence[Condition], page: Page) -> Found:
        scope = {"account_id": account_id, "group_id": group_id}
        asked = bounded(_spelled(conditions), "created_at", page.after, page.descending)
        if conditions:
            total = await self._cache.get(
                ("members", account_id, group_id, *conditions),
                lambda: _MEMBERS.count(self._database, scope, asked.counted),
            )
        else:
            name = counts.of_group(group_id)
            total = (await counts.read(self._database, account_id, [name]))[name]
        terms, after = _behind(asked.terms, asked.after, page.descending)
        rows = await _MEMBERS.page(self._database, scope, terms, order=_order(page), after=after, limit=page.limit)
        return _found(rows, page.limit, total)

    async def groups(self, account_id: str, conditions: Sequence[Condition], page: Page) -> Found:
        # No group has component attributes, so none equals one and all differ from it.
        has = any(each.field == "component_attributes" and each.operator == "eq" for each in conditions)
        if has:
            return Found((), False, 0)
        terms = [each for each in _compared(conditions) if each.field != "component_attributes"]
        return await self._small("groups", _GROUPS, account_id, terms, page)

    async def queries(self, account_id: str, conditions: Sequence[Condition], page: Page) -> Found:
        return await self._small("queries", _QUERIES, account_id, _compared(conditions), page)

    async def events(self, account_id: str, conditions: Sequence[Condition], page: Page) -> Found:
        scope = {"account_id": account_id}
        # An event is recorded after it happened, so only the lower bound of date_time is one of ids.
        lower = [each for each in conditions if each.field == "date_time" and each.operator == "gte"]
        others = [each for each in conditions if each not in lower]
        asked = bounded(lower, "date_time", page.after, page.descending)
        if conditions:
            total = await self._cache.get(
                ("events", account_id, *conditions),
                lambda: _EVENTS.count(self._database, scope, [*others, *asked.counted]),
            )
        else:
            total = (await counts.read(self._database, account_id, [counts.EVENTS]))[counts.EVENTS]
        terms = [*others, *asked.terms]
        rows = await _EVENTS.page(self._database, scope, terms, order=_order(page), after=asked.after, limit=page.limit)
        return _found(rows, page.limit, total)

    async def _small(self, name: str, search: Search, account_id: str, terms: Sequence[Condition], page: Page) -> Found:
        """A list that is short enough to be counted each time."""
        scope = {"account_id": account_id}
        total = await search.count(self._database, scope, terms)
        rows = await search.page(self._database, scope, terms, order=_order(page), after=page.after, limit=page.limit)
        return _found(rows, page.limit, total)

    async def _devices_count(self, account_id: str, conditions: Sequence[Condition]) -> int:
        """From the kept counts where they know it, otherwise counted at most every few seconds."""
        states = _states(conditions)
        if states is not None:
            return sum((await counts.read(self._database, account_id, states)).values())
        return await self._cache.get(
            ("devices", account_id, *conditions), lambda: self._count_devices(account_id, conditions)
        )

    async def _count_devices(self, account_id: str, conditions: Sequence[Condition]) -> int:
        scope = {"account_id": account_id}
        if self._database.dialect == "sqlite" and len(conditions) == 1 and conditions[0].key is not None:
            only = conditions[0]
            if only.operator == "eq":  # the side table alone knows
                terms = [Condition("key", "eq", only.key), Condition("value", "eq", only.value)]
                return await _SIDES[only.field].count(self._database, scope, terms)
        parts = _spans(_spelled(conditions))
        return sum([await _DEVICES.count(self._database, scope, terms) for terms in parts])

    async def _are_few(self, scope: Mapping[str, str], driver: str, terms: Sequence[Condition]) -> bool:
        query, values = _DRIVING[driver].page_query(self._database.dialect, scope, terms, limit=FEW)

        async def count() -> int:
            row = await self._database.fetch_one(_counting(query), **values)
            assert row is not None
            return int(row[0])

        return await self._cache.get((driver, scope["account_id"], *terms), count) <= FEW


@lru_cache(maxsize=1000)
def _counting(query: Query) -> Query:
    """How many rows a statement gives."""
    inner = cast("sa.Select[Any]", query.statement).subquery()
    return Query(sa.select(sa.func.count()).select_from(inner), heavy=True)


def _driver(terms: Sequence[Condition]) -> str | None:
    """The indexed column that a range or a list of values is asked of; None: the planner needs no help."""
    if any(term.field in _BY_INDEX and term.operator in ("eq", "in") for term in terms):
        return None
    if any(term.key is not None and term.operator == "eq" for term in terms):
        return None
    asked = [term.field for term in terms if term.field in INDEXED and term.operator in ("in", "gte", "lte")]
    return asked[-1] if asked else None


def _walking(term: Condition, others_than: str | None) -> Condition:
    """The term, kept from its index: the list terms when all are walked (None), or all but the one that drives."""
    if term.field not in INDEXED or term.field == others_than:
        return term
    if others_than is None and term.operator == "eq":
        return term
    return term._replace(field=term.field + WALKED)


def _states(conditions: Sequence[Condition]) -> list[str] | None:
    """The kept counts that add up to the count of the list; None where none do."""
    if not conditions:
        return list(counts.ALL_STATES)
    if len(conditions) != 1 or conditions[0].field != "state":
        return None
    operator, value = conditions[0].operator, conditions[0].value
    named = {counts.of_state(each) for each in (value if operator in ("in", "nin") else (value,))}
    return [name for name in counts.ALL_STATES if (name in named) == (operator in ("eq", "in"))]


def bounded(conditions: Sequence[Condition], field: str, after: str | None, descending: bool) -> Bounded:
    """Say of ids what is said of the time of creation: ids begin with the millisecond in which they were made
    (stamps.py), and the key is what a page is read by."""
    lowest, highest = None, None
    for each in conditions:
        if each.field == field and each.operator in ("eq", "gte", "lte", "in") and each.value != ():
            moments = each.value if each.operator == "in" else (each.value,)
            if each.operator != "lte":
                bound = first_id_at(min(moments))
                lowest = bound if lowest is None else max(lowest, bound)
            if each.operator != "gte":
                bound = first_id_at(max(moments) + 1000)
                highest = bound if highest is None else min(highest, bound)
    lower = [] if lowest is None else [Condition("id", "gte", lowest)]
    upper = [] if highest is None else [Condition("id", "lte", highest)]
    counted = [*conditions, *lower, *upper]
    # The bound at which reading begins becomes part of ``after``: of two bounds on one side an index uses either.
    first, terms = (highest, [*conditions, *lower]) if descending else (lowest, [*conditions, *upper])
    if first is not None:
        after = first if after is None else (min if descending else max)(first, after)
    return Bounded(counted, terms, after)


def _spans(conditions: Sequence[Condition]) -> list[list[Condition]]:
    """Conditions whose counts add up to that of these: whole milliseconds of a span of creation are counted by their
    ids, in the index alone; the rest of a millisecond at either end by looking at the devices."""
    times = [each for each in conditions if each.field == "created_at"]
    low = max((each.value for each in times if each.operator == "gte"), default=0)
    high = min((each.value for each in times if each.operator == "lte"), default=_END)
    if not times or any(each.operator not in ("gte", "lte") for each in times):
        return [bounded(conditions, "created_at", None, False).counted]
    first, last = -(-low // 1000) * 1000, (high + 1) // 1000 * 1000
    if first >= last:
        return [bounded(conditions, "created_at", None, False).counted]
    others = [each for each in conditions if each.field != "created_at"]
    spans = [[*others, Condition("id", "gte", first_id_at(first)), Condition("id", "lte", first_id_at(last))]]
    for begin, end in ((low, first - 1), (last, high)):
        if begin <= end:
            edge = [Condition("created_at", "gte", begin), Condition("created_at", "lte", end)]
            spans.append(bounded([*others, *edge], "created_at", None, False).counted)
    return spans


_END = ((1 << 48) - 1) * 1000 - 1
"""Microseconds of the last whole millisecond behind which an id can tell of a next one."""


def _behind(terms: list[Condition], after: str | None, descending: bool) -> tuple[list[Condition], str | None]:
    """Where ids are named, those behind ``after``, and no ``after``: a planner may think little of a list of ids and
    walk all that lies behind."""
    if after is None or not any(term.field == "id" and term.operator in ("eq", "in") for term in terms):
        return terms, after
    kept = []
    for term in terms:
        if term.field == "id" and term.operator in ("eq", "in"):
            named = term.value if term.operator == "in" else (term.value,)
            wanted = tuple(each for each in named if (each < after if descending else each > after))
            term = term._replace(operator="in", value=wanted)
        kept.append(term)
    return kept, None


def _compared(conditions: Sequence[Condition]) -> list[Condition]:
    """Names as they are compared."""
    return [
        each._replace(value=tuple(map(compared, each.value)) if isinstance(each.value, tuple) else compared(each.value))
        if each.field in ("name", "endpoint_name")
        else each
        for each in conditions
    ]


def _spelled(conditions: Sequence[Condition]) -> list[Condition]:
    """Each condition under the one name of its column."""
    return [each._replace(field="updated_at") if each.field == "etag" else each for each in _compared(conditions)]


def _order(page: Page) -> Order:
    return "DESC" if page.descending else "ASC"


def _found(rows: Sequence[Row], limit: int, total: int) -> Found:
    return Found(rows[:limit], len(rows) > limit, total)
