"""A place in the event log, for comparing: channels must know which of two comes first."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A position of the log (bus/log.py: its order is transaction, then number)."""

    xid: int
    position: int

    @classmethod
    def of(cls, position: str) -> Place:
        """The place of a position as the log gives it."""
        xid, _, number = position.partition(".")
        return cls(int(xid), int(number))

    def __str__(self) -> str:
        return f"{self.xid}.{self.position}"

    @property
    def uid(self) -> str:
        """32 hex digits, the same for an event however often it is delivered."""
        return f"{self.xid:016x}{self.position:016x}"


BEGINNING = Place(0, 0)
