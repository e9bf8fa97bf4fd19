"""Runs the migration scripts with Alembic. The only file that imports its environment."""

from __future__ import annotations

import io
import sqlite3
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from lamplighter.storage.migrations import VERSIONS
from lamplighter.storage.schema import metadata


def on_sqlite(connection: sqlite3.Connection, target: str = "head") -> None:
    """Run every script up to the target that the database has not seen, inside the transaction that is open on the
    connection."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    dialect: Any = engine.dialect
    # The caller commits, and the connection stays the caller's.
    dialect.do_commit = dialect.do_rollback = dialect.do_close = lambda _: None
    with engine.connect() as alchemy, _environment(target) as environment:
        environment.configure(connection=alchemy, target_metadata=metadata)
        environment.run_migrations()


def for_postgresql(version: str | None, target: str = "head") -> str:
    """The SQL that brings a database of that version (None: an empty one) to the target."""
    sql = io.StringIO()
    with _environment(target, as_sql=True, starting_rev=version) as environment:
        environment.configure(
            dialect_name="postgresql+asyncpg",
            output_buffer=sql,
            target_metadata=metadata,
            transactional_ddl=False,  # the caller has the transaction
            literal_binds=True,
        )
        environment.run_migrations()
    return sql.getvalue()


def _environment(target: str = "head", **options: Any) -> EnvironmentContext:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    return EnvironmentContext(
        config, script, fn=lambda revision, context: script._upgrade_revs(target, revision), **options
    )
