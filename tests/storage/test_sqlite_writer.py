"""SQLite's one writer: who shares a commit, and who waits."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.storage.sqlite import open_connection
from lamplighter.storage.sqlite_writer import MOST_TOGETHER, Writer


class Traced:
    """A writer, and the statements that it sent."""

    def __init__(self, path: Path, timeout: float = 5) -> None:
        self.statements: list[str] = []
        self._path = path
        self.writer = Writer(self._connect, timeout)

    def _connect(self) -> sqlite3.Connection:
        connection = open_connection(self._path, timeout=0)
        connection.set_trace_callback(self.statements.append)
        return connection

    async def write(self, number: int) -> None:
        await self.writer.enter()
        self.writer.connection.execute("INSERT INTO written VALUES (?)", [number])
        await self.writer.keep([])

    @property
    def commits(self) -> int:
        return self.statements.count("COMMIT")


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[Traced]:
    connection = sqlite3.connect(tmp_path / "w.db")
    connection.execute("CREATE TABLE written (number INTEGER PRIMARY KEY)")
    connection.commit()
    connection.close()
    made = Traced(tmp_path / "w.db")
    yield made
    await made.writer.close()


async def test_tasks_that_are_ready_together_share_a_commit(traced: Traced) -> None:
    await asyncio.gather(*(traced.write(number) for number in range(50)))
    assert traced.commits == 1


async def test_a_commit_takes_no_more_than_its_bound(traced: Traced) -> None:
    await asyncio.gather(*(traced.write(number) for number in range(2 * MOST_TOGETHER + 1)))
    assert traced.commits >= 3


async def test_one_alone_has_its_own_commit(traced: Traced) -> None:
    for number in range(3):
        await traced.write(number)
    assert traced.commits == 3


async def test_what_returned_can_be_read_by_another_process(traced: Traced, tmp_path: Path) -> None:
    await asyncio.gather(*(traced.write(number) for number in range(10)))
    other = sqlite3.connect(tmp_path / "w.db")
    assert other.execute("SELECT count(*) FROM written").fetchone() == (10,)
    other.close()


async def test_the_loop_goes_on_while_another_process_writes(traced: Traced, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "w.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(traced.write(1))
    turns = 0
    while turns < 100:  # the loop turns: it is not the loop that waits
        await asyncio.sleep(0)
        turns += 1
    assert not task.done()
    other.execute("COMMIT")
    await task
    assert other.execute("SELECT number FROM written").fetchall() == [(1,)]
    other.close()


async def test_another_process_that_never_ends_makes_the_database_unavailable(tmp_path: Path, traced: Traced) -> None:
    impatient = Traced(tmp_path / "w.db", timeout=0.05)
    other = sqlite3.connect(tmp_path / "w.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable):
        await impatient.write(1)
    other.execute("ROLLBACK")
    await impatient.write(2)
    assert other.execute("SELECT number FROM written").fetchall() == [(2,)]
    other.close()
    await impatient.writer.close()


async def test_a_writer_that_is_closed_finishes_what_waits_and_takes_no_more(traced: Traced, tmp_path: Path) -> None:
    tasks = [asyncio.create_task(traced.write(number)) for number in range(20)]
    await asyncio.sleep(0)
    await traced.writer.close()
    await asyncio.gather(*tasks)
    with pytest.raises(DatabaseUnavailable):
        await traced.write(99)
    other = sqlite3.connect(tmp_path / "w.db")
    assert other.execute("SELECT count(*) FROM written").fetchone() == (20,)
    other.close()


async def test_who_waits_too_long_for_the_turn_is_told_so_and_the_next_gets_it(tmp_path: Path, traced: Traced) -> None:
    impatient = Traced(tmp_path / "w.db", timeout=0.05)
    await impatient.writer.enter()
    waiting = [asyncio.create_task(impatient.write(number)) for number in (1, 2)]
    for task in waiting:
        with pytest.raises(DatabaseUnavailable):
            await task
    impatient.writer.connection.execute("INSERT INTO written VALUES (3)")
    await impatient.writer.keep([])
    await impatient.write(4)
    other = sqlite3.connect(tmp_path / "w.db")
    assert other.execute("SELECT number FROM written ORDER BY 1").fetchall() == [(3,), (4,)]
    other.close()
    await impatient.writer.close()


async def test_a_task_that_ended_inside_its_transaction_holds_nobody_up(traced: Traced, tmp_path: Path) -> None:
    async def forget_to_leave() -> None:
        await traced.writer.enter()
        traced.writer.connection.execute("INSERT INTO written VALUES (1)")

    await asyncio.create_task(forget_to_leave())
    async with asyncio.timeout(2):
        await traced.write(2)
    other = sqlite3.connect(tmp_path / "w.db")
    assert other.execute("SELECT number FROM written").fetchall() == [(2,)]
    other.close()


async def test_what_waited_when_the_writer_was_closed_is_on_disk_or_refused_never_left_hanging(
    tmp_path: Path, traced: Traced
) -> None:
    for turns in range(12):
        closing = Traced(tmp_path / "w.db")
        tasks = [asyncio.create_task(closing.write(100 * turns + number)) for number in range(20)]
        for _ in range(turns):
            await asyncio.sleep(0)
        late = asyncio.create_task(closing.writer.close())
        tasks += [asyncio.create_task(closing.write(100 * turns + number)) for number in range(20, 40)]
        async with asyncio.timeout(5):
            done = await asyncio.gather(*tasks, return_exceptions=True)
            await late
        other = sqlite3.connect(tmp_path / "w.db")
        rows = other.execute("SELECT number FROM written WHERE number / 100 = ?", [turns]).fetchall()
        other.close()
        assert [each for each in done if each is not None and not isinstance(each, DatabaseUnavailable)] == []
        assert sorted(row[0] % 100 for row in rows) == [n for n, each in enumerate(done) if each is None]


async def test_a_full_disk_fails_who_fills_it_and_what_returned_is_on_disk(traced: Traced, tmp_path: Path) -> None:
    await traced.write(1)
    connection = traced.writer.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 3}")

    async def write_much() -> None:
        await traced.writer.enter()
        try:
            traced.writer.connection.execute(
                "INSERT INTO written WITH RECURSIVE n(i) AS (VALUES(1000) UNION ALL SELECT i+1 FROM n WHERE i < 90000)"
                " SELECT i FROM n"
            )
        except sqlite3.OperationalError as error:
            traced.writer.undo()
            raise DatabaseUnavailable(retry_after=1) from error
        await traced.writer.keep([])

    results = await asyncio.gather(traced.write(2), write_much(), return_exceptions=True)
    assert [type(each) for each in results] == [type(None), DatabaseUnavailable]
    await traced.write(3)
    other = sqlite3.connect(tmp_path / "w.db")
    assert other.execute("SELECT number FROM written").fetchall() == [(1,), (2,), (3,)]
    assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()
