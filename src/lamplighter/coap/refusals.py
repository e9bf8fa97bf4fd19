"""What was not served of what arrived, counted by reason. Bounded: a reason is one of a few."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum


class Refusal(Enum):
    """Why a message was dropped, reset or answered with an error by the engine itself. The values are names of metrics."""

    MALFORMED = "malformed"  # no CoAP: RFC 7252 section 3
    RESERVED = "reserved"  # a code of a reserved class, or a method that does not exist
    OPTION = "option"  # a critical option that is unknown, repeated or of a wrong length
    BLOCK = "block"  # a block out of order, of a wrong size or of a body too large
    UNEXPECTED = "unexpected"  # a response or notification that nobody waits for
    CROWDED = "crowded"  # limits of the peer's network, or in all, are reached
    FRAMING = "framing"  # a stream that speaks none of the framings, or breaks its own
    SIGNAL = "signal"  # a signalling message that cannot be obeyed: RFC 8323 section 5


class Refusals:
    """``counts`` by reason since the start; ``last`` is one of them, for the log."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Refusal, 0)
        self.total = 0
        self.last: tuple[Refusal, Hashable, str] | None = None

    def add(self, reason: Refusal, peer: Hashable, detail: str) -> None:
        self.counts[reason] += 1
        self.total += 1
        self.last = reason, peer, detail
