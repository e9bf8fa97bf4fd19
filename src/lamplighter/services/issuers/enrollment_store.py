"""The statements of enrollments, and of the certificates that devices have. Every one names the account, but those of chores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamplighter.services.issuers.store import own, setting
from lamplighter.services.issuers.tables import configurations, device_certificates, enrollments
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.search import Search

_e, _d, _c = enrollments.c, device_certificates.c, configurations.c

ENROLLMENTS = Search(enrollments, scope=[_e.account_id], key=_e.id)
CERTIFICATES = Search(
    device_certificates,
    scope=[_d.account_id],
    key=_d.id,
    fields={**device_certificates.columns, "certificate_issuer_id": _d.issuer_id},
)

_ADD = Query(sa.insert(enrollments))
_GET = Query(sa.select(enrollments).where(*own(enrollments, "id")))
_RUNNING = Query(
    sa.select(enrollments).where(*own(enrollments, "device_id", "certificate_name"), _e.enroll_status == "new")
)
_LOCK = Query(sa.select(enrollments).where(*own(enrollments, "id"), _e.enroll_status == "new").with_for_update())
_CHANGE = {
    "updated_at": sa.bindparam("now", type_=sa.BigInteger()),
    "version": _e.version + 1,
}
_ISSUED = Query(
    sa.update(enrollments)
    .where(*own(enrollments, "id"))
    .values(**setting("request", "chain", "issuer_id"), answers=_e.answers + 1, **_CHANGE)
)
_AGAIN = Query(
    sa.update(enrollments)
    .where(*own(enrollments, "id"), _e.enroll_status == "new")
    .values(try_at=sa.bindparam("new_try_at", type_=sa.BigInteger()))
)
_WAITING = Query(
    sa.select(enrollments)
    .where(_e.try_at <= sa.bindparam("now", type_=sa.BigInteger()))
    .order_by(_e.try_at)
    .limit(sa.bindparam("limit", type_=sa.BigInteger())),
    heavy=True,
)
_NOTE = Query(sa.update(enrollments).where(*own(enrollments, "id")).values(**setting("detail"), **_CHANGE))
_COMPLETE = Query(
    sa.update(enrollments)
    .where(*own(enrollments, "id"))
    .values(enroll_status="completed", try_at=None, **setting("enroll_result", "detail"), **_CHANGE)
)
_ENDED = (_e.enroll_status == "completed", _e.updated_at < sa.bindparam("before", type_=sa.BigInteger()))
_PRUNE = Query(
    sa.delete(enrollments).where(
        *_ENDED,
        _e.id.in_(
            sa.select(_e.id)
            .where(*_ENDED)
            .order_by(_e.updated_at)
            .limit(sa.bindparam("most", type_=sa.BigInteger()))
            .scalar_subquery()
        ),
    ),
    heavy=True,
)

_upsert = insert(device_certificates).values({column.name: sa.bindparam(column.name) for column in _d})
_KEEP = Query(
    _upsert.on_conflict_do_update(
        index_elements=["account_id", "device_id", "certificate_name"],
        set_={
            name: _upsert.excluded[name]
            for name in ("fingerprint", "issuer", "serial_number", "issuer_id", "created_at", "expires_at", "try_at")
        },
    )
)
_FORGET = Query(sa.delete(device_certificates).where(*own(device_certificates, "device_id")))
_HAS = Query(sa.select(_d.id).where(*own(device_certificates, "device_id", "certificate_name")))
_RULES = Query(sa.select(configurations).where(_c.renewal_days.is_not(None)).order_by(_c.account_id, _c.id), heavy=True)
_DUE = Query(
    sa.select(device_certificates)
    .where(
        *own(device_certificates, "certificate_name"),
        _d.expires_at <= sa.bindparam("before", type_=sa.BigInteger()),
        _d.try_at <= sa.bindparam("now", type_=sa.BigInteger()),
    )
    .order_by(_d.expires_at)
    .limit(sa.bindparam("limit", type_=sa.BigInteger())),
    heavy=True,
)
_CLAIM = Query(
    sa.update(device_certificates)
    .where(*own(device_certificates, "id"), _d.try_at == sa.bindparam("found", type_=sa.BigInteger()))
    .values(try_at=sa.bindparam("new_try_at", type_=sa.BigInteger()))
)


async def add(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Raises UniqueViolation while another of the device's certificate runs."""
    await tx.execute(_ADD, **values)


