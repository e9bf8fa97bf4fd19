"""What every database does alike."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from lamplighter.storage.database import Database, UniqueViolation
from lamplighter.storage.query import Query
from lamplighter.storage.schema import BigInteger, Double, Json, LargeBinary, SmallInteger, Text

lamps = sa.Table(
    "lamps",
    sa.MetaData(),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("watts", BigInteger),
    sa.Column("lit", SmallInteger),
    sa.Column("height", Double),
    sa.Column("photo", LargeBinary),
    sa.Column("notes", Json),
    sa.PrimaryKeyConstraint("account_id", "id", name="pk_lamps"),
)
INSERT = Query(sa.insert(lamps).values(account_id="a", id=sa.bindparam("id"), name=sa.bindparam("name")))
GET = Query(sa.select(lamps).where(lamps.c.account_id == "a", lamps.c.id == sa.bindparam("id")))
ALL = Query(sa.select(lamps.c.id).order_by(lamps.c.id))


@pytest.fixture(autouse=True)
async def _table(database: Database) -> None:
    ddl = (
        'CREATE TABLE lamps (account_id TEXT COLLATE "C", id TEXT COLLATE "C", name TEXT, watts BIGINT, lit SMALLINT,'
        " height DOUBLE PRECISION, photo BYTEA, notes JSONB, CONSTRAINT pk_lamps PRIMARY KEY (account_id, id))"
    )
    if database.dialect == "sqlite":
        ddl = ddl.replace(' COLLATE "C"', "").replace("BYTEA", "BLOB").replace("JSONB", "TEXT")
    async with database.transaction() as tx:
        await tx.execute(Query(sa.text(ddl)))


async def ids(database: Database) -> list[str]:
    return [row["id"] for row in await database.fetch_all(ALL)]


async def test_what_a_transaction_wrote_is_there_when_it_returns(database: Database) -> None:
    async with database.transaction() as tx:
        assert await tx.execute(INSERT, id="1", name="one") == 1
    row = await database.fetch_one(GET, id="1")
    assert row is not None and row["name"] == "one" and row[2] == "one"


async def test_64_identical_inserts_at_once_make_one_row(database: Database) -> None:
    async def one() -> bool:
        try:
            async with database.transaction() as tx:
                await tx.execute(INSERT, id="1", name="one")
        except UniqueViolation:
            return False
        return True

    assert sum(await asyncio.gather(*(one() for _ in range(64)))) == 1
    assert await ids(database) == ["1"]
