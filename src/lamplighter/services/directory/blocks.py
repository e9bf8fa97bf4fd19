"""The categories under which a device can be suspended.

Two references are the public service's own; of the other three only the titles are known, so the references are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import eq, ge, le, ne
from typing import Any

from lamplighter.api.filter import Condition
from lamplighter.clock import from_rfc3339, to_rfc3339
from lamplighter.services.directory.model import BlockCategory

_SINCE = from_rfc3339("2026-11-01T00:00:00Z")

CATEGORIES = tuple(
    BlockCategory(reference=reference, description=description, updated_at=to_rfc3339(_SINCE))
    for reference, description in (
        ("lost_or_stolen", "The device is missing, and whoever has it should not be able to use it."),
        ("recalled", "The device is being taken back from the field."),
        ("maintenance", "The device is being repaired or checked."),
        ("security_breach", "The device, or a credential of it, is no longer trusted."),
        ("other", "Another reason; the description says which."),
    )
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "neq": ne,
    "lte": le,
    "gte": ge,
    "in": lambda found, values: found in values,
    "nin": lambda found, values: found not in values,
}


def select(conditions: Iterable[Condition]) -> list[BlockCategory]:
    """The categories that satisfy all conditions."""
    conditions = list(conditions)
    return [
        category
        for category in CATEGORIES
        if all(
            _OPERATORS[each.operator](_SINCE if each.field == "updated_at" else category.reference, each.value)
            for each in conditions
        )
    ]


def find(reference: str) -> BlockCategory | None:
    """The category of that reference."""
    return next((each for each in CATEGORIES if each.reference == reference), None)
