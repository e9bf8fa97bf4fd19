"""The tables of channels, and the look-up of results that wait for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import events
from lamplighter.services.channels.losses import Loss, together, without
from lamplighter.services.channels.model import Mechanism, Serialization
from lamplighter.services.channels.place import Place
from lamplighter.services.connect.events import FINISHED
from lamplighter.storage.database import Database, Row, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import BigInteger, Json, LargeBinary, Text, metadata

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    # The application of an access key, or an API key.
    sa.Column("subject_id", Text, nullable=False),
    # Empty: the one channel that the public API knows.
    sa.Column("name", Text, nullable=False, server_default=""),
    # Another one each time the subject registers.
    sa.Column("id", Text, nullable=False),
    # NULL: deleted. The row without a name stays, because its cursor says which results were delivered.
    sa.Column("mechanism", Text),
    sa.Column("serialization", Json, nullable=False),
    # The cursor: everything up to here was delivered or was not for this channel.
    sa.Column("xid", BigInteger, nullable=False),
    sa.Column("position", BigInteger, nullable=False),
    # Another one each time the cursor is set by a replay: who read under an older one moves it no more.
    sa.Column("turn", BigInteger, nullable=False, server_default="0"),
    # Where the log ended at registration: of what lies before, the channel gets results only.
    sa.Column("since_xid", BigInteger, nullable=False),
    sa.Column("since_position", BigInteger, nullable=False),
    # The WebSocket that has the channel, if any.
    sa.Column("connection", Text),
    sa.Column("created_at", BigInteger, nullable=False),
    # Sealed: where a carrier delivers (of a webhook: URL and headers); the secrets that its deliveries are signed with.
    sa.Column("endpoint", LargeBinary),
    sa.Column("secrets", LargeBinary),
    # The courier that delivers it.
    sa.Column("holder", Text),
    # How often it failed since the last success, since when, and when it is tried again.
    sa.Column("failures", BigInteger, nullable=False, server_default="0"),
    sa.Column("failing_since", BigInteger),
    sa.Column("retry_at", BigInteger, nullable=False, server_default="0"),
    sa.Column("delivered_at", BigInteger),
    # When a client last polled or was connected, to the minute.
    sa.Column("seen_at", BigInteger, nullable=False, server_default="0"),
    # Events that a limit took away before they were delivered.
    sa.Column("discarded", BigInteger, nullable=False, server_default="0"),
    # Those of them that the channel has not been told of.
    sa.Column("losses", Json),
    sa.PrimaryKeyConstraint("account_id", "subject_id", "name"),
)

couriers = sa.Table(
    "couriers",
    metadata,
    sa.Column("id", Text, nullable=False),
    # Another one each time the process starts: who finds another's has been replaced.
    sa.Column("life", Text, nullable=False),
    sa.Column("alive_until", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("id"),
)

failures = sa.Table(
    "webhook_failures",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False, server_default=""),
    sa.Column("id", Text, nullable=False),
    sa.Column("time", BigInteger, nullable=False),
    # Why there was no answer (outbound/failure.py), or "status".
    sa.Column("kind", Text, nullable=False),
    sa.Column("status", BigInteger),
    sa.Column("reason", Text, nullable=False),
    sa.Column("duration", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "subject_id", "name", "id"),
)

_IS_RESULT = f"kind = '{FINISHED}'"
# Written out, not bound: SQLite uses a partial index only where it sees the same words.
_RESULT = events.c.kind == sa.literal_column(f"'{FINISHED}'")
sa.Index(
    "ix_events_results",
    events.c.account_id,
    events.c.xid,
    events.c.position,
    sqlite_where=sa.text(_IS_RESULT),
    postgresql_where=sa.text(_IS_RESULT),
)


class Key(NamedTuple):
    """What a channel is found by."""

    account_id: str
    subject_id: str
    name: str = ""

    @classmethod
    def of(cls, text: str) -> Key:
        """What ``str`` made of one."""
        return cls(*text.split("/"))

    def __str__(self) -> str:
        return "/".join(self)


_c = channels.c
_SUBJECT = (_c.account_id == sa.bindparam("account_id"), _c.subject_id == sa.bindparam("subject_id"))
_OWN = (*_SUBJECT, _c.name == sa.bindparam("name"))
_SAME = (*_OWN, _c.id == sa.bindparam("id_"))
_GET = Query(sa.select(channels).where(*_OWN))
_NEW = ("id", "mechanism", "serialization", "since_xid", "since_position", "created_at", "endpoint", "seen_at")
_VOID: dict[Any, Any] = {
    "connection": None,
    "secrets": None,
    "holder": None,
    "failures": 0,
    "failing_since": None,
    "retry_at": 0,
    "delivered_at": None,
    "discarded": 0,
    "losses": None,
}
"""What nothing remains of when a channel ends."""
_register = insert(channels).values({name: sa.bindparam(name) for name in (*Key._fields, *_NEW, "xid", "position")})
_REGISTER = Query(
    _register.on_conflict_do_update(
        index_elements=[_c.account_id, _c.subject_id, _c.name],
        set_={**{name: _register.excluded[name] for name in _NEW}, **_VOID},
        where=_c.mechanism.is_(None),
    ).returning(channels)
)
_CHANGE = Query(
    sa.update(channels)
    .where(*_OWN, _c.mechanism == sa.bindparam("mechanism_"))
    .values(
        serialization=sa.bindparam("serialization_"),
        endpoint=sa.bindparam("endpoint_"),
        failures=0,
        failing_since=None,
        retry_at=0,
    )
    .returning(channels)
)
_DELETE = Query(
    sa.update(channels)
    .where(*_OWN, _c.mechanism == sa.bindparam("mechanism_"))
    .values(mechanism=None, endpoint=None, **_VOID)
)
_FORGET = Query(sa.delete(channels).where(*_SUBJECT).returning(_c.name))
_CLAIM = Query(
    sa.update(channels)
    .where(*_SAME, _c.mechanism.is_not(None))
    .values(connection=sa.bindparam("connection_"))
    .returning(channels)
)
_RELEASE = Query(sa.update(channels).where(*_OWN, _c.connection == sa.bindparam("connection_")).values(connection=None))
_GIVEN = sa.tuple_(sa.bindparam("to_xid", type_=sa.BigInteger()), sa.bindparam("to_position", type_=sa.BigInteger()))
_ADVANCE = Query(
    sa.update(channels)
    .where(*_SAME, _c.turn == sa.bindparam("turn_"), sa.tuple_(_c.xid, _c.position) < _GIVEN)
    .values(xid=sa.bindparam("to_xid"), position=sa.bindparam("to_position"))
)
_HOLD_LOSSES = Query(sa.select(_c.losses).where(*_SAME).with_for_update())
_SET_LOSSES = Query(sa.update(channels).where(*_SAME).values(losses=sa.bindparam("losses_", type_=Json)))
_PLACE = sa.tuple_(events.c.xid, events.c.position)
_RESULTS = Query(
    sa.select(events)
    .where(
        _RESULT,
        events.c.account_id == sa.bindparam("account_id"),
        _PLACE
        > sa.tuple_(
            sa.bindparam("after_xid", type_=sa.BigInteger()), sa.bindparam("after_position", type_=sa.BigInteger())
        ),
        _PLACE <= _GIVEN,
        events.c.time >= sa.bindparam("from_time"),
    )
    .order_by(events.c.xid, events.c.position)
    .limit(sa.bindparam("limit", type_=sa.BigInteger()))
)


class Channel(NamedTuple):
    """One row: a channel, or (``mechanism`` None) what is remembered of the last one."""

    account_id: str
    subject_id: str
    id: str
    mechanism: Mechanism | None
    serialization: Serialization
    cursor: Place
    since: Place
    connection: str | None
    created_at: int
    endpoint: bytes | None = None
    secrets: bytes | None = None
    holder: str | None = None
    failures: int = 0
    failing_since: int | None = None
    retry_at: int = 0
    delivered_at: int | None = None
    seen_at: int = 0
    discarded: int = 0
    name: str = ""
    turn: int = 0
    losses: str | None = None
    """JSON (losses.py)."""

    @property
    def key(self) -> Key:
        return Key(self.account_id, self.subject_id, self.name)


_PLAIN = Channel._fields[Channel._fields.index("connection") :]


def values_of(channel: Channel) -> dict[str, Any]:
    """What a new channel's row is made of."""
    return {
        **channel.key._asdict(),
        "id": channel.id,
        "mechanism": channel.mechanism,
        "serialization": msgspec.json.encode(channel.serialization).decode(),
        "xid": channel.cursor.xid,
        "position": channel.cursor.position,
        "since_xid": channel.since.xid,
        "since_position": channel.since.position,
        "created_at": channel.created_at,
        "endpoint": channel.endpoint,
        "seen_at": channel.seen_at,
    }


