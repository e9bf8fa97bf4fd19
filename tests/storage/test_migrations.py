"""The migrations make exactly the tables that the services describe."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

import lamplighter.bus.log
import lamplighter.bus.outbox
import lamplighter.services
from lamplighter.storage import migrations
from lamplighter.storage.database import Database
from lamplighter.storage.migrations import SchemaTooNew, head, known, migrate_postgresql, migrate_sqlite, upgrade
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.query import DialectName
from lamplighter.storage.schema import metadata
from tests.servers import PostgresServer

Catalogue = dict[str, Any]


def tables_of_the_program() -> list[sa.Table]:
    """Every table of the services, whichever of their modules has it, and of the bus."""
    for module in pkgutil.walk_packages(lamplighter.services.__path__, "lamplighter.services."):
        importlib.import_module(module.name)
    return [table for table in metadata.sorted_tables if not table.info.get("of_tests")]


def ddl_of_the_program(dialect: DialectName) -> list[str]:
    statements: list[str] = []
    url = "sqlite://" if dialect == "sqlite" else "postgresql+asyncpg://"

    def collect(statement: Any, *_: Any, **__: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine(url, collect)
    tables = [table for table in tables_of_the_program() if table.info.get("dialect", dialect) == dialect]
    metadata.create_all(engine, tables=tables, checkfirst=False)
    return statements


def sqlite_catalogue(connection: sqlite3.Connection) -> Catalogue:
    found: Catalogue = {}
    names = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name != 'alembic_version'"
    ).fetchall()
    for table, sql in names:
        columns = sorted(row[1:7] for row in connection.execute(f"PRAGMA table_xinfo({table})"))
        indexes = []
        for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list({table})").fetchall():
            parts = [row[1:] for row in connection.execute(f"PRAGMA index_xinfo({index})")]
            # The key of a table WITHOUT ROWID is no index of its own.
            (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [index]).fetchone() or (None,)
            parts = [part[1:] for part in parts if part[-1]]  # the number of a column may differ
            indexes.append(
                (index if origin == "c" else "", unique, origin, partial, parts, " ".join((text or "").split()))
            )
        keys = sorted(row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})"))
        names_of_constraints = sorted(part.split()[0] for part in sql.split("CONSTRAINT ")[1:])
        flags = [flag in sql for flag in ("WITHOUT ROWID", "AUTOINCREMENT")]
        found[table] = (columns, sorted(indexes, key=str), keys, names_of_constraints, flags)
    return found


async def postgres_catalogue(connection: Any) -> Catalogue:
    found: Catalogue = {}
    for query in (
        """SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod), a.attnotnull, o.collname,
                  pg_get_expr(d.adbin, d.adrelid)
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_collation o ON o.oid = a.attcollation
           LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
           WHERE c.relkind = 'r' AND a.attnum > 0 AND c.relnamespace = 'public'::regnamespace""",
        "SELECT 'index ' || indexname AS name, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        """SELECT 'constraint ' || conrelid::regclass || ' ' || conname AS name, pg_get_constraintdef(oid)
           FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    ):
        for row in await connection.fetch(query):
            if "alembic_version" not in row["name"]:
                found[row["name"]] = tuple(row)
    return found


def test_migrating_an_empty_sqlite_file_makes_exactly_the_tables_of_the_program(tmp_path: Path) -> None:
    migrate_sqlite(tmp_path / "migrated.db", 5)
    migrated = sqlite3.connect(tmp_path / "migrated.db")
    described = sqlite3.connect(":memory:")
    for statement in ddl_of_the_program("sqlite"):
        described.execute(statement)
    try:
        assert sqlite_catalogue(migrated) == sqlite_catalogue(described)
    finally:
        migrated.close()
        described.close()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_migrating_an_empty_postgresql_database_makes_exactly_the_tables_of_the_program(
    database: Database, postgres: PostgresServer
) -> None:
    assert isinstance(database, PostgresqlDatabase)
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute("DROP DATABASE IF EXISTS described")
    await admin.execute("CREATE DATABASE described")
    migrated, described = await asyncpg.connect(database.url), await asyncpg.connect(postgres.url("described"))
    try:
        for statement in ddl_of_the_program("postgresql"):
            await described.execute(statement)
        assert await postgres_catalogue(migrated) == await postgres_catalogue(described)
    finally:
        await migrated.close()
        await described.close()
        await admin.execute("DROP DATABASE described")
        await admin.close()


def test_every_name_fits_into_63_bytes() -> None:
    for table in tables_of_the_program():
        for thing in (table, *table.columns, *table.constraints, *table.indexes):
            assert len(str(thing.name).encode()) <= 63, thing.name


