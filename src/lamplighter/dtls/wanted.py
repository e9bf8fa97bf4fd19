"""Records of sessions that are not in memory, kept for as long as somebody looks whether they are stored.

Few and short: a device repeats what was lost, and a stranger must not fill the memory.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

SESSIONS_LIMIT = 1024
"""Sessions that are looked for at once; records of others are dropped meanwhile."""
RECORDS_LIMIT = 4
"""Records kept of one session."""
LENGTH_LIMIT = 1500
"""Bytes of a record that is kept."""
FORGED_LIMIT = 10_000
"""Sessions that are not in memory of which forged records are counted."""
STRANGERS_LIMIT = 200
"""Sessions without connection ID that are looked for in one second: their records carry nothing of ours, anyone can send them."""


class Record(NamedTuple):
    """A record of epoch 1 as it arrived."""

    content_type: int
    number: int
    """Epoch and sequence number."""
    fragment: bytes
    address: Hashable
    size: int
    """Bytes of all of it."""


class Wanted:
    """The records, by connection ID, or by address for sessions without one."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, list[Record]] = {}
        self._forged: dict[Hashable, int] = {}
        self._second = 0
        self._strangers = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Hashable, record: Record) -> bool:
        """Keep a record if there is room. True: it is the first of its session, which is to be looked for."""
        if len(record.fragment) > LENGTH_LIMIT:
            return False
        kept = self._kept.get(key)
        if kept is not None:
            if len(kept) < RECORDS_LIMIT:
                kept.append(record)
            return False
        if len(self._kept) >= SESSIONS_LIMIT:
            return False
        self._kept[key] = [record]
        return True

    def may_ask_for_stranger(self, now: float) -> bool:
        """Whether this second has room for one more session without connection ID."""
        second = int(now)
        if second != self._second:
            self._second, self._strangers = second, 0
        self._strangers += 1
        return self._strangers <= STRANGERS_LIMIT

    def count_forged(self, key: Hashable, number: int) -> int:
        """Count records that proved not to be the session's; how many there have been, for the sessions counted last."""
        number += self._forged.pop(key, 0)
        if number:
            self._forged[key] = number
            if len(self._forged) > FORGED_LIMIT:
                del self._forged[next(iter(self._forged))]
        return number

    def of(self, key: Hashable) -> list[Record]:
        """What is kept of that session."""
        return self._kept.get(key, [])

    def take(self, key: Hashable) -> list[Record]:
        """The same; nothing of it is kept any more, and the next record makes the session wanted again."""
        return self._kept.pop(key, [])
