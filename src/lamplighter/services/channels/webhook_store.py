"""Channels as the processes that deliver them see them: who has which, how far each has come, and what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.services.channels.losses import Loss
from lamplighter.services.channels.model import Mechanism
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.store import Channel, channel_of, channels, couriers, failures, lost, told
from lamplighter.storage.database import Database, Row, Transaction
from lamplighter.storage.query import Query, insert

FAILURES_KEPT = 20
"""Of each webhook."""

_c, _f = channels.c, failures.c
_OWN = (
    _c.account_id == sa.bindparam("account_id_"),
    _c.subject_id == sa.bindparam("subject_id_"),
    _c.name == sa.bindparam("name_"),
)
_MINE = (*_OWN, _c.id == sa.bindparam("id_"), _c.holder == sa.bindparam("holder_"))
_TURN = _c.turn == sa.bindparam("turn_")
_TO = sa.tuple_(sa.bindparam("to_xid", type_=sa.BigInteger()), sa.bindparam("to_position", type_=sa.BigInteger()))
_FORWARD = sa.tuple_(_c.xid, _c.position) < _TO

_alive = insert(couriers)
_COME = Query(
    _alive.on_conflict_do_update(
        index_elements=[couriers.c.id],
        set_={"life": _alive.excluded.life, "alive_until": _alive.excluded.alive_until},
    )
)
_SAME_LIFE = (couriers.c.id == sa.bindparam("id_"), couriers.c.life == sa.bindparam("life_"))
_LIVE = Query(sa.update(couriers).where(*_SAME_LIFE).values(alive_until=sa.bindparam("until")))
_LIFE = Query(sa.select(couriers.c.life).where(couriers.c.id == sa.bindparam("id_")))
_LEAVE = Query(sa.delete(couriers).where(*_SAME_LIFE))
_PASSED_ON = Query(sa.delete(couriers).where(couriers.c.alive_until < sa.bindparam("before")))

_CARRIED = _c.mechanism.in_(sa.bindparam("carried", expanding=True))
_CURRENT = Query(sa.select(channels).where(*_OWN, _c.id == sa.bindparam("id_"), _c.mechanism.is_not(None)))
_HELD = Query(sa.select(channels).where(_CARRIED, _c.holder == sa.bindparam("holder_")))
_FREE = sa.and_(
    _CARRIED,
    sa.or_(
        _c.holder.is_(None),
        _c.holder.not_in(sa.select(couriers.c.id).where(couriers.c.alive_until >= sa.bindparam("now"))),
    ),
)
_CLAIM = Query(
    sa.update(channels)
    .where(
        _FREE,
        sa.tuple_(_c.account_id, _c.subject_id, _c.name).in_(
            sa.select(_c.account_id, _c.subject_id, _c.name)
            .where(_FREE)
            .order_by(_c.account_id, _c.subject_id, _c.name)
            .limit(sa.bindparam("limit", type_=sa.BigInteger()))
            .scalar_subquery()
        ),
    )
    .values(holder=sa.bindparam("holder_"))
    .returning(channels)
)
_DELIVERED = Query(
    sa.update(channels)
    .where(*_MINE, _TURN)
    .values(
        xid=sa.bindparam("to_xid"),
        position=sa.bindparam("to_position"),
        failures=0,
        failing_since=None,
        retry_at=0,
        delivered_at=sa.bindparam("time"),
    )
)
_MOVE = Query(
    sa.update(channels)
    .where(*_MINE, _TURN, _FORWARD)
    .values(xid=sa.bindparam("to_xid"), position=sa.bindparam("to_position"))
)
_FAILED = Query(
    sa.update(channels)
    .where(*_MINE)
    .values(
        failures=_c.failures + 1,
        failing_since=sa.func.coalesce(_c.failing_since, sa.bindparam("time", type_=sa.BigInteger())),
        retry_at=sa.bindparam("retry_at_"),
    )
    .returning(channels)
)
_END = Query(
    sa.update(channels)
    .where(*_OWN, _c.id == sa.bindparam("id_"), _c.mechanism.is_not(None), _c.seen_at == sa.bindparam("seen_at_"))
    .values(mechanism=None, endpoint=None, secrets=None, holder=None, connection=None)
)
_BURY = Query(sa.delete(channels).where(*_OWN, _c.mechanism.is_(None)))
_DISCARD = Query(
    sa.update(channels)
    .where(*_OWN, _c.id == sa.bindparam("id_"), _TURN, _FORWARD)
    .values(
        xid=sa.bindparam("to_xid"),
        position=sa.bindparam("to_position"),
        discarded=_c.discarded + sa.bindparam("number", type_=sa.BigInteger()),
    )
)
_SECRETS = Query(sa.update(channels).where(*_OWN, _c.mechanism == "CALLBACK").values(secrets=sa.bindparam("secrets_")))
_NOTE = Query(insert(failures))
_OF = (
    _f.account_id == sa.bindparam("account_id_"),
    _f.subject_id == sa.bindparam("subject_id_"),
    _f.name == sa.bindparam("name_"),
)
_NOTED = Query(
    sa.select(failures).where(*_OF).order_by(_f.id.desc()).limit(sa.bindparam("limit", type_=sa.BigInteger()))
)
_PRUNE = Query(
    sa.delete(failures).where(
        *_OF,
        _f.id
        < sa.select(_f.id).where(*_OF).order_by(_f.id.desc()).offset(FAILURES_KEPT - 1).limit(1).scalar_subquery(),
    )
)
_LAGGING = Query(
    sa.select(channels)
    .where(_c.mechanism.is_not(None), sa.tuple_(_c.xid, _c.position) < _TO)
    .order_by(_c.account_id, _c.subject_id, _c.name)
    .limit(sa.bindparam("limit", type_=sa.BigInteger()))
)
_SILENT = Query(
    sa.select(channels)
    .where(_c.mechanism == sa.bindparam("mechanism_"), _c.seen_at < sa.bindparam("before"))
    .limit(sa.bindparam("limit", type_=sa.BigInteger()))
)
_SEEN = Query(
    sa.update(channels)
    .where(*_OWN, _c.id == sa.bindparam("id_"), _c.seen_at < sa.bindparam("time"))
    .values(seen_at=sa.bindparam("time"))
)


class Failure(NamedTuple):
    """A delivery that was not acknowledged."""

    id: str
    time: int
    """When it ended, microseconds UTC."""
    kind: str
    status: int | None
    reason: str
    duration: int
    """Microseconds."""


class WebhookStore:
    """What a courier writes. What it writes to a channel counts only while it holds it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def come(self, courier: str, life: str, until: int) -> None:
        """A process begins to deliver. One of the same name that is no more leaves it its channels."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_COME, id=courier, life=life, alive_until=until)

    async def live(self, courier: str, life: str, until: int) -> bool:
        """Say that the process lives; False when another has taken its name. One that was forgotten comes again."""
        async with self._database.transaction() as transaction:
            if await transaction.execute(_LIVE, id_=courier, life_=life, until=until):
                return True
            if await transaction.fetch_one(_LIFE, id_=courier) is not None:
                return False
            await transaction.execute(_COME, id=courier, life=life, alive_until=until)
            return True

    async def leave(self, courier: str, life: str) -> None:
        """The process delivers no more: others may have its channels at once."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_LEAVE, id_=courier, life_=life)

    async def forget_couriers(self, before: int) -> None:
        """Forget processes that have been silent since then."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_PASSED_ON, before=before)

    async def current(self, channel: Channel) -> Channel | None:
        """The channel as it is now; None when it is there no more."""
        return channel_of(await self._database.fetch_one(_CURRENT, **_own(channel), id_=channel.id))

    async def held(self, courier: str, carried: Iterable[Mechanism]) -> list[Channel]:
        """The channels of these mechanisms that the process has."""
        return _channels(await self._database.fetch_all(_HELD, holder_=courier, carried=list(carried)))

    async def claim(self, courier: str, carried: Iterable[Mechanism], now: int, limit: int) -> list[Channel]:
        """Take channels of these mechanisms that no living process has."""
        async with self._database.transaction() as transaction:
            return _channels(
                await transaction.fetch_all(_CLAIM, holder_=courier, carried=list(carried), now=now, limit=limit)
            )

    async def delivered(self, channel: Channel, place: Place, losses: str | None, courier: str, time: int) -> bool:
        """Everything up to the place was acknowledged, and these losses; False when the channel is not this process's any
        more, or was replayed meanwhile."""

        async def work(transaction: Transaction) -> int:
            if losses is not None:
                await told(transaction, channel, losses)
            return await transaction.execute(
                _DELIVERED, **_own(channel), **_to(place), **_at(channel), holder_=courier, time=time
            )

        return bool(await self._database.together(work))

    async def move(self, idle: Iterable[tuple[Channel, Place]], courier: str) -> None:
        """Move cursors past events that were not theirs."""
        rows = [{**_own(channel), **_to(place), **_at(channel), "holder_": courier} for channel, place in idle]
        if rows:
            async with self._database.transaction() as transaction:
                await transaction.execute_many(_MOVE, rows)

    async def failed(self, channel: Channel, failure: Failure, retry_at: int, courier: str) -> Channel | None:
        """Note a failure; the channel as it is now, None when it is not this process's any more."""
        async with self._database.transaction() as transaction:
            row = await transaction.fetch_one(
                _FAILED, **_own(channel), id_=channel.id, holder_=courier, time=failure.time, retry_at_=retry_at
            )
            if row is not None:
                await transaction.execute(_NOTE, **channel.key._asdict(), **failure._asdict())
                await transaction.execute(_PRUNE, **_own(channel))
        return channel_of(row)

    async def failures(self, channel: Channel) -> list[Failure]:
        """The latest failures, newest first."""
        rows = await self._database.fetch_all(_NOTED, **_own(channel), limit=FAILURES_KEPT)
        return [Failure(**{name: row[name] for name in Failure._fields}) for row in rows]

    async def keep_secrets(self, channel: Channel, secrets: bytes | None) -> bool:
        """Set what deliveries are signed with; False where there is no webhook."""
        async with self._database.transaction() as transaction:
            return bool(await transaction.execute(_SECRETS, **_own(channel), secrets_=secrets))

    async def end(self, channel: Channel, happened: Event) -> bool:
        """Remove the channel by a rule and say so; False when it is not there, or its client came meanwhile."""
        async with self._database.transaction() as transaction:
            ended = bool(await transaction.execute(_END, **_own(channel), id_=channel.id, seen_at_=channel.seen_at))
            if ended and channel.name:
                await transaction.execute(_BURY, **_own(channel))
            if ended:
                await append(transaction, happened)
        return ended

    async def discard(self, channel: Channel, place: Place, losses: Sequence[Loss], happened: Event | None) -> bool:
        """Move the cursor past events that are not delivered any more, count them, and say so, to the channel and in the
        log; False when it was further already, or was replayed meanwhile."""
        number = sum(each.count for each in losses)
        async with self._database.transaction() as transaction:
            moved = bool(
                await transaction.execute(_DISCARD, **_own(channel), **_to(place), **_at(channel), number=number)
            )
            if moved and losses:
                await lost(transaction, channel, losses)
            if moved and happened is not None:
                await append(transaction, happened)
        return moved

    async def lagging(self, place: Place, limit: int) -> list[Channel]:
        """Channels of any mechanism whose cursor stands before the place."""
        return _channels(await self._database.fetch_all(_LAGGING, **_to(place), limit=limit))

    async def silent(self, mechanism: str, before: int, limit: int) -> list[Channel]:
        """Channels of that mechanism whose client was last seen before that time."""
        return _channels(await self._database.fetch_all(_SILENT, mechanism_=mechanism, before=before, limit=limit))

    async def seen(self, channel: Channel, time: int) -> None:
        """The channel's client is there."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_SEEN, **_own(channel), id_=channel.id, time=time)


def _own(channel: Channel) -> dict[str, str]:
    return {f"{part}_": value for part, value in channel.key._asdict().items()}


def _at(channel: Channel) -> dict[str, str | int]:
    return {"id_": channel.id, "turn_": channel.turn}


def _to(place: Place) -> dict[str, int]:
    return {"to_xid": place.xid, "to_position": place.position}


def _channels(rows: Iterable[Row]) -> list[Channel]:
    return [channel for row in rows if (channel := channel_of(row)) is not None]
