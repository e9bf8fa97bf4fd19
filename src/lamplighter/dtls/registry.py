"""Which session belongs to a record: by connection ID, or by address for peers without one; and when each must end."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator

from .sessions import Session

BUCKET = 60.0
"""Seconds. Sessions that expire in the same minute share one timer; use is refused to the second all the same."""


class Sessions:
    """The sessions in memory."""

    def __init__(self) -> None:
        self._by_cid: dict[bytes, Session] = {}
        self._by_address: dict[Hashable, Session] = {}
        self._buckets: dict[int, set[Session]] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def __iter__(self) -> Iterator[Session]:
        for bucket in list(self._buckets.values()):
            yield from list(bucket)

    def by_cid(self, cid: bytes) -> Session | None:
        return self._by_cid.get(cid)

    def by_address(self, address: Hashable) -> Session | None:
        """The session that was last at that address."""
        return self._by_address.get(address)

    def of_record(self, cid: bytes, address: Hashable) -> Session | None:
        """The session to which a record from there belongs. ``cid``: the record's connection ID, empty for none."""
        if cid:
            return self._by_cid.get(cid)
        session = self._by_address.get(address)
        return None if session is None or session.cid else session

    def add(self, session: Session) -> None:
        if session.cid:
            self._by_cid[session.cid] = session
        self._place(session)
        bucket = self._bucket(session)
        if bucket not in self._buckets:
            self._buckets[bucket] = set()
            heapq.heappush(self._order, bucket)
        self._buckets[bucket].add(session)

    def remove(self, session: Session) -> None:
        if self._by_cid.get(session.cid) is session:
            del self._by_cid[session.cid]
        if self._by_address.get(session.address) is session:
            del self._by_address[session.address]
        self._buckets.get(self._bucket(session), set()).discard(session)

    def move(self, session: Session, address: Hashable) -> None:
        """Note that a session with a connection ID is at another address now."""
        if self._by_address.get(session.address) is session:
            del self._by_address[session.address]
        session.address = address
        self._place(session)

    def _place(self, session: Session) -> None:
        """A session there that can be found by its address only keeps the place: source addresses can be forged."""
        present = self._by_address.get(session.address)
        if session.address is not None and (present is None or present.cid):
            self._by_address[session.address] = session

    def timer(self) -> float | None:
        """When to call ``expired``."""
        return (self._order[0] + 1) * BUCKET if self._order else None

    def expired(self, now: float) -> list[Session]:
        """Sessions whose time is over; each is given once and is to be removed."""
        gone: list[Session] = []
        while self._order and (self._order[0] + 1) * BUCKET <= now:
            gone += self._buckets.pop(heapq.heappop(self._order))
        return gone

    @staticmethod
    def _bucket(session: Session) -> int:
        return int(session.expires // BUCKET)
