"""A copy of the whole database, taken while it runs, and how to go back to it.

A backup is a folder: ``manifest.json`` (which database, which schema) and the data. SQLite's is the file itself, copied
by its own backup in one step, which holds up nobody. PostgreSQL's is one file a table, in its binary COPY format, all
from one snapshot (no table refers to another by a foreign key, so any order will do); a server's own tools
(pg_basebackup, archiving of its log) are the better choice for large installations.

Keys that seal secrets are not in the database and so not in a backup of it. Stored sessions of devices are void in what was
restored: their numbers went on after the backup.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Literal

import asyncpg
import msgspec

from lamplighter.storage.database import Database
from lamplighter.storage.migrations import SchemaTooNew, known
from lamplighter.storage.postgresql import SERVER_SETTINGS, UNAVAILABLE, PostgresqlDatabase, unavailable
from lamplighter.storage.sqlite import SqliteDatabase, mapped

MANIFEST = "manifest.json"
SQLITE_FILE = "lamplighter.db"


class BackupError(Exception):
    """The backup cannot be made or used; the text says why and what to do."""


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What a backup says of itself."""

    dialect: Literal["sqlite", "postgresql"]
    schema: str
    tables: list[str] = []
    format: Literal[1] = 1


async def backup(database: Database, folder: Path) -> None:
    """Copy the database into a new folder, while it is used. Raises BackupError, DatabaseUnavailable.

    The folder appears only when it is whole and on disk.
    """
    partial = await asyncio.to_thread(_begin, folder)
    try:
        if isinstance(database, SqliteDatabase):
            manifest = await asyncio.to_thread(_copy_sqlite, database.path, partial / SQLITE_FILE)
        elif isinstance(database, PostgresqlDatabase):
            manifest = await _dump_postgresql(database, partial)
        else:
            raise BackupError(f"there is no backup of a {type(database).__name__}")
        await asyncio.to_thread(_finish, partial, folder, manifest)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


async def restore(database: Database, folder: Path) -> None:
    """Fill a database that is empty and not started from a backup; start brings an older schema up to date.

    Raises BackupError, SchemaTooNew, DatabaseUnavailable.
    """
    manifest = _manifest(folder)
    if manifest.schema not in known():
        raise SchemaTooNew(manifest.schema)
    if manifest.dialect != database.dialect:
        raise BackupError(f"{folder} is a backup of {manifest.dialect}, and the settings ask for {database.dialect}.")
    if isinstance(database, SqliteDatabase):
        await asyncio.to_thread(_put_sqlite, folder / SQLITE_FILE, database.path)
    elif isinstance(database, PostgresqlDatabase):
        await _load_postgresql(database, folder, manifest)


def _begin(folder: Path) -> Path:
    """The folder in which the backup grows."""
    if folder.exists():
        raise BackupError(f"{folder} exists already. Name a folder that does not, so that no backup is overwritten.")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    return partial


