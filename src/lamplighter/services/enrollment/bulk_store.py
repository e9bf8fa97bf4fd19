"""Bulk jobs: what was uploaded, in chunks, and what became of each.

A chunk is done in one transaction, with its part of both reports and the job's counts: whoever goes on with a job finds no
row half done. A job is one worker's at a time, until the time that its row says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from lamplighter.services.enrollment.tables import chunks, jobs
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Alone, Text

REPORTS: Final = {"full_report.csv": chunks.c.full_report, "errors_report.csv": chunks.c.errors_report}

_j, _k = jobs.c, chunks.c
_OWN = (_j.account_id == sa.bindparam("account_id_"), _j.id == sa.bindparam("id_"))
_OPEN = _j.completed_at.is_(None)
_NOW: sa.BindParameter[int] = sa.bindparam("now", type_=sa.BigInteger())
_FREE = sa.or_(
    _j.life.is_(None),
    _j.held_until < _NOW,
    sa.and_(_j.holder == sa.bindparam("holder_"), _j.life != sa.bindparam("life_")),
)
_ADD = Query(
    sa.insert(jobs).values(
        {
            name: sa.bindparam(name)
            for name in ("account_id", "id", "kind", "total", "chunks", "actor", "created_at", "worked_at")
        }
    )
)
_ADD_CHUNK = Query(
    sa.insert(chunks).values({name: sa.bindparam(name) for name in ("account_id", "job_id", "number", "identities")})
)
_GET = Query(sa.select(jobs).where(*_OWN, _j.kind == sa.bindparam("kind_")))
_COUNT_OPEN = Query(
    sa.select(sa.func.count()).select_from(jobs).where(_j.account_id == sa.bindparam("account_id"), _OPEN)
)
_WAITING = Query(
    sa.select(_j.account_id, _j.id)
    .where(_OPEN, _FREE)
    .order_by(_j.worked_at)
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
)
_TAKE = Query(
    sa.update(jobs)
    .where(*_OWN, _OPEN, _FREE)
    .values(holder=sa.bindparam("holder_"), life=sa.bindparam("life_"), held_until=sa.bindparam("until"))
    .returning(jobs)
)
_HELD = (*_OWN, _OPEN, _j.life == sa.bindparam("life_"))
_HOLD = Query(sa.select(_j.chunks_done).where(*_HELD).with_for_update())
_RELEASE = Query(sa.update(jobs).where(*_HELD).values(holder=None, life=None, held_until=0, worked_at=_NOW))
_ADVANCE = Query(
    sa.update(jobs)
    .where(*_OWN)
    .values(
        processed=_j.processed + sa.bindparam("more", type_=sa.BigInteger()),
        failed=_j.failed + sa.bindparam("more_failed", type_=sa.BigInteger()),
        chunks_done=_j.chunks_done + 1,
        version=_j.version + 1,
        held_until=sa.bindparam("until"),
        completed_at=sa.bindparam("completed_at_"),
    )
    .returning(_j.failed)
)
_CHUNK = (
    _k.account_id == sa.bindparam("account_id_"),
    _k.job_id == sa.bindparam("id_"),
    _k.number == sa.bindparam("number_"),
)
_IDENTITIES = Query(sa.select(_k.identities).where(*_CHUNK))
_FINISH = Query(
    sa.update(chunks)
    .where(*_CHUNK)
    .values(identities="", full_report=sa.bindparam("full"), errors_report=sa.bindparam("errors"))
)
_READ_REPORT = {name: Query(sa.select(column).where(*_CHUNK), heavy=True) for name, column in REPORTS.items()}
_OLD = Query(
    sa.select(_j.account_id, _j.id)
    .where(_j.completed_at < sa.bindparam("before"))
    .order_by(_j.completed_at)
    .limit(sa.bindparam("most", type_=sa.BigInteger()))
)
_DELETE = Query(sa.delete(jobs).where(*_OWN))
_DELETE_CHUNKS = Query(
    sa.delete(chunks).where(_k.account_id == sa.bindparam("account_id_"), _k.job_id == sa.bindparam("id_")),
    heavy=True,
)
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))


async def add(tx: Transaction, job: Mapping[str, Any], content: Sequence[str]) -> None:
    """A job, and the identities of each of its chunks."""
    await tx.execute(_ADD, **job)
    rows = [
        {"account_id": job["account_id"], "job_id": job["id"], "number": number, "identities": identities}
        for number, identities in enumerate(content)
    ]
    await tx.execute_many(_ADD_CHUNK, rows)


async def get(reader: Reader, account_id: str, kind: str, job_id: str) -> Row | None:
    return await reader.fetch_one(_GET, account_id_=account_id, id_=job_id, kind_=kind)


async def count_open(tx: Transaction, account_id: str) -> int:
    """Jobs that are not completed; nobody else counts them to add one until the transaction ends."""
    await tx.fetch_one(_ALONE, name=f"enrollment jobs of {account_id}")
    row = await tx.fetch_one(_COUNT_OPEN, account_id=account_id)
    return int(row[0]) if row is not None else 0


async def waiting(reader: Reader, holder: str, life: str, now: int, most: int) -> Sequence[Row]:
    """Jobs that nobody works on, those first that wait longest."""
    return await reader.fetch_all(_WAITING, holder_=holder, life_=life, now=now, most=most)


async def take(
    tx: Transaction, account_id: str, job_id: str, *, holder: str, life: str, now: int, until: int
) -> Row | None:
    """The job, which is this worker's now; None: another was first."""
    return await tx.fetch_one(
        _TAKE, account_id_=account_id, id_=job_id, holder_=holder, life_=life, now=now, until=until
    )


