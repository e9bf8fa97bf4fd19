"""Lists give what a plain reading of their conditions gives, on both databases and therefore the same."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.schema import CreateIndex, CreateTable

from lamplighter.api.filter import Condition
from lamplighter.clock import ManualClock
from lamplighter.storage.attributes import AttributeIndex
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query, dialect_of
from lamplighter.storage.schema import BigInteger, Json, SmallInteger, Text
from lamplighter.storage.search import CountCache, Search

metadata = sa.MetaData()
lanterns = sa.Table(
    "lanterns",
    metadata,
    sa.Column("account_id", Text, primary_key=True),
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text),
    sa.Column("watts", BigInteger),
    sa.Column("lit", SmallInteger, nullable=False),
    sa.Column("attributes", Json),
)
ATTRIBUTES = AttributeIndex("attributes", lanterns.c.attributes, "lantern_attributes")
SEARCH = Search(lanterns, scope=[lanterns.c.account_id], key=lanterns.c.id, attributes=[ATTRIBUTES])

TEXTS = ["", "a", "A", "b", "ab", "%", "_", "a%", "é", "'", '"', "\\", "*", "?", "[a]"]
KEYS = ["floor", "Floor", "a.b", 'q"', "x"]


def some_rows() -> list[dict[str, Any]]:
    chance = random.Random(1812)
    rows = []
    for number in range(150):
        attributes = {key: chance.choice(TEXTS) for key in KEYS if chance.random() < 0.6}
        rows.append(
            {
                "account_id": "a" if number % 5 else "other",
                "id": f"{chance.getrandbits(32):08x}",
                "name": chance.choice([None, *TEXTS]),
                "watts": chance.choice([None, -1, 0, 1, 2, 3, 2**62]),
                "lit": chance.randint(0, 1),
                "attributes": None if chance.random() < 0.1 else attributes,
            }
        )
    return rows


ROWS = some_rows()


def matches(row: dict[str, Any], condition: Condition) -> bool:
    """What the condition means, in Python."""
    found = row[condition.field]
    if condition.key is not None:
        found = (found or {}).get(condition.key)
    value = condition.value
    match condition.operator:
        case "eq":
            return bool(found == value)
        case "neq":
            return bool(found != value)
        case "in":
            return found is not None and found in value
        case "nin":
            return found is None or found not in value
    if found is None:
        return False
    match condition.operator:
        case "lte":
            return bool(order_of(found) <= order_of(value))
        case "gte":
            return bool(order_of(found) >= order_of(value))
    return bool(value in found)


def order_of(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def conditions_on(field: str, values: st.SearchStrategy[Any], key: st.SearchStrategy[str | None], *, text: bool) -> Any:
    nullable = st.none() | values
    return st.one_of(
        st.builds(Condition, st.just(field), st.sampled_from(["eq", "neq"]), nullable, key),
        st.builds(
            Condition, st.just(field), st.sampled_from(["in", "nin"]), st.lists(values, max_size=5).map(tuple), key
        ),
        st.builds(Condition, st.just(field), st.sampled_from(["lte", "gte", *(["like"] if text else [])]), values, key),
    )


texts = st.sampled_from(TEXTS)
conditions = st.lists(
    st.one_of(
        conditions_on("name", texts, st.none(), text=True),
        conditions_on("watts", st.sampled_from([-1, 0, 1, 2, 2**62]), st.none(), text=False),
        st.builds(Condition, st.just("lit"), st.sampled_from(["eq", "neq"]), st.booleans(), st.none()),
        conditions_on("attributes", texts, st.sampled_from(KEYS), text=True),
        conditions_on("id", st.sampled_from([row["id"] for row in ROWS]), st.none(), text=True),
    ),
    max_size=4,
)


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as tx:
        compiler = dialect_of(database.dialect)
        for table in metadata.sorted_tables:
            if table.info.get("dialect", database.dialect) != database.dialect:
                continue
            await tx.execute(Query(sa.text(str(CreateTable(table).compile(dialect=compiler)))))
            for index in table.indexes:
                if index is not ATTRIBUTES.gin or database.dialect == "postgresql":
                    await tx.execute(Query(sa.text(str(CreateIndex(index).compile(dialect=compiler)))))
        for row in ROWS:
            attributes = row["attributes"]
            stored = {**row, "attributes": None if attributes is None else json.dumps(attributes)}
            await tx.execute(Query(sa.insert(lanterns)), **stored)
            await ATTRIBUTES.store(tx, row["account_id"], row["id"], {}, attributes or {})
    return database


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    account=st.sampled_from(["a", "other", "nobody"]),
    conditions=conditions,
    order=st.sampled_from(["ASC", "DESC"]),
    after=st.none() | st.sampled_from([row["id"] for row in ROWS] + ["", "80000000", "zz"]),
    limit=st.sampled_from([0, 1, 7, 1000]),
)
async def test_a_page_and_a_count_are_what_their_conditions_say(
    filled: Database, account: str, conditions: list[Condition], order: Any, after: str | None, limit: int
) -> None:
    expected = sorted(
        row["id"]
        for row in ROWS
        if row["account_id"] == account and all(matches(row, condition) for condition in conditions)
    )
    scope = {"account_id": account}
    assert await SEARCH.count(filled, scope, conditions) == len(expected)
    if order == "DESC":
        expected.reverse()
    if after is not None:
        expected = [one for one in expected if (one > after if order == "ASC" else one < after)]
    rows = await SEARCH.page(filled, scope, conditions, order=order, after=after, limit=limit)
    assert [row["id"] for row in rows] == expected[: limit + 1]


async def test_a_change_of_attributes_is_found_and_the_old_is_not(filled: Database) -> None:
    row = next(row for row in ROWS if row["account_id"] == "a" and row["attributes"])
    async with filled.transaction() as tx:
        await tx.execute(
            Query(
                sa.update(lanterns)
                .where(lanterns.c.account_id == "a", lanterns.c.id == row["id"])
                .values(attributes=sa.bindparam("map", type_=Json))
            ),
            map='{"new": "1"}',
        )
        await ATTRIBUTES.store(tx, "a", row["id"], row["attributes"], {"new": "1"})
    for key, value in row["attributes"].items():
        page = await SEARCH.page(filled, {"account_id": "a"}, [Condition("attributes", "eq", value, key)], limit=1000)
        assert row["id"] not in [found["id"] for found in page]
    page = await SEARCH.page(filled, {"account_id": "a"}, [Condition("attributes", "eq", "1", "new")], limit=10)
    assert [found["id"] for found in page] == [row["id"]]


async def test_the_same_shape_is_built_once(database: Database) -> None:
    scope = {"account_id": "a"}
    both = [Condition("name", "eq", "x"), Condition("lit", "eq", 1)]
    swapped = [Condition("lit", "eq", 0), Condition("name", "eq", "y")]
    one, _ = SEARCH.page_query(database.dialect, scope, both, limit=5)
    two, _ = SEARCH.page_query(database.dialect, scope, swapped, limit=9)
    other, _ = SEARCH.page_query(database.dialect, scope, [Condition("name", "neq", "x")], limit=5)
    assert one is two and other is not one


def test_a_field_that_cannot_be_filtered_is_refused() -> None:
    with pytest.raises(KeyError):
        SEARCH.page_query("sqlite", {"account_id": "a"}, [Condition("nothing", "eq", 1)], limit=5)


async def test_a_count_is_taken_anew_when_it_is_too_old() -> None:
    clock, numbers = ManualClock(), iter(range(10))

    async def count() -> int:
        return next(numbers)

    cache = CountCache(clock, 5)
    assert [await cache.get("a", count), await cache.get("a", count), await cache.get("b", count)] == [0, 0, 1]
    clock.advance(5.1)
    assert await cache.get("a", count) == 2


async def test_many_who_ask_for_a_count_at_once_have_it_counted_once() -> None:
    cache = CountCache(ManualClock(), 5)
    counted = 0
    ready = asyncio.Event()

    async def count() -> int:
        nonlocal counted
        counted += 1
        await ready.wait()
        return 7

    first, *others = [asyncio.create_task(cache.get("key", count)) for _ in range(50)]
    await asyncio.sleep(0)
    first.cancel()
    ready.set()
    assert await asyncio.gather(*others) == [7] * 49
    assert counted == 1


async def test_a_count_that_fails_fails_for_those_who_asked_and_is_asked_again() -> None:
    cache = CountCache(ManualClock(), 5)
    answers: Iterator[OSError | int] = iter([OSError("away"), 3])

    async def count() -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    found = await asyncio.gather(*(cache.get("key", count) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [OSError] * 3
    assert await cache.get("key", count) == 3