def test_the_versions_are_one_chain_in_the_order_of_their_names() -> None:
    before = None
    for version in known():
        text = (migrations.VERSIONS / f"{version}.py").read_text()
        namespace: dict[str, Any] = {}
        exec(compile(text, version, "exec"), namespace)
        assert (namespace["revision"], namespace["down_revision"]) == (version, before)
        assert len(version) <= 32, "Alembic's column holds no more"
        before = version


def test_a_database_that_is_up_to_date_starts_without_alembic(tmp_path: Path, sqlite_template: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from lamplighter.settings import Settings\n"
        "from lamplighter.storage.open import open_database\n"
        "async def main():\n"
        "    database = open_database(Settings(), pathlib.Path(sys.argv[1]))\n"
        "    await database.start()\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )
    outcomes = [
        subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outcomes == ["True\n", "False\n"]


def test_a_sqlite_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    migrate_sqlite(path, 5)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    connection.close()
    with pytest.raises(SchemaTooNew, match="9999_future"):
        migrate_sqlite(path, 5)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_postgresql_database_of_a_newer_version_is_refused(
    open_database: Callable[[], Database],
) -> None:
    newer = open_database()
    assert isinstance(newer, PostgresqlDatabase)
    connection = await asyncpg.connect(newer.url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    await connection.close()
    with pytest.raises(SchemaTooNew, match="9999_future"):
        await newer.start()


async def test_processes_that_start_together_migrate_sqlite_once(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    await asyncio.gather(*(asyncio.to_thread(migrate_sqlite, path, 20) for _ in range(4)))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
    connection.close()


async def test_processes_that_start_together_migrate_postgresql_once(postgres: PostgresServer) -> None:
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute("DROP DATABASE IF EXISTS together")
    await admin.execute("CREATE DATABASE together")
    connections = [await asyncpg.connect(postgres.url("together")) for _ in range(4)]
    try:
        await asyncio.gather(*(migrate_postgresql(connection) for connection in connections))
        assert await connections[0].fetchval("SELECT version_num FROM alembic_version") == head()
    finally:
        for connection in connections:
            await connection.close()
        await admin.execute("DROP DATABASE together")
        await admin.close()


BEFORE_NAMES = "0017_notification_attributes"
A_CHANNEL = (
    "INSERT INTO channels (account_id, subject_id, id, mechanism, serialization, xid, position, since_xid, since_position, "
    "created_at, endpoint, failures, discarded) "
    "VALUES ('a', 's', 'c', 'CALLBACK', '{\"type\": \"v2\"}', 3, 7, 1, 2, 9, {bytes}, 4, 5)"
)
A_FAILURE = (
    "INSERT INTO webhook_failures (account_id, subject_id, id, time, kind, status, reason, duration) "
    "VALUES ('a', 's', 'f', 8, 'status', 500, 'it answered 500', 6)"
)
THE_CHANNEL = (
    "SELECT name, id, mechanism, xid, position, turn, since_xid, since_position, created_at, endpoint, failures, discarded, "
    "losses FROM channels"
)
AS_IT_WAS = ("", "c", "CALLBACK", 3, 7, 0, 1, 2, 9, b"\x01\xff", 4, 5, None)
THE_FAILURE = "SELECT account_id, subject_id, name, id, time, kind, status, reason, duration FROM webhook_failures"
AS_IT_FAILED = ("a", "s", "", "f", 8, "status", 500, "it answered 500", 6)


def test_on_sqlite_channels_from_before_they_had_names_are_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    upgrade.on_sqlite(connection, BEFORE_NAMES)
    connection.execute(A_CHANNEL.replace("{bytes}", "x'01ff'"))
    connection.execute(A_FAILURE)
    connection.execute("COMMIT")
    migrate_sqlite(path, 5)
    assert connection.execute(THE_CHANNEL).fetchall() == [AS_IT_WAS]
    assert connection.execute(THE_FAILURE).fetchall() == [AS_IT_FAILED]
    connection.close()


async def test_on_postgresql_channels_from_before_they_had_names_are_as_they_were(postgres: PostgresServer) -> None:
    admin = await asyncpg.connect(postgres.url("postgres"))
    await admin.execute("DROP DATABASE IF EXISTS unnamed")
    await admin.execute("CREATE DATABASE unnamed")
    connection = await asyncpg.connect(postgres.url("unnamed"))
    try:
        await connection.execute(upgrade.for_postgresql(None, BEFORE_NAMES))
        await connection.execute(A_CHANNEL.replace("{bytes}", "'\\x01ff'"))
        await connection.execute(A_FAILURE)
        await migrate_postgresql(connection)
        assert [tuple(row) for row in await connection.fetch(THE_CHANNEL)] == [AS_IT_WAS]
        assert [tuple(row) for row in await connection.fetch(THE_FAILURE)] == [AS_IT_FAILED]
    finally:
        await connection.close()
        await admin.execute("DROP DATABASE unnamed")
        await admin.close()
