"""The schema's versions: which one a database has, which one this program needs.

Alembic takes most of a second to import, so it is imported only when the two differ. Migrations go up only: to go back,
restore a backup made before. Each runs the same script on both databases, in one transaction, while other processes
wait.

A script in ``versions/`` is named ``<number>_<what>`` after its revision. It only emits statements
(``op.create_table``, ``op.execute``): on PostgreSQL it is rendered to SQL first, so it cannot read. ``operations.py``
has what scripts need.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

VERSIONS = Path(__file__).parent / "versions"
LOCK = 0x6C616D70
"""The PostgreSQL advisory lock that one migrating process holds."""


class SchemaTooNew(Exception):
    """The database was made by a newer version of the program, which alone can read it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"The database has the schema {version}, which this version of Lamplighter does not know. "
            "Install the newer version again, or restore the backup made before it."
        )


def known() -> list[str]:
    """Every revision of this program, oldest first."""
    return sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))


def head() -> str:
    """The schema this program needs."""
    return known()[-1]


def is_behind(version: str | None) -> bool:
    """Whether a database of that version (None: an empty one) must be migrated. Raises SchemaTooNew."""
    if version is not None and version not in known():
        raise SchemaTooNew(version)
    return version != head()


def migrate_sqlite(path: Path, timeout: float) -> None:
    """Bring the file's schema up to date; makes the file when absent. Raises SchemaTooNew, sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=timeout, check_same_thread=False)
    try:
        if not is_behind(_sqlite_version(connection)):
            return
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        if is_behind(_sqlite_version(connection)):
            from lamplighter.storage.migrations import upgrade

            upgrade.on_sqlite(connection)
        connection.execute("COMMIT")
    finally:
        connection.close()


async def migrate_postgresql(connection: Any) -> None:
    """Bring the database's schema up to date. Raises SchemaTooNew, asyncpg's errors.

    :param connection: asyncpg's
    """
    if not is_behind(await postgresql_version(connection)):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        version = await postgresql_version(connection)
        if is_behind(version):
            from lamplighter.storage.migrations import upgrade

            await connection.execute(upgrade.for_postgresql(version))


def _sqlite_version(connection: sqlite3.Connection) -> str | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def sqlite_version(path: Path) -> str | None:
    """The version of that file, opened for reading only; None: it is empty. Raises OSError where there is none."""
    if not path.exists():
        raise FileNotFoundError(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return _sqlite_version(connection)
    finally:
        connection.close()


async def postgresql_version(connection: Any) -> str | None:
    """The version of the database behind an asyncpg connection; None: it is empty."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return version
