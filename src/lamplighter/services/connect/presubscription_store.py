"""The rows of pre-subscriptions, and the subscriptions that they made."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lamplighter.services.connect.tables import presubscriptions, registrations, subscriptions
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import Text

_p, _s, _r = presubscriptions.c, subscriptions.c, registrations.c

_put = insert(presubscriptions).values({column.name: sa.bindparam(column.name) for column in _p})
_PUT = Query(
    _put.on_conflict_do_update(
        index_elements=["account_id", "subject_id"],
        set_={"rules": _put.excluded["rules"], "updated_at": _put.excluded["updated_at"]},
    )
)
_OF_SUBJECT = Query(
    sa.select(_p.rules).where(_p.account_id == sa.bindparam("account_id"), _p.subject_id == sa.bindparam("subject_id"))
)
_OF_ACCOUNT = Query(
    sa.select(_p.subject_id, _p.rules).where(_p.account_id == sa.bindparam("account_id")).order_by(_p.subject_id)
)
_MADE = Query(
    sa.select(_s.path, _s.subject_id, _s.by_rule).where(
        _s.account_id == sa.bindparam("account_id"), _s.device_id == sa.bindparam("device_id")
    ),
    quick=True,
)
_MAKE = Query(
    insert(subscriptions)
    .values(
        {
            **{name: sa.bindparam(name) for name in ("account_id", "device_id", "path", "subject_id", "created_at")},
            "async_id": "",
            "active": 1,
            "by_rule": 1,
        }
    )
    .on_conflict_do_nothing(index_elements=["account_id", "device_id", "path", "subject_id"])
)
_UNMAKE = Query(
    sa.delete(subscriptions).where(
        _s.account_id == sa.bindparam("account_id"),
        _s.device_id == sa.bindparam("device_id"),
        _s.path == sa.bindparam("path"),
        _s.subject_id == sa.bindparam("subject_id"),
        _s.by_rule == sa.literal_column("1"),
    )
)
_PAGE = Query(
    sa.select(_s.device_id, _s.path, _r.endpoint_type, _r.process)
    .join_from(
        subscriptions,
        registrations,
        sa.and_(_r.account_id == _s.account_id, _r.device_id == _s.device_id),
        isouter=True,
    )
    .where(
        _s.account_id == sa.bindparam("account_id"),
        _s.subject_id == sa.bindparam("subject_id"),
        _s.by_rule == sa.literal_column("1"),
        # Not with OR: SQLite would read every page from the first row on.
        sa.tuple_(_s.device_id, _s.path)
        > sa.tuple_(sa.bindparam("device_id", type_=Text), sa.bindparam("path", type_=Text)),
    )
    .order_by(_s.device_id, _s.path)
    .limit(sa.bindparam("limit")),
    heavy=True,
)


async def put(tx: Transaction, account_id: str, subject_id: str, rules: str, now: int) -> None:
    await tx.execute(_PUT, account_id=account_id, subject_id=subject_id, rules=rules, updated_at=now)


async def of_subject(reader: Reader, account_id: str, subject_id: str) -> str | None:
    row = await reader.fetch_one(_OF_SUBJECT, account_id=account_id, subject_id=subject_id)
    return None if row is None else str(row["rules"])


async def of_account(reader: Reader, account_id: str) -> Sequence[Row]:
    return await reader.fetch_all(_OF_ACCOUNT, account_id=account_id)


async def made(reader: Reader, account_id: str, device_id: str) -> Sequence[Row]:
    """All subscriptions of a device: path, subject_id, by_rule."""
    return await reader.fetch_all(_MADE, account_id=account_id, device_id=device_id)


async def make(tx: Transaction, account_id: str, device_id: str, targets: Sequence[tuple[str, str]], now: int) -> None:
    """Subscribe; ``targets``: path and subject of each."""
    own = {"account_id": account_id, "device_id": device_id, "created_at": now}
    await tx.execute_many(_MAKE, [{**own, "path": path, "subject_id": subject} for path, subject in targets])


async def unmake(tx: Transaction, account_id: str, targets: Sequence[tuple[str, str, str]]) -> None:
    """Unsubscribe from what rules made; ``targets``: device, path and subject of each."""
    await tx.execute_many(
        _UNMAKE,
        [
            {"account_id": account_id, "device_id": device, "path": path, "subject_id": subject}
            for device, path, subject in targets
        ],
    )


async def page_of_subject(
    reader: Reader, account_id: str, subject_id: str, after: tuple[str, str], limit: int
) -> Sequence[Row]:
    """What the rules of an application made: device_id, path, and of the device endpoint_type and process."""
    return await reader.fetch_all(
        _PAGE, account_id=account_id, subject_id=subject_id, device_id=after[0], path=after[1], limit=limit
    )
