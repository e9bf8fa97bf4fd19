"""The durable log of events, and the cursors of those who follow it.

Its order is (transaction, position). PostgreSQL commits in another order than it numbers, so a reader there sees only
rows of transactions older than the oldest one still open: nothing can appear behind a cursor. SQLite has one writer,
and there the transaction is always 0.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container
from typing import Final

import msgspec
import sqlalchemy as sa

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.bus.event import Event, Recorded
from lamplighter.bus.outbox import events
from lamplighter.storage.database import Database, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import BigInteger, OldestOpenTransaction, Text, metadata

log = logging.getLogger(__name__)

START = "0.0"
"""The position before everything."""
APPENDED = "events.appended"
"""The subject on the bus that says: look at the log."""
LOOK: Final = 0.5
"""Seconds between two looks of whoever waits for word of the bus: it may be lost, and what was revoked must end everywhere
within a second."""
DISORDER: Final = 60_000_000
"""Microseconds by which the times of two events may differ the other way round than their positions."""
PRUNED_TOGETHER = 1000
"""Rows that one transaction deletes at most."""

cursors = sa.Table(
    "event_cursors",
    metadata,
    sa.Column("name", Text, primary_key=True),
    sa.Column("xid", BigInteger, nullable=False),
    sa.Column("position", BigInteger, nullable=False),
)

_PLACE = sa.tuple_(events.c.xid, events.c.position)
_GIVEN = sa.tuple_(
    sa.bindparam("xid", type_=sa.BigInteger(), required=True),
    sa.bindparam("position", type_=sa.BigInteger(), required=True),
)
_LIMIT = sa.bindparam("limit", type_=sa.BigInteger(), required=True)
# There the transaction is always 0, and with both bounds of it SQLite walks through all of the log.
_READ_OF_SQLITE = Query(
    sa.select(events)
    .where(events.c.position > sa.bindparam("position", type_=sa.BigInteger(), required=True))
    .order_by(events.c.position)
    .limit(_LIMIT)
)
_READ_OF_POSTGRESQL = Query(
    sa.select(events)
    .where(_PLACE > _GIVEN, events.c.xid < OldestOpenTransaction())
    .order_by(events.c.xid, events.c.position)
    .limit(_LIMIT)
)
_END_OF_SQLITE = Query(sa.select(sa.literal(0), sa.func.coalesce(sa.func.max(events.c.position), 0)))
_END_OF_POSTGRESQL = Query(sa.select(OldestOpenTransaction(), sa.literal(0)))
_BOUNDS = Query(sa.select(sa.func.min(events.c.position), sa.func.max(events.c.position)))
_NEAR = Query(
    sa.select(events.c.xid, events.c.position, events.c.time)
    .where(events.c.position >= sa.bindparam("position", type_=sa.BigInteger()))
    .order_by(events.c.position)
    .limit(1)
)
_NOT_BEFORE = events.c.time >= sa.bindparam("time", type_=sa.BigInteger())
_SINCE_OF_SQLITE = Query(
    sa.select(events.c.xid, events.c.position)
    .where(events.c.position > sa.bindparam("position", type_=sa.BigInteger()), _NOT_BEFORE)
    .order_by(events.c.position)
    .limit(1),
    heavy=True,
)
_SINCE_OF_POSTGRESQL = Query(
    sa.select(events.c.xid, events.c.position)
    .where(_PLACE > _GIVEN, _NOT_BEFORE)
    .order_by(events.c.xid, events.c.position)
    .limit(1)
)
_upsert = insert(cursors)
_COMMIT = Query(
    _upsert.on_conflict_do_update(
        index_elements=[cursors.c.name],
        set_={"xid": _upsert.excluded.xid, "position": _upsert.excluded.position},
        where=sa.tuple_(cursors.c.xid, cursors.c.position) < sa.tuple_(_upsert.excluded.xid, _upsert.excluded.position),
    )
)
_CURSOR = Query(sa.select(cursors).where(cursors.c.name == sa.bindparam("name")))
_FORGET = Query(sa.delete(cursors).where(cursors.c.name == sa.bindparam("name")))
_LAST_CURSOR = Query(sa.select(cursors).order_by(cursors.c.xid, cursors.c.position).limit(1))
_OLDEST = Query(sa.select(events).order_by(events.c.xid, events.c.position).limit(1))
_BEHIND = Query(
    sa.select(cursors.c.name)
    .where(sa.tuple_(cursors.c.xid, cursors.c.position) < _GIVEN)
    .order_by(cursors.c.xid, cursors.c.position, cursors.c.name)
    .limit(100)
)
_PRUNE = Query(
    sa.delete(events).where(
        events.c.position.in_(
            sa.select(events.c.position)
            .where(_PLACE <= _GIVEN, events.c.time < sa.bindparam("before"))
            .order_by(events.c.xid, events.c.position)
            .limit(PRUNED_TOGETHER)
        )
    ),
    heavy=True,
)


class EventLog:
    """Reads the log, keeps cursors, and wakes those who wait for more.

    :param bus: carries the wake-up to other processes
    """

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._told = False
        database.announce = self._announce

    async def read(self, position: str, limit: int, data_of: Container[str] | None = None) -> list[Recorded]:
        """At most that many events after the position, in order. Raises ValueError for what is not a position.

        :param data_of: the kinds whose data the reader looks at, all when None; others come without: to decode what a
            device registered takes longer than the rest of the reading
        """
        xid, place = _parse(position)
        if self._database.dialect == "sqlite":
            rows = await self._database.fetch_all(_READ_OF_SQLITE, position=place, limit=limit)
        else:
            rows = await self._database.fetch_all(_READ_OF_POSTGRESQL, xid=xid, position=place, limit=limit)
        return [
            Recorded(
                f"{row['xid']}.{row['position']}",
                Event(
                    kind=row["kind"],
                    account_id=row["account_id"],
                    device_id=row["device_id"],
                    time=row["time"],
                    data=msgspec.json.decode(row["data"]) if data_of is None or row["kind"] in data_of else {},
                ),
            )
            for row in rows
        ]

    async def end(self) -> str:
        """The position after everything that has been committed; what is open now, or comes, lies behind it."""
        query = _END_OF_SQLITE if self._database.dialect == "sqlite" else _END_OF_POSTGRESQL
        row = await self._database.fetch_one(query)
        assert row is not None
        return f"{row[0]}.{row[1]}"

    async def before(self, time: int) -> str:
        """A position before every event of that time (microseconds UTC) or later, and behind what is older, but for what
        was noted later than it happened."""
        end = await self.end()  # what is open now lies behind it, whatever can be seen already
        bounds = await self._database.fetch_one(_BOUNDS)
        assert bounds is not None
        if bounds[0] is None:
            return end
        near = (0, 0)
        low, high = bounds[0], bounds[1]
        while low <= high:
            middle = (low + high) // 2
            row = await self._database.fetch_one(_NEAR, position=middle)
            if row is None or row["time"] >= time - DISORDER:
                high = middle - 1
            else:
                near, low = (row["xid"], row["position"]), row["position"] + 1
        if self._database.dialect == "sqlite":
            first = await self._database.fetch_one(_SINCE_OF_SQLITE, position=near[1], time=time)
        else:
            first = await self._database.fetch_one(_SINCE_OF_POSTGRESQL, xid=near[0], position=near[1], time=time)
        if first is None or _parse(end) < (first["xid"], first["position"] - 1):
            return end
        return f"{first['xid']}.{first['position'] - 1}"

    async def cursor(self, name: str) -> str | None:
        """Where that cursor stands; None when there is none of that name."""
        row = await self._database.fetch_one(_CURSOR, name=name)
        return None if row is None else f"{row['xid']}.{row['position']}"

    async def commit(self, name: str, position: str, transaction: Transaction | None = None) -> bool:
        """Move the cursor there, in the given transaction or one of its own. A cursor never goes back.

        False: it stood there, or further on. In a transaction of theirs, who share a cursor do once what comes before it.
        """
        xid, place = _parse(position)
        if transaction is not None:
            return bool(await transaction.execute(_COMMIT, name=name, xid=xid, position=place))
        async with self._database.transaction() as own:
            return bool(await own.execute(_COMMIT, name=name, xid=xid, position=place))

    async def forget(self, name: str) -> None:
        """Drop a cursor: one that nobody moves keeps the log from being pruned."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_FORGET, name=name)

    async def prune(self, before: int) -> int:
        """Delete what is older than that time (microseconds UTC) and behind every cursor; the number of events
        deleted. Cursors that keep older events are named in the log: one that nobody moves lets the log grow for
        ever."""
        last = await self._database.fetch_one(_LAST_CURSOR)
        xid, place = (last["xid"], last["position"]) if last is not None else (2**63 - 1, 0)
        total = 0
        while True:
            async with self._database.transaction() as transaction:
                deleted = await transaction.execute(_PRUNE, xid=xid, position=place, before=before)
            total += deleted
            if deleted < PRUNED_TOGETHER:
                break
        behind = await self.behind(before)
        if behind:
            log.warning(
                "the event log keeps what it should not have any more, for cursors that do not move: %s", behind
            )
        return total

    async def behind(self, before: int) -> list[str]:
        """The cursors, hindmost first and at most 100, that have not passed the oldest event although it is older than
        that time (microseconds UTC)."""
        oldest = await self._database.fetch_one(_OLDEST)
        if oldest is None or oldest["time"] >= before:
            return []
        rows = await self._database.fetch_all(_BEHIND, xid=oldest["xid"], position=oldest["position"])
        return [row["name"] for row in rows]

    async def on_append(self, callback: Callable[[], None]) -> Subscription:
        """Call back when there may be more to read. A hint: it may come for nothing, and may be lost."""
        return await self._bus.subscribe(APPENDED, lambda _: callback())

    def _announce(self) -> None:
        """Tell once for all commits of this turn of the loop."""
        if not self._told:
            self._told = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._told = False
        self._bus.publish(APPENDED, b"")


def _parse(position: str) -> tuple[int, int]:
    xid, dot, place = position.partition(".")
    if not (dot and xid.isdecimal() and place.isdecimal()):
        raise ValueError(f"{position!r} is not a position in the event log")
    return int(xid), int(place)
