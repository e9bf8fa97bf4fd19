"""The face of a database: what services may do with it, on SQLite and PostgreSQL alike.

Tables hold TEXT, BIGINT, SMALLINT (0 and 1 for truth), DOUBLE PRECISION, BLOB/BYTEA and JSON (read and written as
text), so that no value needs converting on its way. Statements are built with SQLAlchemy Core once, wrapped in
:class:`Query`, compiled once per dialect and run on the raw driver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from lamplighter.storage.later import Missing, Touch
from lamplighter.storage.query import DialectName, Query

Result = TypeVar("Result")


class Row(Protocol):
    """A row: values by column name and by index. ``dict(row)`` and ``tuple(row)`` work; iterating gives the values."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...

    def keys(self) -> Iterable[str]: ...


def announce_nothing() -> None:
    """What a database calls until an event log is opened on it."""


class UniqueViolation(Exception):
    """A row with that key exists. ``constraint`` names the unique constraint or index that refused it.

    The name is that of the schema (``pk_devices``, ``uq_devices_account_id_name``) on both databases.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class TransactionFailed(Exception):
    """A statement failed, and the block went on as if it had not.

    PostgreSQL refuses everything after a failed statement; so that no service depends on SQLite being more patient,
    both do. Let the exception leave the block, or put what may fail inside ``transaction.savepoint()``.
    """


class Reader(Protocol):
    """What can be asked, inside and outside a transaction."""

    async def fetch_one(self, query: Query, /, **values: Any) -> Row | None:
        """The first row. Also for INSERT, UPDATE and DELETE with RETURNING, inside a transaction."""
        ...

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[Row]: ...


class Transaction(Reader, Protocol):
    """Work that becomes durable together or not at all.

    Await nothing but this object inside the block: SQLite has one writer, and it waits for you. On SQLite statements
    run on the event loop; one that touches many rows is ``Query(…, heavy=True)``.
    """

    @property
    def dialect(self) -> DialectName: ...

    @property
    def announce(self) -> Callable[[], None]:
        """The database's ``announce``."""
        ...

    async def execute(self, query: Query, /, **values: Any) -> int:
        """Run a statement; the number of rows it touched. Raises UniqueViolation."""
        ...

    async def execute_many(self, query: Query, rows: Iterable[Mapping[str, Any]], /) -> None:
        """Run a statement for each row. Raises UniqueViolation."""
        ...

    async def insert_later(self, table: sa.Table, rows: Iterable[Mapping[str, Any]], /) -> None:
        """Insert rows, all with the same columns, before the next read in the transaction or its end.

        For rows that nobody writes to in the same transaction: those of many go in one statement. A UniqueViolation
        comes from there, too late to be treated inside the block.
        """
        ...

    async def touch_later(self, touch: Touch, missing: Missing, /, **values: Any) -> None:
        """Update a row that must be there, when ``insert_later`` inserts. What ``missing`` makes is raised from there if
        it is not: give each Touch one row in a transaction.
        """
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """A block inside the transaction. An exception that leaves it undoes the block; the transaction can go on."""
        ...

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back once the work is on disk; never when it was rolled back."""
        ...


class Database(Reader, Protocol):
    """A database. Every failure to reach it is errors.storage.DatabaseUnavailable (503).

    Outside a transaction a read sees what was committed before it began.
    """

    announce: Callable[[], None]
    """Called after a commit that appended events; the event log sets it, to wake those who follow it."""

    @property
    def dialect(self) -> DialectName: ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A block of work. When it has been left without an exception, everything in it is on disk.

        Raises DatabaseUnavailable when it is not (or, when the connection broke during the commit itself, may not be),
        and DatabaseContention when PostgreSQL ended it in favour of another; both may be tried again. Do not open a
        second transaction inside the block.
        """
        ...

    async def together(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Do the work in a transaction that many callers may share, which is cheaper; its result once it is on disk.

        Raises what the work raises, and what ``transaction`` does. The work may be run a second time after everything
        that it did was undone, so it changes nothing but the database; and if the caller is cancelled, it may be done.
        """
        ...

    async def start(self) -> None:
        """Connect, and bring the schema up to date."""
        ...

    async def close(self) -> None:
        """Finish the transactions under way and disconnect."""
        ...
