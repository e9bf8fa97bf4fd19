"""Bulk uploads and deletes towards who asks for them: a file becomes a job, and a completed job has reports."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from lamplighter.api.stream import Outlet, Stream
from lamplighter.bus.bus import Bus
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.errors import access
from lamplighter.errors import enrollment as errors
from lamplighter.ids import Ids, is_id
from lamplighter.services.enrollment import bulk_store
from lamplighter.services.enrollment.events import BULK_CREATED
from lamplighter.services.enrollment.identities_file import read_identities
from lamplighter.services.enrollment.model import BulkResponse, Kind
from lamplighter.services.enrollment.reports import ERRORS, FULL, header
from lamplighter.services.enrollment.worker import WAITING
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row

CHUNK = 250
"""Rows that are done in one transaction: a few milliseconds of SQLite's writer."""
PRUNED = 20
"""Old jobs that are looked for at once."""
PATHS: dict[Kind, str] = {
    "upload": "/v3/device-enrollments-bulk-uploads",
    "delete": "/v3/device-enrollments-bulk-deletes",
}


class Bulk:
    """The bulk jobs of all accounts."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, settings: Settings, bus: Bus) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._bus = bus

    async def create(self, account_id: str, kind: Kind, content: bytes, actor: Mapping[str, str]) -> BulkResponse:
        """Take a file of identities; what it asks for is done later, and survives what may happen meanwhile.

        Raises EnrollmentFileTooLarge, EnrollmentFileNotText, EnrollmentFileEmpty, EnrollmentRowsTooMany, ObjectLimitReached.
        """
        limits = self._settings.enrollment
        if len(content) > limits.bulk_size:
            raise errors.EnrollmentFileTooLarge(size=len(content), limit=limits.bulk_size)
        total, chunks = await asyncio.to_thread(_divided, content, limits.bulk_rows)
        now, job_id = self._clock.now(), self._ids.new()
        job = {
            "account_id": account_id,
            "id": job_id,
            "kind": kind,
            "total": total,
            "chunks": len(chunks),
            "actor": msgspec.json.encode(actor).decode(),
            "created_at": now,
            "worked_at": now,
        }
        async with self._database.transaction() as tx:
            unfinished = await bulk_store.count_open(tx, account_id)
            if unfinished >= limits.bulk_jobs:
                raise access.ObjectLimitReached(
                    used=unfinished, limit=limits.bulk_jobs, kind="bulk enrollment jobs that are not completed"
                )
            await bulk_store.add(tx, job, chunks)
            data = {"id": job_id, "kind": kind, "total": total, "by": actor}
            await append(tx, Event(kind=BULK_CREATED, account_id=account_id, time=now, data=data))
        self._bus.publish(WAITING, b"")
        return await self.get(account_id, kind, job_id)

    async def get(self, account_id: str, kind: Kind, job_id: str) -> BulkResponse:
        """Raises BulkEnrollmentNotFound."""
        row = await self._row(account_id, kind, job_id)
        completed = row["completed_at"] is not None
        base = f"{self._settings.public.rest_url}{PATHS[kind]}/{job_id}/"
        return BulkResponse(
            id=job_id,
            account_id=account_id,
            status="completed" if completed else "processing" if row["life"] or row["chunks_done"] else "new",
            total_count=row["total"],
            processed_count=row["processed"],
            errors_count=row["failed"],
            created_at=to_rfc3339(row["created_at"]),
            completed_at=to_rfc3339(row["completed_at"]) if completed else None,
            full_report_file=base + FULL if completed else None,
            errors_report_file=base + ERRORS if completed else None,
            etag=str(row["version"]),
        )

    async def report(self, account_id: str, kind: Kind, job_id: str, name: str) -> Stream:
        """A report of a completed job. Raises BulkEnrollmentNotFound, BulkReportNotReady."""
        row = await self._row(account_id, kind, job_id)
        if row["completed_at"] is None:
            raise errors.BulkReportNotReady(
                kind=kind, bulk_id=job_id, processed=row["processed"], total=row["total"], retry_after=1
            )

        async def write(outlet: Outlet) -> None:
            await outlet.send(header(kind, name).encode())
            for number in range(row["chunks"]):
                lines = await bulk_store.report(self._database, account_id, job_id, number, name)
                if lines is None:  # pruned meanwhile
                    raise errors.BulkEnrollmentNotFound(kind=kind, bulk_id=job_id)
                if lines:
                    await outlet.send(lines.encode())

        return Stream(write, "text/csv; charset=utf-8", {"Content-Disposition": f'attachment; filename="{name}"'})

    async def prune(self) -> None:
        """Forget completed jobs that were kept for long enough."""
        before = self._clock.now() - round(self._settings.enrollment.bulk_kept * MICROSECONDS)
        while old := await bulk_store.completed_before(self._database, before, PRUNED):
            for row in old:
                async with self._database.transaction() as tx:
                    await bulk_store.delete(tx, row["account_id"], row["id"])

    async def _row(self, account_id: str, kind: Kind, job_id: str) -> Row:
        row = await bulk_store.get(self._database, account_id, kind, job_id) if is_id(job_id) else None
        if row is None:
            raise errors.BulkEnrollmentNotFound(kind=kind, bulk_id=job_id[:40])
        return row


def _divided(content: bytes, most: int) -> tuple[int, Sequence[str]]:
    """How many rows a file has, and these in chunks as they are stored."""
    entries = read_identities(content, most)
    starts = range(0, len(entries), CHUNK)
    return len(entries), [msgspec.json.encode(entries[start : start + CHUNK]).decode() for start in starts]
