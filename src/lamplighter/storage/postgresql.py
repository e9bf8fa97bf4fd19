"""PostgreSQL behind the face of storage/database.py, on asyncpg."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Literal, TypeVar

import asyncpg
import sqlalchemy as sa

from lamplighter.errors.storage import DatabaseContention, DatabaseUnavailable
from lamplighter.storage.database import Row, Transaction, TransactionFailed, UniqueViolation, announce_nothing
from lamplighter.storage.group import Group
from lamplighter.storage.later import Later, Missing, Touch
from lamplighter.storage.migrations import migrate_postgresql
from lamplighter.storage.query import Query
from lamplighter.storage.sqlite_writer import run_callback

UNAVAILABLE = (
    OSError,  # refused, reset, no such socket; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, after a failover
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InternalClientError,  # the server's last words crossed ours: the driver has lost its place
)

SERVER_SETTINGS = {
    "application_name": "lamplighter",
    "synchronous_commit": "on",  # what is acknowledged is on disk, whatever the server's default
    "jit": "off",  # point statements only lose by it
    "timezone": "UTC",
}


GROUPS = 2
"""Groups of transactions under way at once."""

Result = TypeVar("Result")


class PostgresqlDatabase:
    """A database on a server.

    :param url: ``postgresql://user:password@host/name``
    :param pool: connections at most
    :param timeout: seconds to wait for a connection, and for a statement
    """

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str, *, pool: int = 4, timeout: float = 10.0) -> None:
        self.url = url
        self.announce: Callable[[], None] = announce_nothing
        self.timeout = timeout
        self._size = pool
        self._pool: Any = None
        self._group = Group(lambda: PostgresqlTransaction(self), abreast=GROUPS)

    async def start(self) -> None:
        try:
            connection = await asyncpg.connect(self.url, timeout=self.timeout, server_settings=SERVER_SETTINGS)
            try:
                await migrate_postgresql(connection)
            finally:
                await connection.close()
            self._pool = await asyncpg.create_pool(
                self.url,
                min_size=1,
                max_size=self._size,
                timeout=self.timeout,
                command_timeout=self.timeout,
                statement_cache_size=1024,
                max_cached_statement_lifetime=0,
                # A process that hangs inside a transaction holds its locks, and keeps all others from the event log.
                server_settings={
                    **SERVER_SETTINGS,
                    "idle_in_transaction_session_timeout": str(round(2000 * self.timeout)),
                },
                reset=_keep_session,
            )
        except UNAVAILABLE as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(self.timeout):
                    await pool.close()
            except OSError:
                pool.terminate()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return PostgresqlTransaction(self)

    async def together(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        result: Result = await self._group.run(work)
        return result

    async def fetch_one(self, query: Query, /, **values: Any) -> Row | None:
        text, arguments = query.render("postgresql", values)

        async def fetch(connection: Any) -> Row | None:
            row: Row | None = await _fetchrow(connection, query, text, arguments)
            return row

        return await self._read(fetch)

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[Row]:
        text, arguments = query.render("postgresql", values)

        async def fetch(connection: Any) -> Sequence[Row]:
            rows: Sequence[Row] = await _fetch(connection, query, text, arguments)
            return rows

        return await self._read(fetch)

    async def begin(self) -> tuple[Any, Any]:
        """A connection of the pool and a transaction begun on it."""
        for attempt in itertools.count():
            connection = await self.acquire()
            transaction = connection.transaction()
            try:
                await transaction.start()
            except BaseException as error:
                await self.release(connection)
                if attempt < self._size and isinstance(error, Exception) and _is_closed(connection):
                    continue  # it broke while it lay idle, when the server restarted; nothing was begun
                if isinstance(error, Exception):
                    raise mapped(error, connection) from error
                raise
            return connection, transaction
        raise AssertionError("the loop ends by return or raise")

    async def _read(self, fetch: Callable[[Any], Awaitable[Result]]) -> Result:
        for attempt in itertools.count():
            connection = await self.acquire()
            try:
                return await fetch(connection)
            except Exception as error:
                if attempt < self._size and _is_closed(connection):
                    continue  # as above: a read may be asked again
                raise mapped(error, connection) from error
            finally:
                await self.release(connection)
        raise AssertionError("the loop ends by return or raise")

    async def acquire(self) -> Any:
        """A connection of the pool. Raises DatabaseUnavailable when none is free in time."""
        if self._pool is None:
            raise DatabaseUnavailable(retry_after=1)
        try:
            return await self._pool.acquire(timeout=self.timeout)
        except UNAVAILABLE as error:
            raise unavailable(error) from error
        except asyncpg.InterfaceError as error:  # the pool is closing
            raise unavailable(error) from error

    async def release(self, connection: Any) -> None:
        """Give a connection back; one that is broken is replaced at the next use."""
        pool = self._pool
        if pool is None:
            return
        try:
            await pool.release(connection)
        except (*UNAVAILABLE, asyncpg.InterfaceError):
            return


class PostgresqlTransaction(AbstractAsyncContextManager[Transaction]):
    """A transaction on a connection of its own (READ COMMITTED)."""

    dialect: Literal["postgresql"] = "postgresql"
    __slots__ = ("_callbacks", "_connection", "_database", "_later", "_transaction", "announce", "failed", "written")

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database
        self.announce = database.announce
        self._connection: Any = None
        self._transaction: Any = None
        self._callbacks: list[Callable[[], None]] = []
        self.failed = False
        self.written = 0
        """Statements so far that changed something, or will."""
        self._later = Later()

    async def __aenter__(self) -> PostgresqlTransaction:
        self._connection, self._transaction = await self._database.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._later and not self.failed:
            try:
                await self._write()
            except BaseException:
                connection, self._connection = self._connection, None
                await _to_the_end(self._rollback(connection))
                raise
        connection, self._connection = self._connection, None
        # A task that is cancelled now must not leave a commit half told: its callbacks follow its commit.
        if error is None and not self.failed:
            await _to_the_end(self._commit(connection))
            return
        await _to_the_end(self._rollback(connection))
        if error is None:
            raise TransactionFailed("a statement of this transaction failed; nothing of it was kept")

    async def fetch_one(self, query: Query, /, **values: Any) -> Row | None:
        text, arguments = query.render("postgresql", values)
        await self._look(query)
        connection = self._usable()
        try:
            row: Row | None = await _fetchrow(connection, query, text, arguments)
            return row
        except BaseException as error:
            raise self._failure(error) from error

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[Row]:
        text, arguments = query.render("postgresql", values)
        await self._look(query)
        connection = self._usable()
        try:
            rows: Sequence[Row] = await _fetch(connection, query, text, arguments)
            return rows
        except BaseException as error:
            raise self._failure(error) from error

    async def execute(self, query: Query, /, **values: Any) -> int:
        text, arguments = query.render("postgresql", values)
        await self._look(query)
        connection = self._usable()
        try:
            status: str = await connection.execute(text, *arguments)
        except BaseException as error:
            raise self._failure(error) from error
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, query: Query, rows: Iterable[Mapping[str, Any]], /) -> None:
        await self._look(query)
        groups: dict[str, list[Sequence[Any]]] = {}
        for row in rows:
            text, arguments = query.render("postgresql", row)
            groups.setdefault(text, []).append(arguments)
        connection = self._usable()
        try:
            for text, group in groups.items():
                await connection.executemany(text, group)
        except BaseException as error:
            raise self._failure(error) from error

    async def insert_later(self, table: sa.Table, rows: Iterable[Mapping[str, Any]], /) -> None:
        self._usable()
        self.written += 1
        self._later.insert(table, rows)

    async def touch_later(self, touch: Touch, missing: Missing, /, **values: Any) -> None:
        self._usable()
        self.written += 1
        self._later.touch(touch, missing, values)

    async def _look(self, query: Query) -> None:
        """Before a statement: write what it could miss."""
        self.written += query.writes
        if self._later and self._later.concerns(query.tables):
            await self._write()

    async def _write(self) -> None:
        """What was to be written later, now, in one round trip."""
        if not self._later:
            return
        text, arrays, touched = self._later.for_postgresql()
        connection = self._usable()
        try:
            found = await connection.fetchrow(text, *arrays)
            for each, count in zip(touched, found, strict=False):
                each.check(count)
        except BaseException as error:
            raise self._failure(error) from error

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        return _Savepoint(self)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    async def _commit(self, connection: Any) -> None:
        try:
            await self._transaction.commit()
        except Exception as error:
            if isinstance(error, asyncpg.InternalClientError):
                connection.terminate()
            raise mapped(error, connection) from error
        finally:
            await self._database.release(connection)
        for callback in self._callbacks:
            run_callback(callback)

    async def _rollback(self, connection: Any) -> None:
        try:
            await self._transaction.rollback()
        except (*UNAVAILABLE, asyncpg.InterfaceError):
            if not _is_closed(connection):
                connection.terminate()  # not to be trusted; the server rolls back
        finally:
            await self._database.release(connection)

    def _usable(self) -> Any:
        if self._connection is None:
            raise RuntimeError("this transaction has ended")
        if self.failed:
            raise TransactionFailed("a statement of this transaction failed before; leave the block")
        return self._connection

    def _failure(self, error: BaseException) -> BaseException:
        self.failed = True
        return mapped(error, self._connection) if isinstance(error, Exception) else error


class _Savepoint(AbstractAsyncContextManager[None]):
    __slots__ = ("_inner", "_transaction")

    def __init__(self, transaction: PostgresqlTransaction) -> None:
        self._transaction = transaction
        self._inner: Any = None

    async def __aenter__(self) -> None:
        await self._transaction._write()
        self._inner = self._transaction._usable().transaction()
        try:
            await self._inner.start()
        except Exception as error:
            raise self._transaction._failure(error) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        transaction = self._transaction
        if error is None:
            await transaction._write()
            transaction._usable()
            await self._inner.commit()
            return
        transaction._later.clear()
        try:
            await self._inner.rollback()
        except Exception as failure:
            raise transaction._failure(failure) from failure
        transaction.failed = False


async def _fetch(connection: Any, query: Query, text: str, arguments: Sequence[Any]) -> Sequence[Row]:
    if query.skewed:
        # A statement prepared for one use is planned for its values; a kept one would get one plan for all.
        statement = await connection.prepare(text)
        rows: Sequence[Row] = await statement.fetch(*arguments)
    else:
        rows = await connection.fetch(text, *arguments)
    return rows


async def _fetchrow(connection: Any, query: Query, text: str, arguments: Sequence[Any]) -> Row | None:
    if query.skewed:
        found = await _fetch(connection, query, text, arguments)
        return found[0] if found else None
    row: Row | None = await connection.fetchrow(text, *arguments)
    return row


def mapped(error: Exception, connection: Any) -> Exception:
    """Our exception for asyncpg's: UniqueViolation, DatabaseUnavailable, DatabaseContention, or the same for our
    defects."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(error.constraint_name or "")
    if isinstance(error, (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)):
        return DatabaseContention(retry_after=1, details={"database": "postgresql", "reason": str(error)})
    if isinstance(error, UNAVAILABLE) or (isinstance(error, asyncpg.InterfaceError) and _is_closed(connection)):
        return unavailable(error)
    return error


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """The catalogue's error, with what PostgreSQL or the network said for those who may see it."""
    return DatabaseUnavailable(
        retry_after=2, details={"database": "postgresql", "reason": str(error) or type(error).__name__}
    )


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool took it back when it broke
        return True


async def _to_the_end(work: Any) -> None:
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise


async def _keep_session(connection: Any) -> None:
    """Nothing to put back between two uses: we set nothing in a session (asyncpg would spend a round trip on it)."""
