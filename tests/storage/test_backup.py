"""A backup taken while the database is used holds one moment of it, and can be gone back to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.bus.outbox import append
from lamplighter.services.channels.store import channels
from lamplighter.storage.backup import BackupError, backup, restore
from lamplighter.storage.database import Database
from lamplighter.storage.migrations import SchemaTooNew
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.query import Query
from lamplighter.storage.sqlite import SqliteDatabase
from tests.servers import PostgresServer


@pytest.fixture
async def elsewhere(
    database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[[], Database]]:
    """Handles on an empty place of the same kind."""
    if isinstance(database, SqliteDatabase):
        yield lambda: SqliteDatabase(tmp_path / "elsewhere" / "new.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    admin = await asyncpg.connect(server.url("postgres"))
    await admin.execute("DROP DATABASE IF EXISTS elsewhere WITH (FORCE)")
    await admin.execute("CREATE DATABASE elsewhere")
    yield lambda: PostgresqlDatabase(server.url("elsewhere"))
    await admin.execute("DROP DATABASE elsewhere WITH (FORCE)")
    await admin.close()


async def happen(database: Database, *numbers: int) -> None:
    async with database.transaction() as tx:
        await append(tx, *(Event(kind="N", account_id="a", time=n, data={"n": n}) for n in numbers))


async def numbers(log: EventLog, position: str) -> list[int]:
    return [recorded.event.time for recorded in await log.read(position, 100_000)]


async def test_a_restored_database_goes_on_where_the_backup_was(
    database: Database, elsewhere: Callable[[], Database], tmp_path: Path
) -> None:
    log = EventLog(database, LocalBus())
    await happen(database, 1, 2, 3)
    await log.commit("me", (await log.read(START, 2))[-1].position)
    await backup(database, tmp_path / "backup")
    await happen(database, 4)
    fresh = elsewhere()
    await restore(fresh, tmp_path / "backup")
    await fresh.start()
    try:
        restored = EventLog(fresh, LocalBus())
        await happen(fresh, 5)
        assert await numbers(restored, START) == [1, 2, 3, 5]
        position = await restored.cursor("me")
        assert position is not None and await numbers(restored, position) == [3, 5]
    finally:
        await fresh.close()


async def test_a_backup_of_a_busy_database_is_one_moment(
    database: Database, elsewhere: Callable[[], Database], tmp_path: Path
) -> None:
    done = asyncio.Event()

    async def write(start: int) -> int:
        number = start
        while not done.is_set():
            await happen(database, number, number + 1)
            number += 2
        return number

    writers = [asyncio.create_task(write(start)) for start in (0, 10**6)]
    await happen(database, -1)
    await backup(database, tmp_path / "backup")
    done.set()
    await asyncio.gather(*writers)
    fresh = elsewhere()
    await restore(fresh, tmp_path / "backup")
    await fresh.start()
    try:
        found = await numbers(EventLog(fresh, LocalBus()), START)
    finally:
        await fresh.close()
    assert -1 in found
    for start in (0, 10**6):
        mine = [number for number in found if start <= number < start + 10**6]
        assert mine == list(range(start, start + len(mine))) and len(mine) % 2 == 0


async def test_nothing_is_overwritten(database: Database, elsewhere: Callable[[], Database], tmp_path: Path) -> None:
    await backup(database, tmp_path / "backup")
    with pytest.raises(BackupError, match="exists already"):
        await backup(database, tmp_path / "backup")
    await restore(elsewhere(), tmp_path / "backup")
    with pytest.raises(BackupError, match="exists already|not empty"):
        await restore(elsewhere(), tmp_path / "backup")
    assert not (tmp_path / "backup.partial").exists()


async def test_a_folder_that_is_no_backup_is_refused(elsewhere: Callable[[], Database], tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="not a backup"):
        await restore(elsewhere(), tmp_path)


async def test_a_backup_of_another_kind_or_a_newer_version_is_refused(
    elsewhere: Callable[[], Database], tmp_path: Path
) -> None:
    target = elsewhere()
    other = "sqlite" if target.dialect == "postgresql" else "postgresql"
    manifest = tmp_path / "manifest.json"
    manifest.write_text(f'{{"dialect": "{other}", "schema": "0001_event_log"}}')
    with pytest.raises(BackupError, match=f"a backup of {other}"):
        await restore(target, tmp_path)
    manifest.write_text(f'{{"dialect": "{target.dialect}", "schema": "9999_future"}}')
    with pytest.raises(SchemaTooNew):
        await restore(target, tmp_path)


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_every_place_in_the_log_that_a_table_keeps_is_the_same_place_after_a_restore(
    database: Database, elsewhere: Callable[[], Database], tmp_path: Path
) -> None:
    log = EventLog(database, LocalBus())
    for number in range(5):
        await happen(database, number)
    xid, place = (await log.read(START, 2))[-1].position.split(".")
    row = {column.name: None if column.nullable else 0 for column in channels.columns}
    row |= {"account_id": "a", "subject_id": "s", "name": "", "id": "c", "serialization": "{}"}
    row |= {"xid": int(xid), "position": int(place), "since_xid": int(xid), "since_position": 0}
    async with database.transaction() as tx:
        await tx.execute(Query(sa.insert(channels)), **row)
    await backup(database, tmp_path / "backup")
    fresh = elsewhere()
    await restore(fresh, tmp_path / "backup")
    await fresh.start()
    try:
        found = await fresh.fetch_one(Query(sa.select(channels)))
        assert found is not None
        restored = EventLog(fresh, LocalBus())
        assert await numbers(restored, f"{found['xid']}.{found['position']}") == [2, 3, 4]
        assert await numbers(restored, f"{found['since_xid']}.{found['since_position']}") == [1, 2, 3, 4]
    finally:
        await fresh.close()
