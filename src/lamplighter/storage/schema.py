"""The one collection of tables, the naming convention, and the column types that mean the same on both databases.

Every text column compares and sorts bytewise (``BINARY`` on SQLite, ``COLLATE "C"`` on PostgreSQL), so that an order
and a cursor into it are the same on both. Constraint names are at most 63 bytes long: PostgreSQL has no longer ones.

Columns have no Python-side ``default=``: statements run on the raw drivers, which know nothing of them. Use
``server_default=`` or give the value.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

NAMES: Final = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

metadata = sqlalchemy.MetaData(naming_convention=NAMES)
"""All tables of all services; each service adds its own in its ``store.py``."""

Text: TypeEngine[str] = sqlalchemy.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""str. Bytewise order."""

Json: TypeEngine[str] = sqlalchemy.Text().with_variant(postgresql.JSONB(), "postgresql")
"""str of JSON, read and written as text. PostgreSQL keeps it as JSONB: spaces and the order of keys are not kept."""

BigInteger: TypeEngine[int] = sqlalchemy.BigInteger()
"""int of 64 bits. Times are microseconds since 1970 UTC."""

SmallInteger: TypeEngine[int] = sqlalchemy.SmallInteger()
"""int of 16 bits; 0 and 1 for truth (asyncpg refuses True and False)."""

Double: TypeEngine[Any] = sqlalchemy.Double()
"""float."""

LargeBinary: TypeEngine[bytes] = sqlalchemy.LargeBinary()
"""bytes."""

Serial: TypeEngine[int] = sqlalchemy.BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
"""int that the database counts up, for a primary key of one column. On SQLite give the table
``sqlite_autoincrement=True`` so that a number is never used twice."""


class CurrentTransaction(FunctionElement[int]):
    """As ``server_default``: the number of the transaction that writes the row. 0 on SQLite, whose writers never
    overlap."""

    inherit_cache = True
    type = sqlalchemy.BigInteger()


@compiles(CurrentTransaction, "sqlite")
def _on_sqlite(element: CurrentTransaction, compiler: SQLCompiler, **options: Any) -> str:
    return "0"


@compiles(CurrentTransaction, "postgresql")
def _on_postgresql(element: CurrentTransaction, compiler: SQLCompiler, **options: Any) -> str:
    return "(pg_current_xact_id()::text)::bigint"


class OldestOpenTransaction(FunctionElement[int]):
    """The number below which every transaction has ended: rows of lower ones are all visible. No bound on SQLite."""

    inherit_cache = True
    type = sqlalchemy.BigInteger()


@compiles(OldestOpenTransaction, "sqlite")
def _open_on_sqlite(element: OldestOpenTransaction, compiler: SQLCompiler, **options: Any) -> str:
    return str(2**63 - 1)


@compiles(OldestOpenTransaction, "postgresql")
def _open_on_postgresql(element: OldestOpenTransaction, compiler: SQLCompiler, **options: Any) -> str:
    return "(pg_snapshot_xmin(pg_current_snapshot())::text)::bigint"


class History(FunctionElement[str]):
    """Which line of events the database is in: another one after a standby took over, or after going back to a point in
    time, when what was committed last may be missing. SQLite cannot tell, and gives nothing."""

    inherit_cache = True
    type = Text


@compiles(History, "sqlite")
def _history_on_sqlite(element: History, compiler: SQLCompiler, **options: Any) -> str:
    return "''"


@compiles(History, "postgresql")
def _history_on_postgresql(element: History, compiler: SQLCompiler, **options: Any) -> str:
    return "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"  # the timeline


class Alone(FunctionElement[Any]):
    """Waits until no other transaction is alone under the same name, and is so until its own ends: for what is counted
    and then added to. SQLite's writers are alone anyway."""

    inherit_cache = True


@compiles(Alone, "sqlite")
def _alone_on_sqlite(element: Alone, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)} IS NULL)"


@compiles(Alone, "postgresql")
def _alone_on_postgresql(element: Alone, compiler: SQLCompiler, **options: Any) -> str:
    return f"pg_advisory_xact_lock(hashtextextended({compiler.process(element.clauses, **options)}, 0))"


class Contains(FunctionElement[bool]):
    """Whether a text contains another, bytewise: LIKE differs in case between the databases, and has wildcards."""

    inherit_cache = True
    type = sqlalchemy.Boolean()


@compiles(Contains, "sqlite")
def _contains_on_sqlite(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"


@compiles(Contains, "postgresql")
def _contains_on_postgresql(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"