async def get(reader: Reader, account_id: str, enrollment_id: str) -> Row | None:
    return await reader.fetch_one(_GET, account_id=account_id, id=enrollment_id)


async def running(reader: Reader, account_id: str, device_id: str, certificate_name: str) -> Row | None:
    """The one that has not ended."""
    return await reader.fetch_one(
        _RUNNING, account_id=account_id, device_id=device_id, certificate_name=certificate_name
    )


async def lock(tx: Transaction, account_id: str, enrollment_id: str) -> Row | None:
    """The row, held against other writers; None: it has ended."""
    return await tx.fetch_one(_LOCK, account_id=account_id, id=enrollment_id)


async def issued(
    tx: Transaction, account_id: str, enrollment_id: str, now: int, *, request: str, chain: bytes, issuer_id: str | None
) -> None:
    """Keep what the device was answered."""
    new = {"new_request": request, "new_chain": chain, "new_issuer_id": issuer_id}
    await tx.execute(_ISSUED, account_id=account_id, id=enrollment_id, now=now, **new)


async def again(tx: Transaction, account_id: str, enrollment_id: str, try_at: int | None) -> None:
    """When to ask the device again; None: it is asked."""
    await tx.execute(_AGAIN, account_id=account_id, id=enrollment_id, new_try_at=try_at)


async def waiting(reader: Reader, now: int, limit: int) -> Sequence[Row]:
    """Those of all accounts whose device is to be asked again."""
    return await reader.fetch_all(_WAITING, now=now, limit=limit)


async def note(tx: Transaction, account_id: str, enrollment_id: str, now: int, detail: str) -> None:
    """Keep why the device was answered with an error: its own word will not say it."""
    await tx.execute(_NOTE, account_id=account_id, id=enrollment_id, now=now, new_detail=detail)


async def complete(
    tx: Transaction, account_id: str, enrollment_id: str, now: int, result: str, detail: str | None
) -> None:
    new = {"new_enroll_result": result, "new_detail": detail}
    await tx.execute(_COMPLETE, account_id=account_id, id=enrollment_id, now=now, **new)


async def prune(tx: Transaction, before: int, most: int) -> int:
    """Forget what ended before that time, some at once; how many."""
    return await tx.execute(_PRUNE, before=before, most=most)


async def keep(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Note the certificate that a device has now, in the place of its older one of that name."""
    await tx.execute(_KEEP, **values)


async def forget(tx: Transaction, account_id: str, device_id: str) -> None:
    """The device is no more."""
    await tx.execute(_FORGET, account_id=account_id, device_id=device_id)


async def has(reader: Reader, account_id: str, device_id: str, certificate_name: str) -> bool:
    """Whether a device has a certificate of that name."""
    row = await reader.fetch_one(_HAS, account_id=account_id, device_id=device_id, certificate_name=certificate_name)
    return row is not None


async def rules(reader: Reader) -> Sequence[Row]:
    """The configurations of all accounts that have certificates renewed by themselves."""
    return await reader.fetch_all(_RULES)


async def due(
    reader: Reader, account_id: str, certificate_name: str, *, before: int, now: int, limit: int
) -> Sequence[Row]:
    """Certificates that end before that time and may be tried now, the soonest first."""
    return await reader.fetch_all(
        _DUE, account_id=account_id, certificate_name=certificate_name, before=before, now=now, limit=limit
    )


async def claim(tx: Transaction, row: Row | Mapping[str, Any], try_at: int) -> bool:
    """Take a due certificate, so that nobody else tries it before that time. False: somebody else was first."""
    own_row = {"account_id": row["account_id"], "id": row["id"], "found": row["try_at"]}
    return bool(await tx.execute(_CLAIM, **own_row, new_try_at=try_at))
