"""The face of a database: what services may do with it, on SQLite and PostgreSQL alike.

Tables hold TEXT, BIGINT, SMALLINT (0 and 1 for truth), DOUBLE PRECISION, BLOB/BYTEA and JSON (read and written as text), so
that no value needs converting on its way. Statements are built with SQLAlchemy Core once, wrapped in :class:`Query`, compiled
once per dialect and run on the raw driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from lamplighter.storage.query import Query

Row = Mapping[str, Any]
"""A row: values by column name and by index."""


class UniqueViolation(Exception):
    """A row with that key exists. ``constraint`` names the unique constraint or index that refused it."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class Reader(Protocol):
    """What can be asked, inside and outside a transaction."""

    async def fetch_one(self, query: Query, /, **values: Any) -> Row | None: ...

    async def fetch_all(self, query: Query, /, **values: Any) -> Sequence[Row]: ...


class Transaction(Reader, Protocol):
    """Work that becomes durable together or not at all.

    Await nothing but this object inside the block: SQLite has one writer, and it waits for you.
    """

    dialect: Literal["sqlite", "postgresql"]

    async def execute(self, query: Query, /, **values: Any) -> int:
        """Run a statement; the number of rows it touched. Raises UniqueViolation."""
        ...

    async def execute_many(self, query: Query, rows: Iterable[Mapping[str, Any]], /) -> None: ...

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back once the work is on disk; never when it was rolled back."""
        ...


class Database(Reader, Protocol):
    """A database. Every failure to reach it is errors.storage.DatabaseUnavailable (503)."""

    dialect: Literal["sqlite", "postgresql"]

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A block of work. When it has been left without an exception, everything in it is on disk."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...
