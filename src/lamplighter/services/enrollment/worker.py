"""Who does bulk jobs: each process that may takes one that nobody has, does some of it, and turns to the one that waits longest.

A job is one worker's until the time in its row, which every chunk puts off. A chunk is done only while its job is held, in the
transaction that counts it: a worker that was thought dead and is not does nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final, NamedTuple

import msgspec

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error
from lamplighter.errors.storage import DatabaseContention
from lamplighter.ids import Ids
from lamplighter.services.enrollment import bulk_store
from lamplighter.services.enrollment.claiming import Claiming
from lamplighter.services.enrollment.events import BULK_COMPLETED
from lamplighter.services.enrollment.identities_file import Entry
from lamplighter.services.enrollment.model import Kind
from lamplighter.storage.database import Database, Row, UniqueViolation

log = logging.getLogger(__name__)

WAITING: Final = "enrollment.waiting"
"""Bus subject: there is a new bulk job."""
TURN = 20
"""Chunks that are done of a job before others have their turn."""
HELD = 15.0
"""Seconds without a chunk after which a job's worker is thought dead."""
LOOK = 5.0
"""Seconds between two looks when no word of a job came."""
LOOKED_AT = 10
"""Waiting jobs that are tried: another worker may be faster with the first."""
TRIES = 5
"""Times that a chunk is tried at once when others claim the same devices meanwhile."""


class Job(NamedTuple):
    """A job that is this worker's."""

    account_id: str
    id: str
    kind: Kind
    total: int
    chunks: int
    actor: str


class BulkWorker:
    """The worker of one process.

    :param holder: its name; another life of it goes on with its jobs at once. Empty: after their time only
    """

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, bus: Bus, claiming: Claiming, holder: str = ""
    ) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._claiming = claiming
        self._life = ids.new()
        self._holder = holder or self._life
        self._more = asyncio.Event()
        self._ending = False
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Do what waits, and what comes."""
        self._subscription = await self._bus.subscribe(WAITING, lambda _: self._more.set())
        self._task = asyncio.create_task(self._work(), name="bulk enrollment")

    async def close(self) -> None:
        """Finish the chunk under way, and leave its job to others."""
        self._ending = True
        self._more.set()
        if self._subscription is not None:
            await self._subscription.cancel()
        if self._task is not None:
            await self._task
        self._subscription = self._task = None

    async def turn(self) -> bool:
        """Do some of the job that waits longest; False: none waits."""
        job = await self.take()
        if job is None:
            return False
        try:
            for _ in range(TURN):
                if self._ending or not await self.chunk(job):
                    break
        finally:
            async with self._database.transaction() as tx:
                await bulk_store.release(tx, job.account_id, job.id, self._life, self._clock.now())
        return True

    async def take(self) -> Job | None:
        """The job that waits longest, which is this worker's now; None: none waits."""
        now = self._clock.now()
        for row in await bulk_store.waiting(self._database, self._holder, self._life, now, LOOKED_AT):
            async with self._database.transaction() as tx:
                taken = await bulk_store.take(
                    tx,
                    row["account_id"],
                    row["id"],
                    holder=self._holder,
                    life=self._life,
                    now=now,
                    until=self._until(),
                )
            if taken is not None:
                return _job(taken)
        return None

    async def chunk(self, job: Job) -> bool:
        """Do the next chunk; False: the job is completed, or another worker's."""
        for tried in range(TRIES):
            try:
                return await self._once(job)
            except (UniqueViolation, DatabaseContention):
                if tried == TRIES - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    async def _once(self, job: Job) -> bool:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            number = await bulk_store.hold(tx, job.account_id, job.id, self._life)
            if number is None:
                return False
            content = await bulk_store.identities(tx, job.account_id, job.id, number)
            entries = msgspec.json.decode(content, type=list[Entry])
            do = self._claiming.claim_all if job.kind == "upload" else self._claiming.delete_all
            lines = await do(tx, job.account_id, entries, job.id, now)
            last = number + 1 == job.chunks
            failed = await bulk_store.finish(
                tx,
                job.account_id,
                job.id,
                number,
                full="".join(lines.full),
                errors="".join(lines.errors),
                rows=len(entries),
                failed=len(lines.errors),
                until=self._until(),
                completed_at=now if last else None,
            )
            if last:
                data = {"id": job.id, "kind": job.kind, "total": job.total, "failed": failed}
                data["by"] = msgspec.json.decode(job.actor)
                await append(tx, Event(kind=BULK_COMPLETED, account_id=job.account_id, time=now, data=data))
        return not last

    def _until(self) -> int:
        return self._clock.now() + round(HELD * MICROSECONDS)

    async def _work(self) -> None:
        while not self._ending:
            self._more.clear()
            try:
                if await self.turn():
                    continue
            except Error as error:
                log.warning("bulk enrollment waits: %s", error)
            except Exception:
                log.exception("a part of a bulk enrollment could not be done; it will be tried again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._more.wait()


def _job(row: Row) -> Job:
    return Job(row["account_id"], row["id"], row["kind"], row["total"], row["chunks"], row["actor"])
