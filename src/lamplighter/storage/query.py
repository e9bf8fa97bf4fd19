"""A statement, built once with SQLAlchemy Core and compiled once per database.

Building and compiling cost a hundred times what running costs, so a store makes its queries at import and gives them
values by name. An expanding IN is compiled once per length, lengths rounded up to powers of two by repeating the last
value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement
from sqlalchemy.sql.util import find_tables

DialectName = Literal["sqlite", "postgresql"]

# Only the compiler of it is used: $1 with a cast to the column's type.
_postgresql: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
_DIALECTS: dict[str, Dialect] = {"sqlite": SQLiteDialect(paramstyle="qmark"), "postgresql": _postgresql}


def dialect_of(name: DialectName) -> Dialect:
    """SQLAlchemy's compiler for that database."""
    return _DIALECTS[name]


class _Slot(NamedTuple):
    """Where a positional argument comes from: a value, or one element of a list."""

    name: str
    element: int | None


class _Plan:
    """A statement compiled for one database."""

    __slots__ = ("compiled", "constants", "known", "lists", "names", "shapes", "text")

    def __init__(self, compiled: SQLCompiler) -> None:
        self.compiled = compiled
        self.text = compiled.string
        self.known = frozenset(compiled.bind_names.values())
        self.constants = {name: bind.effective_value for bind, name in compiled.bind_names.items() if not bind.required}
        self.lists = tuple(name for bind, name in compiled.bind_names.items() if bind.expanding)
        self.names = tuple(compiled.positiontup or ())
        self.shapes: dict[tuple[int, ...], tuple[str, tuple[_Slot, ...]]] = {}

    def expand(self, values: dict[str, Any]) -> tuple[str, list[Any]]:
        lengths = []
        for name in self.lists:
            padded = list(values[name])
            length = len(padded)
            if length:
                rounded = 1 << (length - 1).bit_length()
                padded += [padded[-1]] * (rounded - length)
            values[name] = padded
            lengths.append(len(padded))
        key = tuple(lengths)
        shape = self.shapes.get(key)
        if shape is None:
            shape = self.shapes[key] = self._shape(dict(zip(self.lists, lengths, strict=True)))
        text, slots = shape
        return text, [values[slot.name] if slot.element is None else values[slot.name][slot.element] for slot in slots]

    def _shape(self, lengths: Mapping[str, int]) -> tuple[str, tuple[_Slot, ...]]:
        sample: dict[str, Any] = {name: [0] * lengths[name] if name in lengths else None for name in self.known}
        state = self.compiled.construct_expanded_state(sample)
        origin = {
            expanded: _Slot(name, element)
            for name, expansion in state.parameter_expansion.items()
            for element, expanded in enumerate(expansion)
        }
        return state.statement, tuple(origin.get(name, _Slot(name, None)) for name in state.positiontup or ())


class Query:
    """A statement that takes its values by the names of its ``bindparam``.

    ``sqlalchemy.insert(table)`` and :func:`insert` have one for every column. For an upsert that works on both
    databases use :func:`insert` of this module with ``on_conflict_do_update(index_elements=[…])`` (never
    ``constraint=``).

    :param heavy: the statement may take milliseconds (it touches many rows): on SQLite it leaves the event loop
    :param skewed: the best plan depends on the values (a rare attribute, a common one): PostgreSQL plans it each time, for
        one more round trip
    :param quick: it reads a few rows by an index: on SQLite ``fetch_all`` answers it without leaving the event loop
    """

    def __init__(
        self, statement: CompilerElement, *, heavy: bool = False, skewed: bool = False, quick: bool = False
    ) -> None:
        self.statement = statement
        self.heavy = heavy
        self.skewed = skewed
        self.quick = quick
        self.writes = not getattr(statement, "is_select", False)
        self._plans: dict[str, _Plan] = {}

    @cached_property
    def tables(self) -> frozenset[sa.Table]:
        """Those that it names; none where it is written out as text."""
        found = find_tables(self.statement, include_joins=True, include_selects=True, include_crud=True)  # type: ignore[arg-type]
        return frozenset(table for table in found if isinstance(table, sa.Table))

    def render(self, dialect: DialectName, values: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        """The text for that database and its arguments in order.

        Raises TypeError that names the values that are missing or unknown.
        """
        plan = self._plans.get(dialect)
        if plan is None:
            plan = self._compile(dialect)
        constants = plan.constants
        complete = {**constants, **values} if constants else values
        if len(complete) != len(plan.known):
            raise self._misfit(plan, complete)
        try:
            if plan.lists:
                return plan.expand(dict(complete))
            return plan.text, [complete[name] for name in plan.names]
        except KeyError:
            raise self._misfit(plan, complete) from None

    def _compile(self, dialect: DialectName) -> _Plan:
        compiled = self.statement.compile(dialect=_DIALECTS[dialect])
        assert isinstance(compiled, SQLCompiler)
        plan = self._plans[dialect] = _Plan(compiled)
        return plan

    def _misfit(self, plan: _Plan, values: Mapping[str, Any]) -> TypeError:
        missing = sorted(plan.known - values.keys())
        unknown = sorted(values.keys() - plan.known)
        return TypeError(f"missing values {missing}, unknown values {unknown} for: {plan.text}")