class Store:
    """The channels of all subjects; each function takes the account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, account_id: str, subject_id: str, name: str = "") -> Channel | None:
        """The subject's channel of that name; None when none is registered."""
        key = Key(account_id, subject_id, name)
        channel = channel_of(await self._database.fetch_one(_GET, **key._asdict()))
        return channel if channel is not None and channel.mechanism is not None else None

    async def register(self, channel: Channel) -> tuple[Channel, bool]:
        """Register; or change how a channel of the same mechanism is written and where it goes; or leave one of another
        mechanism as it is. What is there now, and whether it is new. The cursor of a former channel of the subject is
        kept."""
        own = channel.key._asdict()
        text = msgspec.json.encode(channel.serialization).decode()
        async with self._database.transaction() as transaction:
            row = await transaction.fetch_one(
                _REGISTER,
                **values_of(channel),
            )
            new = row is not None
            if row is None:
                row = await transaction.fetch_one(
                    _CHANGE,
                    **own,
                    mechanism_=channel.mechanism,
                    serialization_=text,
                    endpoint_=channel.endpoint,
                )
            if row is None:
                row = await transaction.fetch_one(_GET, **own)
        found = channel_of(row)
        assert found is not None  # a conflict is with a row that nobody but forget deletes
        return found, new

    async def delete(self, key: Key, mechanism: Mechanism) -> bool:
        """Delete the channel if it is of that mechanism; whether it was."""
        async with self._database.transaction() as transaction:
            return bool(await transaction.execute(_DELETE, **key._asdict(), mechanism_=mechanism))

    async def forget(self, account_id: str, subject_id: str) -> list[Key]:
        """Drop all that is known of a subject that is no more; what channels there were."""
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch_all(_FORGET, account_id=account_id, subject_id=subject_id)
        return [Key(account_id, subject_id, row["name"]) for row in rows]

    async def claim(self, channel: Channel, connection: str) -> Channel | None:
        """Give the channel to that connection; None when it was deleted meanwhile."""
        async with self._database.transaction() as transaction:
            row = await transaction.fetch_one(_CLAIM, **channel.key._asdict(), id_=channel.id, connection_=connection)
        return channel_of(row)

    async def release(self, channel: Channel, connection: str) -> None:
        """The connection has ended. If another has the channel already, it keeps it."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_RELEASE, **channel.key._asdict(), connection_=connection)

    async def advance(self, channel: Channel, cursor: Place, losses: str | None = None) -> None:
        """Move the cursor of this very channel, unless it was replayed meanwhile; it never goes back.

        :param losses: what the channel was told of besides
        """
        async with self._database.transaction() as transaction:
            if losses is not None:
                await told(transaction, channel, losses)
            await transaction.execute(
                _ADVANCE,
                **channel.key._asdict(),
                id_=channel.id,
                turn_=channel.turn,
                to_xid=cursor.xid,
                to_position=cursor.position,
            )

    async def results(
        self, account_id: str, after: Place, to: Place, from_time: int, limit: int
    ) -> list[tuple[Place, Event]]:
        """Results of the account's requests between two places, and not older than that time (microseconds UTC)."""
        rows = await self._database.fetch_all(
            _RESULTS,
            account_id=account_id,
            after_xid=after.xid,
            after_position=after.position,
            to_xid=to.xid,
            to_position=to.position,
            from_time=from_time,
            limit=limit,
        )
        return [
            (
                Place(row["xid"], row["position"]),
                Event(
                    kind=row["kind"],
                    account_id=row["account_id"],
                    device_id=row["device_id"],
                    time=row["time"],
                    data=msgspec.json.decode(row["data"]),
                ),
            )
            for row in rows
        ]


async def lost(transaction: Transaction, channel: Channel, losses: Iterable[Loss]) -> None:
    """The channel is to be told of these too."""
    await _change_losses(transaction, channel, lambda text: together(text, losses))


async def told(transaction: Transaction, channel: Channel, losses: str) -> None:
    """The channel has taken the message of these losses."""
    await _change_losses(transaction, channel, lambda text: without(text, losses))


async def _change_losses(
    transaction: Transaction, channel: Channel, change: Callable[[str | None], str | None]
) -> None:
    own = {**channel.key._asdict(), "id_": channel.id}
    row = await transaction.fetch_one(_HOLD_LOSSES, **own)
    if row is not None:
        await transaction.execute(_SET_LOSSES, **own, losses_=change(row["losses"]))


def channel_of(row: Row | None) -> Channel | None:
    """A row of the table."""
    if row is None:
        return None
    return Channel(
        account_id=row["account_id"],
        subject_id=row["subject_id"],
        id=row["id"],
        mechanism=row["mechanism"],
        serialization=msgspec.json.decode(row["serialization"], type=Serialization),
        cursor=Place(row["xid"], row["position"]),
        since=Place(row["since_xid"], row["since_position"]),
        **{name: row[name] for name in _PLAIN},
    )
