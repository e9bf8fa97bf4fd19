"""Filters of list operations: every encoding that real clients send, read into typed conditions.

Three places, joined by AND: parameters ``field__op=value``; ``filter=`` whose value is itself a query string (and so decoded
twice); and the tail of an unencoded ``filter=a=b&c=d``, which arrives as parameters of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_plus

from lamplighter.clock import from_rfc3339, to_rfc3339
from lamplighter.errors import FieldFault

EQUALITY = ("eq", "neq")
SETS = ("eq", "neq", "in", "nin")
RANGE = ("eq", "neq", "in", "nin", "lte", "gte")
OPERATORS = frozenset(("eq", "neq", "in", "nin", "lte", "gte", "like"))
_ALIASES = {"ne": "neq"}

Kind = Literal["string", "integer", "boolean", "date-time", "date", "map"]


class Condition(NamedTuple):
    """One term of a filter; terms are joined by AND.

    ``value`` has the field's type (int microseconds for times, bool, int, str), or is a tuple of them for in and nin.
    ``key`` is the attribute's name where the field is a map (``custom_attributes__floor=3``).
    """

    field: str
    operator: str
    value: Any
    key: str | None = None


class FilterField(NamedTuple):
    """A field that may be filtered: its operators, type, and values where they are a fixed set."""

    operators: tuple[str, ...] = SETS
    kind: Kind = "string"
    choices: tuple[str, ...] = ()


Fields = Mapping[str, FilterField]


def read(
    fields: Fields, query: Mapping[str, str], other: Iterable[str], faults: list[FieldFault], *, inner: bool
) -> list[Condition]:
    """The conditions of a list request.

    :param other: parameters of the operation that are not filters
    :param inner: whether the operation takes ``filter=``
    :param faults: every unknown field or operator and every value of the wrong type is added
    """
    conditions: list[Condition] = []
    for name, value in query.items():
        if name == "filter" and inner:
            read_inner(fields, value, faults, conditions)
        elif name not in other:
            _read_term(fields, name, value, faults, conditions)
    return conditions


def read_inner(fields: Fields, text: str, faults: list[FieldFault], conditions: list[Condition]) -> None:
    """Read a filter in its inner form, ``state=registered&created_at__gte=…``: also what stored queries hold."""
    for term in text.lstrip("?").split("&"):
        if term:
            name, _, value = term.partition("=")
            _read_term(fields, unquote_plus(name), unquote_plus(value), faults, conditions)


def _read_term(fields: Fields, name: str, text: str, faults: list[FieldFault], conditions: list[Condition]) -> None:
    field_name, _, rest = name.partition("__")
    field = fields.get(field_name)
    if field is None:
        faults.append(FieldFault(name, f"cannot be filtered by; allowed are {', '.join(fields)}"))
        return
    if "\x00" in text:
        faults.append(FieldFault(name, "must not contain the character U+0000"))
        return
    if field.kind == "map":
        _read_map(field_name, rest, text, name, faults, conditions)
        return
    operator = _ALIASES.get(rest, rest) or "eq"
    if operator not in field.operators and not (operator == "eq" and field.kind in ("date-time", "date")):
        allowed = ", ".join(f"{field_name}__{each}" for each in field.operators)
        faults.append(FieldFault(name, f"is not a filter of {field_name}; allowed are {allowed}"))
        return
    if operator == "eq" and field.choices and "," in text:
        operator = "in"
    try:
        if operator in ("in", "nin"):
            values = tuple(_value(field, part.strip()) for part in text.split(",") if part.strip())
            conditions.append(Condition(field_name, operator, values))
        else:
            conditions.append(Condition(field_name, operator, _value(field, text)))
    except ValueError as fault:
        faults.append(FieldFault(name, str(fault)))


def _read_map(
    field: str, rest: str, text: str, name: str, faults: list[FieldFault], conditions: list[Condition]
) -> None:
    """``map__key=value``, ``map__key__neq=value``, or ``map__eq={"key": "value", …}``."""
    if rest in ("", "eq", "neq") and text.lstrip().startswith("{"):
        try:
            pairs = json.loads(text)
        except ValueError:
            faults.append(FieldFault(name, "must be a JSON object of strings"))
            return
        for key, value in pairs.items():
            conditions.append(Condition(field, rest or "eq", str(value), key))
        return
    key, separator, operator = rest.rpartition("__")
    operator = _ALIASES.get(operator, operator)
    if not separator or operator not in OPERATORS:
        key, operator = rest, "eq"
    if not key:
        faults.append(FieldFault(name, f"needs the attribute's name: {field}__<name>=<value>"))
    elif operator not in EQUALITY:
        faults.append(FieldFault(name, f"attributes are compared by {field}__<name> and {field}__<name>__neq only"))
    else:
        conditions.append(Condition(field, operator, text, key))


def _value(field: FilterField, text: str) -> Any:
    match field.kind:
        case "string":
            if field.choices and text not in field.choices:
                raise ValueError(f"must be one of {', '.join(field.choices)}")
            return text
        case "boolean":
            if text.lower() not in ("true", "false"):
                raise ValueError("must be true or false")
            return text.lower() == "true"
        case "integer":
            digits = text.strip()
            if not digits.removeprefix("-").isdigit() or not digits.isascii() or len(digits) > 18:
                raise ValueError("must be a whole number")
            return int(digits)
        case "date":
            return to_date(text)
        case _:
            return to_moment(text)


def to_moment(text: str) -> int:
    """Microseconds of a date-time in a filter, where a + may have become a space on the way. Raises ValueError."""
    try:
        return from_rfc3339(text.replace(" 00:00", "+00:00"))
    except ValueError:
        raise ValueError("must be a UTC date-time such as 2026-11-21T20:15:01Z") from None


def to_date(text: str) -> str:
    """A date as ``YYYY-MM-DD``, from a date or a date-time. Raises ValueError."""
    try:
        if len(text) > 10:
            return to_rfc3339(to_moment(text))[:10]
        from_rfc3339(text + "T00:00:00Z")
    except ValueError:
        raise ValueError("must be a date such as 2026-11-21") from None
    return text
