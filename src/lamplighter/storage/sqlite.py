"""SQLite behind the face of storage/database.py: one writer with group commit, and readers beside it.

A key look-up outside a transaction runs on the event loop (10 µs); a list runs in a pool of reader threads.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import sqlalchemy

from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.storage.database import Result, Transaction, TransactionFailed, UniqueViolation, announce_nothing
from lamplighter.storage.group import Group
from lamplighter.storage.later import Later, Missing, Touch
from lamplighter.storage.migrations import migrate_sqlite
from lamplighter.storage.query import Query
from lamplighter.storage.schema import metadata
from lamplighter.storage.sqlite_writer import UNAVAILABLE, Writer, primary_code, unavailable

MANY = 100
"""Rows of one ``execute_many`` above which it leaves the event loop."""
LONGEST_GROUP = 0.02
"""Seconds of the event loop that a group of small transactions may take: enough for all registrations that wait at once. With
a quarter of it, an update of a storm's bystander waited for two or three groups and their commits."""


class SqliteDatabase:
    """A database in a file.

    :param path: the file; made when absent
    :param readers: threads for lists
    :param timeout: seconds to wait for another process that writes to the same file
    """

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, path: Path, *, readers: int = 4, timeout: float = 10.0) -> None:
        self.path = path
        self.announce: Callable[[], None] = announce_nothing
        self._readers = readers
        self._timeout = timeout
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._pooled: list[sqlite3.Connection] = []
        self._group = Group(self.transaction, abreast=1, longest=LONGEST_GROUP)

    async def start(self) -> None:
        try:
            await asyncio.to_thread(migrate_sqlite, self.path, self._timeout)
            self._writer = Writer(lambda: open_connection(self.path, timeout=0), self._timeout)
            self._reader = open_connection(self.path, timeout=self._timeout, writes=False)
        except sqlite3.Error as error:
            await self.close()
            raise unavailable(error) from error  # no database, damaged, locked: the reason says which
        await asyncio.to_thread(_sync_folder, self.path.parent)
        self._pool = ThreadPoolExecutor(self._readers, "sqlite-reader", initializer=self._open_reader)

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer.close()
        if self._pool is not None:
            self._pool.shutdown()
        if self._reader is not None:
            self._pooled.append(self._reader)
        while self._pooled:
            self._pooled.pop().close()
        self._writer = self._reader = self._pool = None

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        if self._writer is None:
            raise DatabaseUnavailable(retry_after=1)
        return SqliteTransaction(self._writer, self.announce)

    async def together(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        result: Result = await self._group.run(work)
        return result

    async def fetch_one(self, query: Query, /, **values: Any) -> sqlite3.Row | None:
        if query.heavy:
            rows = await self.fetch_all(query, **values)
            return rows[0] if rows else None
        if self._reader is None:
            raise DatabaseUnavailable(retry_after=1)
        text, arguments = query.render("sqlite", values)
        try:
            cursor = self._reader.execute(text, arguments)
            row: sqlite3.Row | None = cursor.fetchone()
            cursor.close()  # a statement left half-way would hold back checkpoints
        except sqlite3.Error as error:
            raise mapped(error) from error
        return row

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[sqlite3.Row]:
        if self._pool is None or self._reader is None:
            raise DatabaseUnavailable(retry_after=1)
        text, arguments = query.render("sqlite", values)
        if query.quick:
            try:
                return self._reader.execute(text, arguments).fetchall()
            except sqlite3.Error as error:
                raise mapped(error) from error
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._fetch_in_thread, text, arguments)

    def _open_reader(self) -> None:
        self._local.connection = open_connection(self.path, timeout=self._timeout, writes=False)
        self._pooled.append(self._local.connection)

    def _fetch_in_thread(self, text: str, arguments: Sequence[Any]) -> list[sqlite3.Row]:
        try:
            connection: sqlite3.Connection = self._local.connection
            return connection.execute(text, arguments).fetchall()
        except sqlite3.Error as error:
            raise mapped(error) from error