async def hold(tx: Transaction, account_id: str, job_id: str, life: str) -> int | None:
    """How many chunks are done of a job that is this worker's, and stays so until the transaction ends; None: it is not."""
    row = await tx.fetch_one(_HOLD, account_id_=account_id, id_=job_id, life_=life)
    return None if row is None else int(row["chunks_done"])


async def release(tx: Transaction, account_id: str, job_id: str, life: str, now: int) -> None:
    """Leave the job to whoever comes next."""
    await tx.execute(_RELEASE, account_id_=account_id, id_=job_id, life_=life, now=now)


async def identities(reader: Reader, account_id: str, job_id: str, number: int) -> str:
    row = await reader.fetch_one(_IDENTITIES, account_id_=account_id, id_=job_id, number_=number)
    assert row is not None
    return str(row["identities"])


async def finish(
    tx: Transaction,
    account_id: str,
    job_id: str,
    number: int,
    *,
    full: str,
    errors: str,
    rows: int,
    failed: int,
    until: int,
    completed_at: int | None,
) -> int:
    """Write what became of a chunk; how many rows of the job have failed so far."""
    await tx.execute(_FINISH, account_id_=account_id, id_=job_id, number_=number, full=full, errors=errors)
    row = await tx.fetch_one(
        _ADVANCE,
        account_id_=account_id,
        id_=job_id,
        more=rows,
        more_failed=failed,
        until=until,
        completed_at_=completed_at,
    )
    assert row is not None
    return int(row["failed"])


async def report(reader: Reader, account_id: str, job_id: str, number: int, name: str) -> str | None:
    """A chunk's lines of that report; None when it is gone."""
    row = await reader.fetch_one(_READ_REPORT[name], account_id_=account_id, id_=job_id, number_=number)
    return None if row is None else str(row[0] or "")


async def completed_before(reader: Reader, before: int, most: int) -> Sequence[Row]:
    return await reader.fetch_all(_OLD, before=before, most=most)


async def delete(tx: Transaction, account_id: str, job_id: str) -> None:
    await tx.execute(_DELETE_CHUNKS, account_id_=account_id, id_=job_id)
    await tx.execute(_DELETE, account_id_=account_id, id_=job_id)
