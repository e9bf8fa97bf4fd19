"""Damaged and left-over files of SQLite: what is found again, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.bus.outbox import append
from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.storage.backup import BackupError, backup, restore
from lamplighter.storage.sqlite import SqliteDatabase


async def happen(database: SqliteDatabase, *numbers: int) -> None:
    for number in numbers:
        async with database.transaction() as tx:
            await append(tx, Event(kind="N", account_id="a", time=number))


async def times(path: Path) -> list[int]:
    database = SqliteDatabase(path)
    await database.start()
    try:
        return [each.event.time for each in await EventLog(database, LocalBus()).read(START, 1000)]
    finally:
        await database.close()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def scratch(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) * 3 // 4
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)


async def crashed(path: Path, copy: Path) -> None:
    """A copy of the files as a crash would leave them: the last commits are in the WAL only."""
    database = SqliteDatabase(path)
    await database.start()
    await happen(database, *range(20))
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    await database.close()


async def test_a_log_with_a_torn_end_opens_with_every_whole_commit_before_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await crashed(tmp_path / "one.db", copy)
    cut(Path(f"{copy}-wal"))
    found = await times(copy)
    assert found == list(range(len(found))) and 0 < len(found) < 20


async def test_a_log_damaged_in_the_middle_opens_with_the_commits_before_the_damage(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await crashed(tmp_path / "one.db", copy)
    scratch(Path(f"{copy}-wal"))
    found = await times(copy)
    assert found == list(range(len(found))) and 0 < len(found) < 20


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\x00" + b"\xff" * 8176])
async def test_a_file_that_is_no_database_is_refused_with_the_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnavailable) as refused:
        await SqliteDatabase(path).start()
    assert "database" in refused.value.details["reason"]
    assert path.read_bytes() == content


async def test_a_restore_never_meets_the_log_of_the_database_before_it(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    database = SqliteDatabase(path)
    await database.start()
    await happen(database, 1)
    await backup(database, tmp_path / "backup")
    await happen(database, *range(2, 9))
    crash = tmp_path / "crashed" / "one.db"
    crash.parent.mkdir()
    shutil.copyfile(f"{path}-wal", f"{crash}-wal")  # the operator moved the database away, and not what lies beside it
    await database.close()
    with pytest.raises(BackupError, match="one.db-wal"):
        await restore(SqliteDatabase(crash), tmp_path / "backup")
    os.unlink(f"{crash}-wal")
    await restore(SqliteDatabase(crash), tmp_path / "backup")
    assert await times(crash) == [1]


async def test_a_backup_whose_data_is_gone_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "one.db")
    await database.start()
    await backup(database, tmp_path / "backup")
    await database.close()
    (tmp_path / "backup" / "lamplighter.db").unlink()
    with pytest.raises(BackupError, match="lamplighter.db"):
        await restore(SqliteDatabase(tmp_path / "new" / "two.db"), tmp_path / "backup")
    assert not list((tmp_path / "new").glob("*")) if (tmp_path / "new").exists() else True
