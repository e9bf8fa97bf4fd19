"""Keeps errors without making a request wait: a bounded buffer, written in batches; a file while the database is away."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from pathlib import Path

import msgspec
import structlog

from lamplighter.api.kept import KeptError
from lamplighter.api.limits import Buckets
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error
from lamplighter.services.support import store
from lamplighter.storage.database import Database

log = structlog.get_logger("lamplighter.support")

FILE = "kept-errors.jsonl"
INTERVAL = 0.25
"""Seconds between batches: what a crash may lose of the explanations; never of anything acknowledged."""
BUFFER = 20_000
BATCH = 1_000
SPILL = 64 * 1024 * 1024
"""Bytes the file may take while the database is away."""
PRUNE_EVERY = 600.0
SAMPLE_BURST = 50
"""Errors of one stranger that are kept at once, before sampling begins."""


class Keeper:
    """The ErrorKeeper of a process.

    :param kept: how long errors are kept, in seconds
    :param rate: errors a second of one stranger's address above which only some are kept
    """

    def __init__(self, database: Database, clock: Clock, data_dir: Path, kept: float, rate: float) -> None:
        self._database = database
        self._clock = clock
        self._file = data_dir / FILE
        self._kept = kept
        self._strangers = Buckets(rate, SAMPLE_BURST, keys=50_000)
        self._buffer: OrderedDict[str, KeptError] = OrderedDict()
        self._writing: dict[str, KeptError] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pruned = clock.monotonic()
        self.dropped = 0
        """Errors that were not kept: sampled away, or pushed out of the full buffer."""

    def keep(self, error: KeptError) -> None:
        if error.account_id is None and self._strangers.take(error.address, self._clock.monotonic()) < 0:
            self.dropped += 1
            return
        self._buffer[error.request_id] = error
        if len(self._buffer) > BUFFER:
            self._buffer.popitem(last=False)
            self.dropped += 1
        self._wake.set()

    async def find(self, request_id: str) -> KeptError | None:
        """An error by its request ID, written or not."""
        found = self._buffer.get(request_id) or self._writing.get(request_id)
        if found is not None:
            return found
        spilled = await asyncio.to_thread(self._find_spilled, request_id)
        return spilled or await store.find(self._database, request_id)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._buffer:
            await self._write()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(INTERVAL)
            try:
                while self._buffer:
                    await self._write()
                await self._prune()
            except Exception:  # a full disk for instance: what was to be kept is lost, and the next is kept again
                log.exception("kept errors not written")

    async def _write(self) -> None:
        batch = [self._buffer.popitem(last=False) for _ in range(min(BATCH, len(self._buffer)))]
        self._writing = dict(batch)
        try:
            await self._store(list(self._writing.values()))
            await self._take_in_spilled()
        except Error:
            await asyncio.to_thread(self._spill, list(self._writing.values()))
        except asyncio.CancelledError:
            self._buffer.update(batch)
            raise
        finally:
            self._writing = {}

    async def _store(self, errors: list[KeptError]) -> None:
        """Write errors; if the database refuses one for what is in it, the others all the same."""
        try:
            async with self._database.transaction() as transaction:
                await store.keep(transaction, errors)
        except Error:
            raise
        except Exception:
            if len(errors) == 1:
                self.dropped += 1
                log.exception("an error could not be kept", request_id=errors[0].request_id)
                return
            middle = len(errors) // 2
            await self._store(errors[:middle])
            await self._store(errors[middle:])

    async def _take_in_spilled(self) -> None:
        """Bring what waited in the file into the database, now that it is back."""
        taken = self._file.with_suffix(".taken")
        if not await asyncio.to_thread(_take, self._file, taken):
            return
        spilled = await asyncio.to_thread(_read, taken)
        for start in range(0, len(spilled), BATCH):
            await self._store(spilled[start : start + BATCH])
        await asyncio.to_thread(taken.unlink, missing_ok=True)

    async def _prune(self) -> None:
        now = self._clock.monotonic()
        if now - self._pruned < PRUNE_EVERY:
            return
        self._pruned = now
        before = self._clock.now() - round(self._kept * MICROSECONDS)
        try:
            deleted = store.PRUNED_TOGETHER
            while deleted == store.PRUNED_TOGETHER:
                async with self._database.transaction() as transaction:
                    deleted = await store.prune(transaction, before)
        except Error as error:
            log.warning("kept errors not pruned", reason=str(error))

    def _spill(self, errors: list[KeptError]) -> None:
        size = self._file.stat().st_size if self._file.exists() else 0
        if size > SPILL:
            self.dropped += len(errors)
            return
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            for each in errors:
                file.write(msgspec.json.encode(each) + b"\n")

    def _find_spilled(self, request_id: str) -> KeptError | None:
        waiting = (*_read(self._file), *_read(self._file.with_suffix(".taken")))
        return next((each for each in waiting if each.request_id == request_id), None)


def _take(file: Path, taken: Path) -> bool:
    """Set the file aside, so that nobody appends to what is read; whether there is anything. What was set aside before
    and not finished comes first."""
    if not taken.exists() and file.exists():
        file.rename(taken)
    return taken.exists()


def _read(file: Path) -> list[KeptError]:
    if not file.exists():
        return []
    found = []
    for line in file.read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(line, type=KeptError))
        except msgspec.DecodeError:
            continue  # the last line of a process that was killed while writing
    return found