class SqliteTransaction(AbstractAsyncContextManager[Transaction]):
    """A logical transaction: a savepoint of the writer's physical one."""

    dialect: Literal["sqlite"] = "sqlite"
    __slots__ = ("_callbacks", "_later", "_open", "_savepoints", "_writer", "announce", "failed", "written")

    def __init__(self, writer: Writer, announce: Callable[[], None]) -> None:
        self._writer = writer
        self.announce = announce
        self._callbacks: list[Callable[[], None]] = []
        self._open = False
        self.failed = False
        self.written = 0
        """Statements so far that changed something, or will."""
        self._later = Later()
        self._savepoints = itertools.count()

    async def __aenter__(self) -> SqliteTransaction:
        await self._writer.enter()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._later and not self.failed:
            try:
                self._write()
            except BaseException:
                self._open = False
                self._writer.undo()
                raise
        self._open = False
        if error is not None:
            self._writer.undo()
        elif self.failed:
            self._writer.undo()
            raise TransactionFailed("a statement of this transaction failed; nothing of it was kept")
        else:
            await self._writer.keep(self._callbacks)

    async def fetch_one(self, query: Query, /, **values: Any) -> sqlite3.Row | None:
        rows = await self.fetch_all(query, **values)
        return rows[0] if rows else None

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[sqlite3.Row]:
        self._look(query)
        if query.heavy:
            return (await self._writer.in_thread(lambda: self._run(query, values)))[0]
        return self._run(query, values)[0]

    async def execute(self, query: Query, /, **values: Any) -> int:
        self._look(query)
        if query.heavy:
            return (await self._writer.in_thread(lambda: self._run(query, values)))[1]
        return self._run(query, values)[1]

    async def execute_many(self, query: Query, rows: Iterable[Mapping[str, Any]], /) -> None:
        self._look(query)
        rendered = [query.render("sqlite", row) for row in rows]
        if len(rendered) > MANY:
            await self._writer.in_thread(lambda: self._run_many(rendered))
        else:
            self._run_many(rendered)

    async def insert_later(self, table: sqlalchemy.Table, rows: Iterable[Mapping[str, Any]], /) -> None:
        self._usable()
        self.written += 1
        self._later.insert(table, rows)

    async def touch_later(self, touch: Touch, missing: Missing, /, **values: Any) -> None:
        self._usable()
        self.written += 1
        self._later.touch(touch, missing, values)

    def _look(self, query: Query) -> None:
        """Before a statement: write what it could miss."""
        self.written += query.writes
        if self._later and self._later.concerns(query.tables):
            self._write()

    def _write(self) -> None:
        """What was to be written later, now."""
        try:
            for text, rows, touched in self._later.for_sqlite():
                cursor = self._usable().executemany(text, rows)
                if touched is not None:
                    touched.check(cursor.rowcount)
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except Exception:
            self.failed = True
            raise

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        return _Savepoint(self, f"s{next(self._savepoints)}")

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def _run(self, query: Query, values: Mapping[str, Any]) -> tuple[list[sqlite3.Row], int]:
        text, arguments = query.render("sqlite", values)
        try:
            cursor = self._usable().execute(text, arguments)
            rows: list[sqlite3.Row] = cursor.fetchall() if cursor.description is not None else []
            return rows, cursor.rowcount
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _run_many(self, rendered: Sequence[tuple[str, Sequence[Any]]]) -> None:
        try:
            for text, group in itertools.groupby(rendered, key=lambda one: one[0]):
                self._usable().executemany(text, [arguments for _, arguments in group])
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _usable(self) -> sqlite3.Connection:
        if not self._open:
            raise RuntimeError("this transaction has ended")
        if self.failed:
            raise TransactionFailed("a statement of this transaction failed before; leave the block")
        return self._writer.connection

    def _failure(self, error: sqlite3.Error) -> Exception:
        self.failed = True
        return mapped(error)


class _Savepoint(AbstractAsyncContextManager[None]):
    __slots__ = ("_name", "_transaction")

    def __init__(self, transaction: SqliteTransaction, name: str) -> None:
        self._transaction = transaction
        self._name = name

    async def __aenter__(self) -> None:
        self._transaction._write()
        self._execute(f"SAVEPOINT {self._name}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        transaction = self._transaction
        if error is None:
            transaction._write()
            self._execute(f"RELEASE {self._name}")
            return
        transaction._later.clear()
        connection = transaction._writer.connection
        if connection.in_transaction:
            transaction.failed = False
            self._execute(f"ROLLBACK TO {self._name}")
            self._execute(f"RELEASE {self._name}")

    def _execute(self, statement: str) -> None:
        try:
            self._transaction._usable().execute(statement)
        except sqlite3.Error as error:
            raise self._transaction._failure(error) from error


def open_connection(path: Path, *, timeout: float, writes: bool = True) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any thread (one at a time).

    FULL: in WAL mode, every commit is synced before it returns.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout={int(max(timeout, 1) * 1000)}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute(f"PRAGMA journal_size_limit={64 * 1024 * 1024}")
    if not writes:
        connection.execute("PRAGMA query_only=ON")
    connection.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
    return connection


def mapped(error: sqlite3.Error) -> Exception:
    """Our exception for SQLite's: UniqueViolation, DatabaseUnavailable, or the same when it is a defect of ours."""
    if error.args and isinstance(error, sqlite3.IntegrityError) and "UNIQUE constraint failed" in str(error):
        return UniqueViolation(_constraint(str(error)))
    if primary_code(error) in UNAVAILABLE:
        return unavailable(error)
    return error


def _constraint(message: str) -> str:
    """The schema's name for ``UNIQUE constraint failed: devices.account_id, devices.name`` or ``…: index 'name'``."""
    what = message.partition(": ")[2]
    if what.startswith("index '"):
        return what.split("'")[1]
    parts = [part.rpartition(".") for part in what.split(", ")]
    columns = {part[2] for part in parts}
    table = metadata.tables.get(parts[0][0])
    if table is not None:
        if set(table.primary_key.columns.keys()) == columns:
            return str(table.primary_key.name)
        for constraint in table.constraints:
            if isinstance(constraint, sqlalchemy.UniqueConstraint) and set(constraint.columns.keys()) == columns:
                return str(constraint.name)
        for index in table.indexes:
            if index.unique and set(index.columns.keys()) == columns:
                return str(index.name)
    return what


def _sync_folder(folder: Path) -> None:
    """Make the file's name as durable as its contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
