"""Lists in pages: what may be asked, and the envelope of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamplighter.errors import FieldFault
from lamplighter.ids import is_id

SMALLEST, LARGEST = 2, 1000
"""Bounds of ``limit``; values outside are moved to the nearest (contract: clamped, never refused)."""


class Paging(NamedTuple):
    """How an operation pages. ``opaque_after``: the marker is the server's own token and not an id."""

    default_limit: int = 50
    default_order: str = "ASC"
    includes: tuple[str, ...] = ("total_count",)
    opaque_after: bool = False


class Page(NamedTuple):
    """The page that a request asks for."""

    limit: int
    after: str | None
    order: str
    include: frozenset[str]

    @property
    def descending(self) -> bool:
        return self.order == "DESC"


def read(paging: Paging, query: Mapping[str, str], faults: list[FieldFault]) -> Page:
    """The page asked for by ``limit``, ``after``, ``order`` and ``include``; faults are added to the list."""
    limit = paging.default_limit
    text = query.get("limit", "")
    if text:
        digits = text.removeprefix("+").removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            faults.append(FieldFault("limit", "must be a whole number"))
        else:
            limit = min(max(int(text), SMALLEST), LARGEST)
    order = (query.get("order") or paging.default_order).upper()
    if order not in ("ASC", "DESC"):
        faults.append(FieldFault("order", "must be ASC or DESC"))
    after = query.get("after") or None
    if after is not None and not paging.opaque_after and not is_id(after):
        faults.append(FieldFault("after", "must be the ID of the last entry of the page before: 32 hex digits"))
    include = frozenset(part.strip() for part in query.get("include", "").split(",") if part.strip())
    return Page(limit, after, order, include)


def envelope(
    page: Page, data: Sequence[Any], *, has_more: bool, total_count: int, after: str | None = None
) -> dict[str, Any]:
    """The list as the contract draws it. ``total_count`` is always there: clients fail without it."""
    return {
        "object": "list",
        "data": data,
        "limit": page.limit,
        "after": after if after is not None else page.after,
        "order": page.order,
        "has_more": has_more,
        "total_count": total_count,
    }
