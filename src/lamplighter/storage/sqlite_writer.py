"""SQLite's one writer: logical transactions run one after the other and share a commit.

Statements run on the event loop: a point statement takes about 10 µs, less than a hop to a thread and back. Only what
waits for the disk or for another process, COMMIT above all, runs in the writer's thread; meanwhile new transactions
queue for the next commit. Each logical transaction has a SAVEPOINT of its own, so that the failure of one is nobody
else's.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from lamplighter.errors.storage import DatabaseUnavailable

log = logging.getLogger(__name__)

MOST_TOGETHER = 200
"""Logical transactions that share a commit at most."""
LONGEST_TOGETHER = 0.005
"""Seconds after which those who wait no longer delay a commit."""

Result = TypeVar("Result")


class _Batch:
    """The logical transactions that one COMMIT will make durable."""

    __slots__ = ("members", "opened")

    def __init__(self, opened: float) -> None:
        self.opened = opened
        self.members: list[tuple[asyncio.Future[None], list[Callable[[], None]]]] = []

    def settle(self, failure: BaseException | None) -> None:
        for done, callbacks in self.members:
            if failure is None:
                for callback in callbacks:
                    run_callback(callback)
            if done.done():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(unavailable(failure))
                done.exception()  # its owner may have been cancelled: then nobody asks for it


class Writer:
    """The turn to write, and the group commit.

    Who has the turn has the connection, a physical transaction and a savepoint: ``enter`` and then exactly one of
    ``keep`` and ``undo``.

    :param connect: opens a connection that may write
    :param timeout: seconds to wait for another process that writes to the same file
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], timeout: float) -> None:
        self._connect = connect
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False
        self._closed = False
        self._holder: asyncio.Task[Any] | None = None
        self._batch = _Batch(0.0)
        self._connection: sqlite3.Connection | None = connect()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for whoever has the turn."""
        if self._connection is None:
            raise DatabaseUnavailable(retry_after=1)
        return self._connection

    async def enter(self) -> None:
        """Wait for the turn. Raises DatabaseUnavailable, RuntimeError for a transaction inside a transaction."""
        if self._closed:
            raise DatabaseUnavailable(retry_after=1)
        await self._enter()

    async def _enter(self) -> None:
        task = asyncio.current_task()
        if self._holder is task:
            raise RuntimeError("a transaction was opened inside a transaction: pass the outer one on")
        self._take_back()
        if self._taken or self._waiting:
            await self._queue()
        self._taken = True
        self._holder = task
        try:
            if self._connection is None or not self._connection.in_transaction:
                await self._begin()
            self.connection.execute("SAVEPOINT one")
        except BaseException as error:
            self._pass_on()
            if isinstance(error, sqlite3.Error):
                raise unavailable(error) from error
            raise

    def keep(self, callbacks: list[Callable[[], None]]) -> asyncio.Future[None]:
        """The block is good: add it to the commit, give the turn to the next; the future ends when it is on disk."""
        try:
            self.connection.execute("RELEASE one")
        except sqlite3.Error as error:
            self._lost(error)
            self._pass_on()
            raise unavailable(error) from error
        done = self._loop.create_future()
        self._batch.members.append((done, callbacks))
        self._pass_on()
        return done

    def undo(self) -> None:
        """The block failed: undo it and only it, give the turn to the next."""
        try:
            if self._connection is None or not self._connection.in_transaction:
                # Some failures, a full disk for one, end the whole physical transaction.
                raise sqlite3.OperationalError("the transaction was ended by the failure of a statement")
            self._connection.execute("ROLLBACK TO one")
            self._connection.execute("RELEASE one")
        except sqlite3.Error as error:
            self._lost(error)
        self._pass_on()

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Run what may take long in the writer's thread. The connection is the thread's until it is done, cancelled or
        not."""
        future = self._loop.run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                try:
                    await asyncio.wait([future])
                except asyncio.CancelledError:
                    continue
            future.exception()
            raise

    async def close(self) -> None:
        """Finish what waits, then close."""
        if self._closed:
            return
        self._closed = True  # so that nobody comes after us
        try:
            await self._enter()
            await self.keep([])
        except DatabaseUnavailable:
            log.warning("the database was closed while it could not be written")
        if self._connection is not None:
            await self.in_thread(self._connection.close)
        self._thread.shutdown()

    async def _queue(self) -> None:
        turn = self._loop.create_future()
        self._waiting.append(turn)
        patience = self._loop.call_later(self._timeout, self._give_up, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # the turn came together with the cancellation
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        finally:
            patience.cancel()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        """Refuse who has waited too long, rather than let requests pile up behind one that never ends."""
        self._take_back()
        if turn.done():
            return
        self._waiting.remove(turn)
        holder = self._holder.get_name() if self._holder is not None else "a commit"
        log.error("who wants to write waits for %s for more than %g s", holder, self._timeout)
        turn.set_exception(unavailable(TimeoutError(f"no turn to write within {self._timeout:g} s")))

    def _take_back(self) -> None:
        """Take the turn from a task that ended without leaving its transaction: what it did is undone."""
        if self._holder is not None and self._holder.done():
            log.error("%s ended inside a transaction; it is undone", self._holder.get_name())
            self.undo()

    async def _begin(self) -> None:
        self._batch = _Batch(self._loop.time())
        try:
            if self._connection is not None:
                self._connection.execute("BEGIN IMMEDIATE")
                return
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY:
                raise
        await self.in_thread(self._begin_patiently)
        self._batch.opened = self._loop.time()

    def _begin_patiently(self) -> None:
        """In the thread: another process is writing, or the last commit failed."""
        if self._connection is None:
            self._connection = self._connect()
        self._connection.execute(f"PRAGMA busy_timeout={int(self._timeout * 1000)}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute("PRAGMA busy_timeout=0")

    def _lost(self, error: sqlite3.Error) -> None:
        """The physical transaction is gone, and with it every logical one that waited for its commit."""
        batch, self._batch = self._batch, _Batch(self._loop.time())
        batch.settle(error)
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._connection.close()
                self._connection = None

    def _pass_on(self) -> None:
        """Give the turn to the next who waits, or commit."""
        self._holder = None
        members = self._batch.members
        full = len(members) >= MOST_TOGETHER or (
            bool(members) and bool(self._waiting) and self._loop.time() - self._batch.opened >= LONGEST_TOGETHER
        )
        if full:
            self._commit()
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken = True
                turn.set_result(None)
                return
        self._taken = False
        if self._connection is not None and self._connection.in_transaction:
            # Tasks that are ready to run now may join first.
            self._loop.call_soon(self._commit_if_idle)

    def _commit_if_idle(self) -> None:
        if not self._taken and self._connection is not None and self._connection.in_transaction:
            self._commit()

    def _commit(self) -> None:
        self._taken = True
        self._thread.submit(self._commit_in_thread).add_done_callback(self._committed_in_thread)

    def _commit_in_thread(self) -> None:
        connection = self.connection
        try:
            connection.execute("COMMIT")
        except BaseException:
            # What is in memory is worth nothing now: begin again from what is on disk.
            self._connection = None
            connection.close()
            raise

    def _committed_in_thread(self, future: Future[None]) -> None:
        self._loop.call_soon_threadsafe(self._committed, future.exception())

    def _committed(self, failure: BaseException | None) -> None:
        batch, self._batch = self._batch, _Batch(self._loop.time())
        if failure is not None:
            log.error("a commit of %d transactions failed: %s", len(batch.members), failure)
        batch.settle(failure)
        self._pass_on()


def run_callback(callback: Callable[[], None]) -> None:
    """Run what a transaction asked for after its commit; its failure changes nothing for the transaction."""
    try:
        callback()
    except Exception:
        log.exception("a callback after a commit failed")


UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
"""Result codes that say nothing about the statement: the file, the disk or another process is in the way."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 when the error is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """The catalogue's error, with what SQLite said for those who may see it."""
    if isinstance(error, DatabaseUnavailable):
        return error
    return DatabaseUnavailable(retry_after=1, details={"database": "sqlite", "reason": str(error)})
