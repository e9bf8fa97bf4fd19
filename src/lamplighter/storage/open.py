"""Which database the settings ask for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from lamplighter.storage.migrations import postgresql_version, sqlite_version
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.sqlite import SqliteDatabase

FILE = "lamplighter.db"
"""SQLite's file in the data folder."""


def open_database(settings: Settings, data_dir: Path) -> Database:
    """The database of ``database.url``, or SQLite in the data folder. ``await database.start()`` connects and
    migrates."""
    chosen = settings.database
    if chosen.url:
        return PostgresqlDatabase(chosen.url, pool=chosen.pool, timeout=chosen.timeout)
    return SqliteDatabase(data_dir / FILE, readers=chosen.pool, timeout=chosen.timeout)


async def schema_version(settings: Settings, data_dir: Path) -> str | None:
    """The schema's version that the database has, without changing it; None: it is empty.

    Raises DatabaseUnavailable, and OSError where there is no file.
    """
    chosen = settings.database
    if not chosen.url:
        return await asyncio.to_thread(sqlite_version, data_dir / FILE)
    try:
        connection = await asyncpg.connect(chosen.url, timeout=chosen.timeout)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailable(retry_after=1.0, details={"reason": str(error)}) from error
    try:
        return await postgresql_version(connection)
    finally:
        await connection.close()
