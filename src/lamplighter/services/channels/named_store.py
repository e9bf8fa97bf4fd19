"""The rows of named channels, and the one statement that sets a cursor to where it was before."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.errors.channels import NamedChannelLimitReached
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.store import Channel, Key, channel_of, channels, failures, values_of
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import Alone, Text

_c, _f = channels.c, failures.c
_SUBJECT = (_c.account_id == sa.bindparam("account_id_"), _c.subject_id == sa.bindparam("subject_id_"))
_OWN = (*_SUBJECT, _c.name == sa.bindparam("name_"))
_THERE = _c.mechanism.is_not(None)
_ALONE = Query(sa.select(Alone(sa.bindparam("subject", type_=Text))))
_ALL = Query(sa.select(channels).where(*_SUBJECT, _THERE).order_by(_c.name))
_GET = Query(sa.select(channels).where(*_OWN))
_COUNT = Query(sa.select(sa.func.count()).where(*_SUBJECT, _c.name != "", _THERE))
_NEW = (
    *Key._fields,
    "id",
    "mechanism",
    "serialization",
    "xid",
    "position",
    "since_xid",
    "since_position",
    "created_at",
    "endpoint",
    "seen_at",
)
_INSERT = Query(insert(channels).values({name: sa.bindparam(name) for name in _NEW}).returning(channels))
_UNTRIED = {"failures": 0, "failing_since": None, "retry_at": 0}
_CHANGE = Query(
    sa.update(channels)
    .where(*_OWN)
    .values(serialization=sa.bindparam("serialization_"), endpoint=sa.bindparam("endpoint_"), **_UNTRIED)
    .returning(channels)
)
_TURN_INTO = Query(
    sa.update(channels)
    .where(*_OWN)
    .values(
        id=sa.bindparam("id_"),
        mechanism=sa.bindparam("mechanism_"),
        serialization=sa.bindparam("serialization_"),
        endpoint=sa.bindparam("endpoint_"),
        seen_at=sa.bindparam("seen_at_"),
        connection=None,
        secrets=None,
        holder=None,
        delivered_at=None,
        **_UNTRIED,
    )
    .returning(channels)
)
_DELETE = Query(sa.delete(channels).where(*_OWN, _c.name != ""))
_FORGET_FAILURES = Query(
    sa.delete(failures).where(
        _f.account_id == sa.bindparam("account_id_"),
        _f.subject_id == sa.bindparam("subject_id_"),
        _f.name == sa.bindparam("name_"),
    )
)
_TO = {
    "xid": sa.bindparam("to_xid", type_=sa.BigInteger()),
    "position": sa.bindparam("to_position", type_=sa.BigInteger()),
}
_EARLIER = sa.tuple_(_c.since_xid, _c.since_position) > sa.tuple_(*_TO.values())
_REPLAY = Query(
    sa.update(channels)
    .where(*_OWN, _c.id == sa.bindparam("id_"), _THERE)
    .values(
        turn=_c.turn + 1,
        # From there on it gets everything, also of what happened before it was registered.
        since_xid=sa.case((_EARLIER, _TO["xid"]), else_=_c.since_xid),
        since_position=sa.case((_EARLIER, _TO["position"]), else_=_c.since_position),
        retry_at=0,
        **_TO,
    )
    .returning(channels)
)


class Put(NamedTuple):
    """What came of it."""

    channel: Channel
    new: bool


class NamedStore:
    """The named channels of all subjects."""

    def __init__(self, database: Database, most: int) -> None:
        self._database = database
        self._most = most

    async def all(self, account_id: str, subject_id: str) -> list[Channel]:
        """The subject's channels by name, the one without a name first."""
        rows = await self._database.fetch_all(_ALL, account_id_=account_id, subject_id_=subject_id)
        return [channel for row in rows if (channel := channel_of(row)) is not None]

    async def put(self, wanted: Channel) -> Put:
        """Register a named channel; or change it: its place in the log stays, also when it becomes one of another mechanism.

        Raises NamedChannelLimitReached.
        """
        own = _own(wanted.key)
        text = msgspec.json.encode(wanted.serialization).decode()
        async with self._database.transaction() as transaction:
            # Whoever counts is alone, so that two together do not make one too many.
            await transaction.fetch_one(_ALONE, subject=f"channels of {wanted.subject_id}")
            found = channel_of(await transaction.fetch_one(_GET, **own))
            if found is not None:
                changed: dict[str, Any] = {"serialization_": text, "endpoint_": wanted.endpoint}
                if found.mechanism != wanted.mechanism:
                    changed |= {"id_": wanted.id, "mechanism_": wanted.mechanism, "seen_at_": wanted.seen_at}
                row = await transaction.fetch_one(
                    _CHANGE if found.mechanism == wanted.mechanism else _TURN_INTO, **own, **changed
                )
            else:
                count = await transaction.fetch_one(
                    _COUNT, account_id_=wanted.account_id, subject_id_=wanted.subject_id
                )
                assert count is not None
                if count[0] >= self._most:
                    raise NamedChannelLimitReached(limit=self._most)
                row = await transaction.fetch_one(
                    _INSERT,
                    **values_of(wanted),
                )
        channel = channel_of(row)
        assert channel is not None
        return Put(channel, found is None)

    async def delete(self, key: Key) -> bool:
        """Delete a named channel; whether it was there."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_FORGET_FAILURES, **_own(key))
            return bool(await transaction.execute(_DELETE, **_own(key)))

    async def replay(self, channel: Channel, place: Place, happened: Event) -> Channel | None:
        """Set the cursor, back or forward, and say so: whoever delivers the channel goes on from there, and what was under
        way does not move the cursor any more. The channel as it is now; None: it was deleted meanwhile."""
        async with self._database.transaction() as transaction:
            row = await transaction.fetch_one(
                _REPLAY, **_own(channel.key), id_=channel.id, to_xid=place.xid, to_position=place.position
            )
            if row is not None:
                await append(transaction, happened)
        return channel_of(row)


def _own(key: Key) -> dict[str, str]:
    return {f"{part}_": value for part, value in key._asdict().items()}
