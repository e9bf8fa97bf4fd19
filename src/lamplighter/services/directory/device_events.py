"""Device events: what happened to a device, for the people who own it."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from lamplighter.clock import to_rfc3339
from lamplighter.services.directory import counts, store
from lamplighter.services.directory.model import DeviceEvent, Happening
from lamplighter.services.directory.tables import device_events
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query

_GET = Query(
    sa.select(device_events).where(
        device_events.c.account_id == sa.bindparam("account_id"), device_events.c.id == sa.bindparam("id")
    )
)


async def get(reader: Reader, account_id: str, event_id: str) -> Row | None:
    return await reader.fetch_one(_GET, account_id=account_id, id=event_id)


async def add(
    transaction: Transaction,
    account_id: str,
    device_id: str,
    happening: Happening,
    *,
    event_id: str,
    created_at: int,
    date_time: int | None = None,
    state_change: bool | None = None,
    data: Mapping[str, str] | None = None,
    counted: Mapping[str, int] | None = None,
) -> None:
    """Record an event.

    :param event_id: made at ``created_at``
    :param created_at: microseconds UTC
    :param date_time: when it happened, microseconds UTC and not after ``created_at``; None: then
    :param state_change: where it differs from what the kind of event says
    :param counted: what else changes of the account's counts
    """
    row = {
        "account_id": account_id,
        "id": event_id,
        "device_id": device_id,
        "date_time": created_at if date_time is None else min(date_time, created_at),
        "created_at": created_at,
        "event_type": happening.code,
        "event_type_category": happening.category,
        "event_type_description": happening.outcome,
        "description": happening.description,
        "state_change": int(happening.state_change if state_change is None else state_change),
        "data": store.encoded(data or {}),
    }
    await transaction.insert_later(device_events, [row])
    await counts.change(transaction, account_id, {counts.EVENTS: 1, **(counted or {})})


def shown(row: Row) -> DeviceEvent:
    """A row as the API shows it."""
    created_at = to_rfc3339(row["created_at"])
    return DeviceEvent(
        id=row["id"],
        device_id=row["device_id"],
        date_time=to_rfc3339(row["date_time"]),
        created_at=created_at,
        etag=created_at,
        event_type=row["event_type"],
        event_type_category=row["event_type_category"],
        event_type_description=row["event_type_description"],
        description=row["description"],
        state_change=bool(row["state_change"]),
        data=store.decoded(row["data"]),
    )
