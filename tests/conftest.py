"""What tests of every folder may ask for: a database of each kind, and the servers behind them.

``database`` runs a test once on SQLite and once on PostgreSQL. A test of one kind only says
``@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)``.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
import structlog

from lamplighter.storage.database import Database
from lamplighter.storage.migrations import migrate_postgresql, migrate_sqlite
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.query import DialectName
from lamplighter.storage.sqlite import SqliteDatabase
from tests.servers import NatsServer, PostgresServer

TEMPLATE = "lamplighter_template"

# What a failing test needs of the log are defects, with plain traces.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.dev.ConsoleRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(30),
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started on first use. Its URL for a database is ``postgres.url(name)``."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A NATS server, started on first use."""
    server = NatsServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> DialectName:
    kind: DialectName = request.param
    return kind


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrate_sqlite(path, 10)
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a migrated, empty PostgreSQL database to copy."""

    async def make() -> None:
        await _run(postgres.url("postgres"), f"CREATE DATABASE {TEMPLATE}")
        connection = await asyncpg.connect(postgres.url(TEMPLATE))
        try:
            await migrate_postgresql(connection)
        finally:
            await connection.close()

    # In a thread: the loop of the tests may be running.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    return TEMPLATE


@pytest.fixture
async def open_database(
    dialect: DialectName, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[[], Database]]:
    """A migrated, empty database of that kind: each call makes another handle on the same one, not yet started.

    Handles that were started must be closed by the test.
    """
    if dialect == "sqlite":
        path = tmp_path / "test.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield lambda: SqliteDatabase(path, readers=2, timeout=5)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{next(_numbers)}"
    await _run(server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield lambda: PostgresqlDatabase(server.url(name), pool=4, timeout=5)
    await _run(server.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(open_database: Callable[[], Database]) -> AsyncIterator[Database]:
    """A migrated, empty, started database: the test runs once on each kind."""
    opened = open_database()
    await opened.start()
    yield opened
    await opened.close()


_numbers = iter(range(1_000_000))


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database_url(dialect: DialectName, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The setting ``database.url`` of a migrated, empty PostgreSQL database; empty for SQLite."""
    if dialect == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{next(_numbers)}"
    await _run(server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url(name)
    await _run(server.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
