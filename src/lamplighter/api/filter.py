"""A filter condition, as a list operation hands it to its service."""

from __future__ import annotations

from typing import Any, NamedTuple


class Condition(NamedTuple):
    """One term of a filter; terms are joined by AND.

    ``value`` has the field's type (int microseconds for times, bool, int, str), or is a tuple of them for in and nin.
    ``key`` is the attribute's name where the field is a map (``custom_attributes__floor=3``).
    """

    field: str
    operator: str
    value: Any
    key: str | None = None
