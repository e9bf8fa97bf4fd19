"""Events are written in the transaction of what they tell: what is not in the outbox did not happen."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from lamplighter.bus.event import Event
from lamplighter.storage.database import Transaction
from lamplighter.storage.schema import BigInteger, CurrentTransaction, Serial, Text, metadata

events = sa.Table(
    "events",
    metadata,
    sa.Column("position", Serial, primary_key=True),
    sa.Column("xid", BigInteger, nullable=False, server_default=CurrentTransaction()),
    sa.Column("kind", Text, nullable=False),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text),
    sa.Column("time", BigInteger, nullable=False),
    sa.Column("data", Text, nullable=False),
    sa.Index("ix_events_xid_position", "xid", "position"),
    sqlite_autoincrement=True,
)


async def append(transaction: Transaction, *happened: Event) -> None:
    """Add events to the log; they are there when, and only when, the transaction is committed."""
    rows = [
        {
            "kind": event.kind,
            "account_id": event.account_id,
            "device_id": event.device_id,
            "time": event.time,
            "data": msgspec.json.encode(event.data).decode(),
        }
        for event in happened
    ]
    if rows:
        await transaction.insert_later(events, rows)
        transaction.after_commit(transaction.announce)
