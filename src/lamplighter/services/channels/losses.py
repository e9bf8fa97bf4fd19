"""What limits took from a channel and it has not been told: kept in its row until it has taken the message that says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from lamplighter.clock import to_rfc3339

KEY = "notifications-discarded"
"""The member of the message. The public API does not have it."""

Reason = Literal["age", "size"]


class Loss(msgspec.Struct, frozen=True):
    """Events that one limit took; times are those of the first and the last of them, microseconds UTC."""

    reason: Reason
    count: int
    first: int
    last: int


_decode = msgspec.json.Decoder(list[Loss]).decode


def together(text: str | None, losses: Iterable[Loss]) -> str | None:
    """A row's losses with more of them: one entry of each reason."""
    merged: dict[Reason, Loss] = {}
    for each in (*(_decode(text) if text is not None else ()), *losses):
        other = merged.get(each.reason)
        if other is not None:
            first, last = min(other.first, each.first), max(other.last, each.last)
            each = Loss(each.reason, other.count + each.count, first, last)
        merged[each.reason] = each
    return _encoded(list(merged.values()))


def without(text: str | None, told: str) -> str | None:
    """What remains of a row's losses when a message has told those: what was lost meanwhile."""
    if text is None:
        return None
    taken = {each.reason: each for each in _decode(told)}
    return _encoded([left for each in _decode(text) if (left := _rest(each, taken.get(each.reason))) is not None])


def message_of(text: str) -> bytes:
    """The message of a row's losses."""
    items = [
        {"count": each.count, "reason": each.reason, "first": to_rfc3339(each.first), "last": to_rfc3339(each.last)}
        for each in _decode(text)
    ]
    return msgspec.json.encode({KEY: items})


def _rest(loss: Loss, told: Loss | None) -> Loss | None:
    if told is None or told.first != loss.first:  # one that begins elsewhere was told before
        return loss
    if told.count >= loss.count:
        return None
    return Loss(loss.reason, loss.count - told.count, min(told.last + 1, loss.last), loss.last)


def _encoded(losses: Sequence[Loss]) -> str | None:
    return msgspec.json.encode(losses).decode() if losses else None
