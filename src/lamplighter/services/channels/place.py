"""A place in the event log, for comparing: channels must know which of two comes first."""

from __future__ import annotations

import re
from typing import NamedTuple

_UID = re.compile(r"[0-7][0-9a-f]{15}[0-7][0-9a-f]{15}")
"""Both numbers fit into 64 bits with a sign, as databases have them."""


class Place(NamedTuple):
    """A position of the log (bus/log.py: its order is transaction, then number)."""

    xid: int
    position: int

    @classmethod
    def of(cls, position: str) -> Place:
        """The place of a position as the log gives it."""
        xid, _, number = position.partition(".")
        return cls(int(xid), int(number))

    @classmethod
    def of_uid(cls, uid: str) -> Place:
        """The place of the event with that ``uid``. Raises ValueError."""
        if not _UID.fullmatch(uid):
            raise ValueError("a position has 32 hexadecimal digits")
        return cls(int(uid[:16], 16), int(uid[16:], 16))

    def __str__(self) -> str:
        return f"{self.xid}.{self.position}"

    @property
    def uid(self) -> str:
        """32 hex digits, the same for an event however often it is delivered."""
        return f"{self.xid:016x}{self.position:016x}"


BEGINNING = Place(0, 0)
