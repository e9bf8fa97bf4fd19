"""Which database the settings ask for."""

from __future__ import annotations

from pathlib import Path

from lamplighter.settings import Settings
from lamplighter.storage.database import Database
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
