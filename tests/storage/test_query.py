"""Queries: what is sent to each database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from lamplighter.storage.query import Query

lamps = sa.Table("lamps", sa.MetaData(), sa.Column("id", sa.Text, primary_key=True), sa.Column("watts", sa.BigInteger))


def test_each_database_gets_its_own_text_and_the_values_in_order() -> None:
    query = Query(sa.select(lamps.c.id).where(lamps.c.watts > sa.bindparam("least"), lamps.c.watts < 100))
    text, values = query.render("sqlite", {"least": 5})
    assert (text.count("?"), list(values)) == (2, [5, 100])
    text, values = query.render("postgresql", {"least": 5})
    assert "$1::BIGINT" in text and "$2::BIGINT" in text and list(values) == [5, 100]


def test_a_list_of_nearly_the_same_length_is_the_same_text() -> None:
    query = Query(sa.select(lamps.c.id).where(lamps.c.id.in_(sa.bindparam("ids", expanding=True))))
    for dialect in ("sqlite", "postgresql"):
        texts = {query.render(dialect, {"ids": ["x"] * length})[0] for length in range(65)}  # type: ignore[arg-type]
        assert len(texts) == 8  # none, 1, 2, 4, 8, 16, 32, 64
    assert list(query.render("sqlite", {"ids": ("a", "b", "c")})[1]) == ["a", "b", "c", "c"]


def test_two_lists_and_a_value_find_their_places() -> None:
    query = Query(
        sa.select(lamps.c.id).where(
            lamps.c.id.in_(sa.bindparam("ids", expanding=True)),
            lamps.c.watts == sa.bindparam("watts"),
            lamps.c.id.not_in(sa.bindparam("others", expanding=True)),
        )
    )
    values = {"ids": ["a", "b"], "watts": 5, "others": ["z"]}
    assert list(query.render("sqlite", values)[1]) == ["a", "b", 5, "z"]
    text, arguments = query.render("postgresql", values)
    placed = {f"${number}": argument for number, argument in enumerate(arguments, 1)}
    assert [placed[part.split("::")[0].strip("( ,")] for part in text.split() if "$" in part] == ["a", "b", 5, "z"]


def test_a_list_that_is_a_constant_needs_no_value() -> None:
    query = Query(sa.select(lamps.c.id).where(lamps.c.id.in_(["a", "b"])))
    assert list(query.render("sqlite", {})[1]) == ["a", "b"]


def test_the_caller_s_values_are_not_changed() -> None:
    query = Query(sa.select(lamps.c.id).where(lamps.c.id.in_(sa.bindparam("ids", expanding=True))))
    values = {"ids": ["a", "b", "c"]}
    query.render("sqlite", values)
    assert values == {"ids": ["a", "b", "c"]}


def test_what_is_missing_or_too_much_is_named() -> None:
    query = Query(sa.insert(lamps))
    with pytest.raises(TypeError, match=r"missing values \['watts'\], unknown values \['volts'\]"):
        query.render("sqlite", {"id": "a", "volts": 1})
    with pytest.raises(TypeError, match=r"missing values \['watts'\]"):
        query.render("postgresql", {"id": "a"})
