"""What tests of every folder may ask for: a database of each kind, and the servers behind them.

``database`` runs a test once on SQLite and once on PostgreSQL. A test of one kind only says
``@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog

from lamplighter.storage.database import Database
from lamplighter.storage.migrations import migrate_postgresql, migrate_sqlite
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.query import DialectName
from lamplighter.storage.sqlite import SqliteDatabase
from tests import contract
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


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conforms(*ids, peer): proves cases of an interoperability suite")


def pytest_report_header() -> str:
    """Said at the top and, with -q, at the end: whether answers are held against the public contract."""
    return _contract_line()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(_contract_line())
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    for reason, tests in skipped.items():
        terminalreporter.write_line(f"{reason} ({tests} tests)", yellow=True, bold=True)


def _reason(report: Any) -> str:
    """Why a test was skipped: the last of the three that pytest tells."""
    return str(report.longrepr[-1]).removeprefix("Skipped: ")


def _contract_line() -> str:
    folder = os.environ.get(contract.VARIABLE)
    if folder:
        return f"contract: every answer is held against {contract.VARIABLE}"
    return f"contract: NOT RUN, because {contract.VARIABLE} does not name the folder of the contract's data"


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


class PostgresDatabases:
    """Migrated, empty databases of one server. One that a test gives back is emptied and given to the next: that takes
    a few milliseconds, and making one takes hundreds."""

    USES = 100
    """Tests after which a database is made anew: nobody vacuums it."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[tuple[str, int]] = []
        self._numbers = itertools.count()
        self._made: Sequence[Any] = ()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[str]:
        """The name of a database that nobody else has."""
        if self._free:
            name, uses = self._free.pop()
        else:
            name, uses = f"test_{next(self._numbers)}", 0
            await _run(self._server.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {self._template}")
            self._made = self._made or await self._content(name)
        try:
            yield name
        finally:
            if uses < self.USES and await self._emptied(name):
                self._free.append((name, uses + 1))
            else:
                await _run(self._server.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")

    async def _content(self, name: str) -> Sequence[Any]:
        connection = await asyncpg.connect(self._server.url(name))
        try:
            rows: Sequence[Any] = await connection.fetch(_MADE)
            return rows
        finally:
            await connection.close()

    async def _emptied(self, name: str) -> bool:
        """Empty it; False when a test left more behind than rows."""
        connection = await asyncpg.connect(self._server.url(name))
        try:
            await connection.execute(_END_OTHERS)
            made = await connection.fetch(_MADE)
            if made != self._made:
                return False
            await connection.execute(";".join(row["emptying"] for row in made))
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()
        return True


_END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_MADE = (
    "SELECT relname, relnatts, CASE relkind WHEN 'r' THEN 'DELETE FROM ' || quote_ident(relname)"
    " WHEN 'S' THEN 'ALTER SEQUENCE ' || quote_ident(relname) || ' RESTART' ELSE '' END AS emptying"
    " FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname <> 'alembic_version'"
    " UNION ALL SELECT version_num, 0, '' FROM alembic_version ORDER BY 3, 1"
)
"""What there is, with a statement that empties each table and one that sets back each counter."""


@pytest.fixture(scope="session")
def postgres_databases(postgres: PostgresServer, postgres_template: str) -> PostgresDatabases:
    return PostgresDatabases(postgres, postgres_template)


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
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    async with databases.take() as name:
        yield lambda: PostgresqlDatabase(server.url(name), pool=4, timeout=5)


@pytest.fixture
async def database(open_database: Callable[[], Database]) -> AsyncIterator[Database]:
    """A migrated, empty, started database: the test runs once on each kind."""
    opened = open_database()
    await opened.start()
    yield opened
    await opened.close()


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
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    async with databases.take() as name:
        yield server.url(name)
