"""What every database does alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from lamplighter.bus.outbox import events
from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.services.support.store import switches
from lamplighter.storage.database import Database, Reader, Transaction, TransactionFailed, UniqueViolation
from lamplighter.storage.later import Touch
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import BigInteger, Double, Json, LargeBinary, SmallInteger, Text, metadata
from lamplighter.storage.sqlite import SqliteDatabase
from tests.servers import PostgresServer

lamps = sa.Table(
    "lamps",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("watts", BigInteger),
    sa.Column("lit", SmallInteger),
    sa.Column("height", Double),
    sa.Column("photo", LargeBinary),
    sa.Column("notes", Json),
    sa.PrimaryKeyConstraint("account_id", "id", name="pk_lamps"),
    sa.UniqueConstraint("account_id", "watts", name="uq_lamps_account_id_watts"),
    sa.Index("ix_lamps_height", "height", unique=True),
    info={"of_tests": True},
)
INSERT = Query(sa.insert(lamps).values(account_id="a", id=sa.bindparam("id"), name=sa.bindparam("name")))
GET = Query(sa.select(lamps).where(lamps.c.account_id == "a", lamps.c.id == sa.bindparam("id")))
ALL = Query(sa.select(lamps.c.id).order_by(lamps.c.id))


@pytest.fixture(autouse=True)
async def _table(database: Database) -> None:
    ddl = (
        'CREATE TABLE lamps (account_id TEXT COLLATE "C", id TEXT COLLATE "C", name TEXT, watts BIGINT, lit SMALLINT,'
        " height DOUBLE PRECISION, photo BYTEA, notes JSONB, CONSTRAINT pk_lamps PRIMARY KEY (account_id, id),"
        " CONSTRAINT uq_lamps_account_id_watts UNIQUE (account_id, watts))"
    )
    if database.dialect == "sqlite":
        ddl = ddl.replace(' COLLATE "C"', "").replace("BYTEA", "BLOB").replace("JSONB", "TEXT")
    async with database.transaction() as tx:
        await tx.execute(Query(sa.text(ddl)))
        await tx.execute(Query(sa.text("CREATE UNIQUE INDEX ix_lamps_height ON lamps (height)")))


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


async def test_the_failure_of_one_hurts_no_other_of_the_same_commit(database: Database) -> None:
    async def one(number: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(INSERT, id=f"{number:02}", name="x")
            if number % 3 == 0:
                raise ValueError(number)

    outcomes = await asyncio.gather(*(one(number) for number in range(30)), return_exceptions=True)
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [number % 3 == 0 for number in range(30)]
    assert await ids(database) == [f"{number:02}" for number in range(30) if number % 3]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(ValueError, match="no"):
        async with database.transaction() as tx:
            await tx.execute_many(INSERT, [{"id": str(n), "name": None} for n in range(300)])
            raise ValueError("no")
    assert await ids(database) == []


async def test_a_transaction_sees_what_it_wrote_and_nobody_else_does(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="1", name="one")
        assert [row["id"] for row in await tx.fetch_all(ALL)] == ["1"]
        assert await database.fetch_one(GET, id="1") is None


async def test_a_unique_violation_names_the_constraint(database: Database) -> None:
    insert_all = Query(sa.text("INSERT INTO lamps (account_id, id, watts, height) VALUES ('a', :id, :watts, :height)"))
    async with database.transaction() as tx:
        await tx.execute(insert_all, id="1", watts=1, height=1.0)
    for values, constraint in (
        ({"id": "1", "watts": 2, "height": 2.0}, "pk_lamps"),
        ({"id": "2", "watts": 1, "height": 2.0}, "uq_lamps_account_id_watts"),
        ({"id": "2", "watts": 2, "height": 1.0}, "ix_lamps_height"),
    ):
        with pytest.raises(UniqueViolation) as raised:
            async with database.transaction() as tx:
                await tx.execute(insert_all, **values)
        assert raised.value.constraint == constraint


async def test_going_on_after_a_failed_statement_is_refused(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="1", name="one")
    with pytest.raises(TransactionFailed):
        async with database.transaction() as tx:
            await tx.execute(INSERT, id="2", name="two")
            with pytest.raises(UniqueViolation):
                await tx.execute(INSERT, id="1", name="again")
    with pytest.raises(TransactionFailed):
        async with database.transaction() as tx:
            with pytest.raises(UniqueViolation):
                await tx.execute(INSERT, id="1", name="again")
            await tx.execute(INSERT, id="3", name="three")
    assert await ids(database) == ["1"]


async def test_a_savepoint_takes_the_failure_of_a_statement(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="1", name="one")
        with pytest.raises(UniqueViolation):
            async with tx.savepoint():
                await tx.execute(INSERT, id="2", name="undone")
                await tx.execute(INSERT, id="1", name="again")
        async with tx.savepoint():
            await tx.execute(INSERT, id="3", name="three")
    assert await ids(database) == ["1", "3"]


async def test_a_cancelled_task_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    inside = asyncio.Event()

    async def never_ends() -> None:
        async with database.transaction() as tx:
            await tx.execute(INSERT, id="1", name="one")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="2", name="two")
    assert await ids(database) == ["2"]


async def test_tasks_cancelled_at_any_moment_leave_all_or_nothing(database: Database) -> None:
    async def pair(number: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(INSERT, id=f"{number:03}a", name="x")
            await tx.execute(INSERT, id=f"{number:03}b", name="x")

    tasks = []
    for number in range(120):
        tasks.append(asyncio.create_task(pair(number)))
        if number % 4 == 3:
            for _ in range(number % 7):
                await asyncio.sleep(0)  # a turn of the loop, not a wait
            tasks[number - number % 3].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    async with database.transaction() as tx:  # behind every one of them
        await tx.execute(INSERT, id="last", name="x")
    found = set(await ids(database))
    for number, outcome in enumerate(outcomes):
        rows = {f"{number:03}a", f"{number:03}b"} & found
        assert len(rows) == 2 if outcome is None else len(rows) in (0, 2)


async def test_callbacks_run_after_the_commit_and_only_then(database: Database) -> None:
    called: list[str] = []
    with pytest.raises(ValueError):
        async with database.transaction() as tx:
            tx.after_commit(lambda: called.append("never"))
            raise ValueError
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="1", name="one")
        tx.after_commit(lambda: called.append("once"))
        assert called == []
    assert called == ["once"]


async def test_a_transaction_that_has_ended_takes_nothing_more(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="1", name="one")
    with pytest.raises(RuntimeError, match="ended"):
        await tx.execute(INSERT, id="2", name="two")


async def test_every_kind_of_value_comes_back_as_it_was(database: Database) -> None:
    values = {
        "account_id": "a",
        "id": "æb",
        "name": None,
        "watts": -(2**63),
        "lit": 1,
        "height": 0.1,
        "photo": bytes(range(256)),
        "notes": '{"a": [1, "é"]}',
    }
    async with database.transaction() as tx:
        await tx.execute(Query(sa.insert(lamps)), **values)
    row = await database.fetch_one(GET, id=values["id"])
    assert row is not None and {name: row[name] for name in row.keys()} == values


async def test_an_in_list_of_any_length_works(database: Database) -> None:
    some = Query(sa.select(lamps.c.id).where(lamps.c.id.in_(sa.bindparam("ids", expanding=True))).order_by(lamps.c.id))
    others = Query(sa.select(lamps.c.id).where(lamps.c.id.not_in(sa.bindparam("ids", expanding=True))))
    async with database.transaction() as tx:
        await tx.execute_many(INSERT, [{"id": f"{n:02}", "name": None} for n in range(20)])
    for length in (0, 1, 2, 3, 5, 8, 17, 20):
        wanted = [f"{n:02}" for n in range(length)]
        assert [row[0] for row in await database.fetch_all(some, ids=wanted)] == wanted
        assert len(await database.fetch_all(others, ids=wanted)) == 20 - length


async def test_returning_and_upserts_work(database: Database) -> None:
    upsert = insert(lamps).values(account_id="a", id=sa.bindparam("id"), name=sa.bindparam("name"))
    query = Query(
        upsert.on_conflict_do_update(
            index_elements=[lamps.c.account_id, lamps.c.id], set_={"name": upsert.excluded.name}
        ).returning(lamps.c.name)
    )
    update = Query(sa.update(lamps).values(name="three"))
    for name in ("one", "two"):
        async with database.transaction() as tx:
            row = await tx.fetch_one(query, id="1", name=name)
            assert row is not None and row["name"] == name
    async with database.transaction() as tx:
        assert await tx.execute(update) == 1
        assert await tx.execute(Query(sa.delete(lamps), heavy=True)) == 1


async def test_a_value_that_is_missing_or_unknown_is_named(database: Database) -> None:
    with pytest.raises(TypeError, match=r"missing values \['id'\], unknown values \['idd'\]"):
        await database.fetch_one(GET, idd="1")
    with pytest.raises(TypeError, match=r"unknown values \['x'\]"):
        await database.fetch_one(GET, id="1", x=1)


async def test_text_sorts_bytewise(database: Database) -> None:
    words = ["a", "B", "é", "Z", "z", "_", "10", "9", "aa", "a b"]
    async with database.transaction() as tx:
        await tx.execute_many(INSERT, [{"id": word, "name": None} for word in words])
    assert await ids(database) == sorted(words, key=lambda word: word.encode())


async def test_two_handles_see_each_others_work(database: Database, open_database: Callable[[], Database]) -> None:
    other = open_database()
    await other.start()
    try:

        async def write(where: Database, number: int) -> None:
            async with where.transaction() as tx:
                await tx.execute(INSERT, id=f"{number:02}", name="x")

        await asyncio.gather(*(write((database, other)[number % 2], number) for number in range(40)))
        assert await ids(database) == await ids(other) == [f"{number:02}" for number in range(40)]
    finally:
        await other.close()


async def test_a_closed_database_is_unavailable(open_database: Callable[[], Database]) -> None:
    closed = open_database()
    await closed.start()
    await closed.close()
    with pytest.raises(DatabaseUnavailable):
        await closed.fetch_one(GET, id="1")
    with pytest.raises(DatabaseUnavailable):
        async with closed.transaction():
            raise AssertionError("a closed database let a transaction begin")


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_postgresql_may_restart_under_us(database: Database, postgres: PostgresServer) -> None:
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="1", name="one")
    postgres.stop(crash=True)
    try:
        with pytest.raises(DatabaseUnavailable) as raised:
            await database.fetch_one(GET, id="1")
        assert raised.value.retry_after is not None
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as tx:
                await tx.execute(INSERT, id="2", name="two")
    finally:
        postgres.start()
    async with database.transaction() as tx:
        await tx.execute(INSERT, id="3", name="three")
    assert await ids(database) == ["1", "3"]


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_restart_in_the_middle_of_a_transaction_keeps_nothing_of_it(
    database: Database, postgres: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as tx:
            await tx.execute(INSERT, id="1", name="one")
            postgres.stop()
            postgres.start()
            await tx.execute(INSERT, id="2", name="two")
    assert await ids(database) == []


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_pool_without_a_free_connection_is_unavailable(postgres: PostgresServer, database: Database) -> None:
    assert isinstance(database, PostgresqlDatabase)
    small = PostgresqlDatabase(database.url, pool=1)
    await small.start()
    small.timeout = 0.05
    try:
        async with small.transaction():
            with pytest.raises(DatabaseUnavailable):
                await small.fetch_one(GET, id="1")
    finally:
        await small.close()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_transaction_inside_a_transaction_is_refused(database: Database) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"):
        async with database.transaction():
            async with database.transaction():
                raise AssertionError("the writer would wait for itself")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_full_disk_fails_every_transaction_of_the_commit(database: Database) -> None:
    assert isinstance(database, SqliteDatabase)
    big = Query(sa.insert(lamps).values(account_id="a", id=sa.bindparam("id"), photo=sa.bindparam("photo")))
    assert database._writer is not None
    pages = database._writer.connection.execute("PRAGMA page_count").fetchone()[0]
    database._writer.connection.execute(f"PRAGMA max_page_count={pages + 4}")

    async def one(number: int) -> None:
        async with database.transaction() as tx:
            await tx.execute(big, id=str(number), photo=bytes(4000))

    outcomes = await asyncio.gather(*(one(number) for number in range(12)), return_exceptions=True)
    kept = {str(number) for number, outcome in enumerate(outcomes) if outcome is None}
    assert all(outcome is None or isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)
    assert len(kept) < 12
    assert set(await ids(database)) == kept
    database._writer.connection.execute("PRAGMA max_page_count=1000000")
    await one(99)
    assert set(await ids(database)) == kept | {"99"}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_commit_that_fails_fails_its_transactions_and_the_next_works(database: Database) -> None:
    """A deferred foreign key is a failure that SQLite finds only at COMMIT."""
    async with database.transaction() as tx:
        await tx.execute(
            Query(
                sa.text(
                    "CREATE TABLE shades (lamp TEXT REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED)",
                )
            )
        )
        await tx.execute(Query(sa.text("CREATE TABLE owners (id TEXT PRIMARY KEY)")))

    async def one(number: int, orphan: bool) -> None:
        async with database.transaction() as tx:
            await tx.execute(INSERT, id=str(number), name="x")
            if orphan:
                await tx.execute(Query(sa.text("INSERT INTO shades VALUES ('nobody')")))

    outcomes = await asyncio.gather(*(one(n, orphan=n == 2) for n in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)
    assert await ids(database) == []
    await one(7, orphan=False)
    assert await ids(database) == ["7"]


async def test_rows_inserted_later_are_there_for_every_read_and_gone_with_what_is_undone(database: Database) -> None:
    def rows(*numbers: int) -> list[dict[str, Any]]:
        return [{"kind": "K", "account_id": "a", "device_id": None, "time": n, "data": "{}"} for n in numbers]

    times = Query(sa.select(events.c.time).order_by(events.c.position))
    switch = {"name": "s", "value": "1"}
    async with database.transaction() as tx:
        await tx.insert_later(events, rows(1, 2))
        await tx.insert_later(switches, [switch])
        await tx.insert_later(events, [])
        assert [row[0] for row in await tx.fetch_all(times)] == [1, 2]
        await tx.insert_later(events, rows(3))
        with pytest.raises(KeyError):
            async with tx.savepoint():
                await tx.insert_later(events, rows(4))
                raise KeyError
        async with tx.savepoint():
            await tx.insert_later(events, rows(5))
    assert [row[0] for row in await database.fetch_all(times)] == [1, 2, 3, 5]
    with pytest.raises(KeyError):
        async with database.transaction() as tx:
            await tx.insert_later(events, rows(6))
            raise KeyError
    called: list[int] = []
    with pytest.raises(UniqueViolation):
        async with database.transaction() as tx:
            tx.after_commit(lambda: called.append(1))
            await tx.insert_later(events, rows(7))
            await tx.insert_later(switches, [switch])
    assert [row[0] for row in await database.fetch_all(times)] == [1, 2, 3, 5] and not called


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_a_process_that_hangs_inside_a_transaction_is_cut_off(
    open_database: Callable[[], Database], postgres: PostgresServer
) -> None:
    hanging, other = open_database(), open_database()
    assert isinstance(hanging, PostgresqlDatabase)
    hanging.timeout = 0.2
    await hanging.start()
    await other.start()
    add = Query(insert(switches).values(name="s", value="1").on_conflict_do_nothing())
    with pytest.raises(DatabaseUnavailable):
        async with hanging.transaction() as tx:
            await tx.execute(add)
            async with other.transaction() as waits:  # until the first is cut off
                assert await waits.execute(add) == 1
    await hanging.close()
    await other.close()


async def test_work_done_together_is_each_callers_own(database: Database) -> None:
    """Whoever fails, early or late, takes nobody along, and whoever succeeds is told once."""
    told: list[int] = []

    async def call(number: int) -> int:
        async def work(tx: Transaction) -> int:
            if number % 5 == 1:
                raise KeyError(number)  # before anything was written
            await tx.execute(INSERT, id=str(number), name="n")
            if number % 5 == 2:
                raise KeyError(number)
            if number % 5 == 3:
                await tx.execute(INSERT, id=str(number), name="again")
            tx.after_commit(lambda: told.append(number))
            return number

        return await database.together(work)

    results = await asyncio.gather(*(call(number) for number in range(150)), return_exceptions=True)
    kinds = {0: "int", 1: "KeyError", 2: "KeyError", 3: "UniqueViolation", 4: "int"}
    assert [type(each).__name__ for each in results] == [kinds[number % 5] for number in range(150)]
    good = [number for number in range(150) if number % 5 in (0, 4)]
    assert [results[number] for number in good] == good == sorted(told)
    assert sorted(int(row["id"]) for row in await database.fetch_all(ALL)) == good


async def test_a_caller_who_is_cancelled_among_others_leaves_them_alone(database: Database) -> None:
    async def call(number: int) -> None:
        await database.together(lambda tx: tx.execute(INSERT, id=str(number), name="n"))

    tasks = [asyncio.create_task(call(number)) for number in range(20)]
    for turn in range(3):
        await asyncio.sleep(0)
        tasks[turn].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in done[3:] if each is not None] == []
    found = {int(row["id"]) for row in await database.fetch_all(ALL)}
    assert set(range(3, 20)) <= found


RENAME = Touch(lamps, keys=("account_id", "id"), values=("name",), highest=("watts",))


async def touch(tx: Transaction, number: int, name: str, watts: int) -> None:
    await tx.touch_later(RENAME, lambda: KeyError(number), account_id="a", id=str(number), name=name, watts=watts)


async def stored(reader: Reader, number: int) -> tuple[Any, ...]:
    row = await reader.fetch_one(GET, id=str(number))
    assert row is not None
    return row["name"], row["watts"]


async def test_a_touched_row_is_seen_by_every_read_and_keeps_the_highest(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(Query(sa.insert(lamps).values(account_id="a", id="1", name="new", watts=5)))
    async with database.transaction() as tx:
        await touch(tx, 1, "first", 9)
        await touch(tx, 1, "last", 7)
        assert await stored(tx, 1) == ("last", 9)
        await touch(tx, 1, "after", 8)
        with pytest.raises(ValueError, match="undone"):
            async with tx.savepoint():
                await touch(tx, 1, "never", 99)
                raise ValueError("undone")
    assert await stored(database, 1) == ("after", 9)


async def test_what_is_touched_and_not_there_fails_its_own_caller_only(database: Database) -> None:
    there = [number for number in range(30) if number % 10]
    async with database.transaction() as tx:
        for number in there:
            await tx.execute(
                Query(sa.insert(lamps).values(account_id="a", id=str(number), name="old", watts=100 + number))
            )
    happened = {"kind": "K", "account_id": "a", "device_id": None, "data": "{}"}

    async def call(number: int) -> int:
        async def work(tx: Transaction) -> int:
            await touch(tx, number, "new", 0)
            await tx.insert_later(events, [{**happened, "time": number}])
            return number

        return await database.together(work)

    results = await asyncio.gather(*(call(number) for number in range(30)), return_exceptions=True)
    assert [each for each in results if isinstance(each, int)] == there
    assert [each.args for each in results if isinstance(each, KeyError)] == [(0,), (10,), (20,)]
    assert [await stored(database, number) for number in there] == [("new", 100 + number) for number in there]
    told = await database.fetch_all(Query(sa.select(events.c.time).order_by(events.c.time)))
    assert [row["time"] for row in told] == there


async def test_who_comes_as_a_group_ends_has_the_next(database: Database) -> None:
    async def work(tx: Transaction) -> bool:
        return await tx.fetch_one(GET, id="1") is None

    assert [await database.together(work) for _ in range(50)] == [True] * 50