def _finish(partial: Path, folder: Path, manifest: Manifest) -> None:
    """Bring it to disk and give it its name."""
    (partial / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    for path in partial.iterdir():
        path.chmod(0o600)
        _sync(path)
    _sync(partial)
    partial.rename(folder)
    _sync(folder.parent)


def _manifest(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupError(f"{folder} is not a backup made by this program: {error}") from error


def _copy_sqlite(path: Path, target: Path) -> Manifest:
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
        # The copy is one file: without this it would ask for a -wal file beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        (version,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        return Manifest(dialect="sqlite", schema=version)
    except sqlite3.Error as error:
        raise mapped(error) from error
    finally:
        copy.close()
        source.close()


def _put_sqlite(source: Path, path: Path) -> None:
    # A log left beside the file would be replayed into it: it belongs to the database that was there before.
    for name in (path.name, *(f"{path.name}{end}" for end in ("-wal", "-shm", "-journal"))):
        if path.with_name(name).exists():
            raise BackupError(f"{path.with_name(name)} exists already. Move it away first.")
    if not source.is_file():
        raise BackupError(f"{source} is missing: the backup is not whole.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        shutil.copyfile(source, partial)
        partial.chmod(0o600)
        _void_sessions(partial)
        _sync(partial)
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _void_sessions(path: Path) -> None:
    """Stored sessions have gone on since the backup, and numbers they used since must not be used again."""
    connection = sqlite3.connect(path)
    try:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'session_generation'").fetchone():
            connection.execute("UPDATE session_generation SET generation = ?", (secrets.token_hex(16),))
            connection.commit()
    except sqlite3.Error as error:
        raise mapped(error) from error
    finally:
        connection.close()


_TABLES = (
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'alembic_version'"
    " ORDER BY tablename"
)


async def _dump_postgresql(database: PostgresqlDatabase, folder: Path) -> Manifest:
    connection = await _connect(database)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            version = await connection.fetchval("SELECT version_num FROM alembic_version")
            tables = [row[0] for row in await connection.fetch(_TABLES)]
            for table in tables:
                await connection.copy_from_table(table, output=folder / f"{table}.copy", format="binary")
        return Manifest(dialect="postgresql", schema=version, tables=tables)
    finally:
        await connection.close()


async def _load_postgresql(database: PostgresqlDatabase, folder: Path, manifest: Manifest) -> None:
    from lamplighter.storage.migrations import upgrade

    connection = await _connect(database)
    try:
        async with connection.transaction():
            if await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"):
                raise BackupError("The PostgreSQL database is not empty. Create a new one and name it in database.url.")
            await connection.execute(upgrade.for_postgresql(None, manifest.schema))
            made = {row[0] for row in await connection.fetch(_TABLES)}
            strange = sorted(set(manifest.tables) - made)
            if strange:
                raise BackupError(f"{folder} names tables that the schema {manifest.schema} does not have: {strange}")
            for table in manifest.tables:
                await connection.execute(f"DELETE FROM {table}")  # what a migration may have put there
                await connection.copy_to_table(table, source=folder / f"{table}.copy", format="binary")
            await _renumber_events(connection)
            await _go_on_counting(connection)
            if "session_generation" in made:
                await connection.execute("UPDATE session_generation SET generation = $1", secrets.token_hex(16))
    finally:
        await connection.close()


async def _renumber_events(connection: Any) -> None:
    """Number the events anew, and with them every place in the log that any table keeps.

    Another server counts its transactions from elsewhere; what was before the backup comes before all of them. A table
    keeps a place as two columns, ``xid`` and ``position`` or with the same prefix before both (``since_xid``,
    ``since_position``).
    """
    await connection.execute(
        "CREATE TEMPORARY TABLE renumbered ON COMMIT DROP AS"
        " SELECT row_number() OVER (ORDER BY xid, position) AS place, * FROM events"
    )
    await connection.execute("CREATE INDEX ON renumbered (xid, position)")
    places = await connection.fetch(
        "SELECT x.table_name, x.column_name, p.column_name FROM information_schema.columns x"
        " JOIN information_schema.columns p ON p.table_schema = x.table_schema AND p.table_name = x.table_name"
        " AND p.column_name = regexp_replace(x.column_name, 'xid$', 'position')"
        " WHERE x.table_schema = current_schema() AND x.table_name <> 'events' AND x.column_name ~ '^(.*_)?xid$'"
    )
    for table, xid, position in places:
        await connection.execute(
            f"UPDATE {table} AS c SET {xid} = 0, {position} = coalesce((SELECT e.place FROM renumbered AS e"
            f" WHERE (e.xid, e.position) <= (c.{xid}, c.{position}) ORDER BY e.xid DESC, e.position DESC LIMIT 1), 0)"
        )
    await connection.execute("DELETE FROM events")
    await connection.execute(
        "INSERT INTO events (position, xid, kind, account_id, device_id, time, data)"
        " SELECT place, 0, kind, account_id, device_id, time, data FROM renumbered"
    )


async def _go_on_counting(connection: Any) -> None:
    """Set every counter of a column behind the greatest number that is in it."""
    columns = await connection.fetch(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0"
        " AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL"
    )
    for table, column in columns:
        counter = f"pg_get_serial_sequence('{table}', '{column}')"
        await connection.execute(f"SELECT setval({counter}, coalesce(max({column}), 0) + 1, false) FROM {table}")


async def _connect(database: PostgresqlDatabase) -> Any:
    try:
        return await asyncpg.connect(database.url, timeout=database.timeout, server_settings=SERVER_SETTINGS)
    except UNAVAILABLE as error:
        raise unavailable(error) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
