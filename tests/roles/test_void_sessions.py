"""Sessions that are stored do not outlive what they rest on, nor the history of their database (gateway rules 1.5 and 2.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamplighter.coap.numbers import Code
from lamplighter.services.connect.sessions import starts
from lamplighter.services.connect.sessions.tables import session_generation
from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.services.directory.model import Block
from lamplighter.storage import backup
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests.api.toy import ACCOUNT
from tests.roles.house import (
    NAME,
    House,
    gone,
    refused,
    registered,
    sessions_in,
    stored,
)
from tests.roles.lwm2m_device import Device, with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET, Serving


async def refuses(house: House, device: Device, serving: Serving | None = None, *, left: int = 0) -> Serving:
    """A process (a new one, where none is named) does not take the session up."""
    serving = serving or await house.start()
    device.go_to(serving.role.port)
    update = asyncio.ensure_future(device.update())
    await refused(serving, lambda: None)
    update.cancel()
    await asyncio.gather(update, return_exceptions=True)
    assert sessions_in(serving) == left
    return serving


async def test_a_key_deleted_while_nobody_ran_voids_the_session(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await first.role.close()
    await first.credentials.delete_key(ACCOUNT, NAME)
    await house.stop(first)
    second = await refuses(house, device)
    assert await stored(second, device) is None


async def test_a_key_made_again_under_its_name_does_not_bring_the_session_back(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await first.role.close()
    await first.credentials.delete_key(ACCOUNT, NAME)
    await first.credentials.create_key(ACCOUNT, PreSharedKey(NAME, (b"\x11" * len(SECRET)).hex()))
    await house.stop(first)
    second = await refuses(house, device)
    assert await stored(second, device) is None


async def test_an_old_session_that_is_void_leaves_the_new_one_of_its_device_alone(house: House) -> None:
    first = await house.start()
    old = await registered(first)
    assert (await old.deregister()).code == Code.DELETED  # or its session would go with its registration
    await house.stop(first)
    second = await house.start()
    new_secret = b"\x11" * len(SECRET)
    await second.credentials.delete_key(ACCOUNT, NAME)
    await second.credentials.create_key(ACCOUNT, PreSharedKey(NAME, new_secret.hex()))
    device = second.new_device()
    await device.connect(with_key(NAME, new_secret), second.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    assert await stored(second, old) is not None
    await refuses(house, old, second, left=1)
    assert await stored(second, old) is None
    assert (await device.update()).code == Code.CHANGED


async def test_a_session_by_a_certificate_of_an_authority_that_is_not_trusted_any_more_is_void(
    house: House, tmp_path: Path
) -> None:
    first = await house.start()
    credential = first.authority.issue_device(NAME, ACCOUNT, await first.ensured(NAME))
    device = first.new_device()
    await device.connect(with_certificate(credential, first.authority.device_ca.certificate), first.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    await house.stop(first)
    house._folder = tmp_path / "another"
    second = await refuses(house, device)
    assert await stored(second, device) is None


@pytest.mark.parametrize("proof", ["certificate", "key"])
async def test_a_session_of_a_device_suspended_while_nobody_ran_is_void(house: House, proof: str) -> None:
    first = await house.start()
    device_id = await first.ensured(NAME)
    if proof == "key":
        device = await first.device_with_key(NAME)
    else:
        credential = first.authority.issue_device(NAME, ACCOUNT, device_id)
        device = first.new_device()
        await device.connect(with_certificate(credential, first.authority.device_ca.certificate), first.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    assert (await device.deregister()).code == Code.DELETED  # or its session would go with its registration
    await first.role.close()
    await first.directory.suspend(ACCOUNT, device_id, Block(category="lost_or_stolen"))
    await house.stop(first)
    second = await refuses(house, device)
    assert await stored(second, device) is None


async def test_a_deleted_key_cannot_be_resumed_with(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    resumables = serving.role.ports.dtls.server._resumables  # type: ignore[union-attr]
    assert device.dtls.resumable is not None and len(resumables) == 1
    await serving.credentials.delete_key(ACCOUNT, NAME)
    await device.closed
    assert len(resumables) == 0


async def test_suspending_a_device_removes_its_stored_session(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    assert await stored(serving, device) is not None
    await serving.directory.suspend(ACCOUNT, device.location[-1], Block(category="lost_or_stolen"))
    await device.closed

    async def gone() -> bool:
        return await stored(serving, device) is None

    await serving.until(gone)


async def test_a_session_that_its_device_closed_is_not_stored_any_more(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    device.close()
    await gone(serving)
    await asyncio.gather(*serving.role._sessions._tasks)
    assert await stored(serving, device) is None


async def test_a_restored_backup_voids_the_sessions_in_it(
    house: House, open_database: Callable[[], Database], tmp_path: Path
) -> None:
    first = await house.start()
    device = await registered(first)
    await backup.backup(first.database, tmp_path / "copy")
    if first.database.dialect == "sqlite":
        from lamplighter.storage.sqlite import SqliteDatabase

        await house.stop(first)
        house._open_database = lambda: SqliteDatabase(tmp_path / "restored.db", readers=1, timeout=5)
        await backup.restore(house._open_database(), tmp_path / "copy")
    else:
        from lamplighter.storage.postgresql import PostgresqlDatabase

        url = first.database.url  # type: ignore[attr-defined]
        await emptied(url)
        await house.stop(first)
        await backup.restore(PostgresqlDatabase(url, pool=1, timeout=5), tmp_path / "copy")
    await refuses(house, device)


async def emptied(url: str) -> None:
    """Take every table away, as a new database has none."""
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_database_older_than_the_number_of_starts_kept_beside_it_is_another_generation(
    database: Database, tmp_path: Path
) -> None:
    one = await starts.begin(database, tmp_path)
    two = await starts.begin(database, tmp_path)
    assert (two.number, two.generation) == (one.number + 1, one.generation)
    (tmp_path / starts.FILE).write_text("40\n")
    three = await starts.begin(database, tmp_path)
    assert three.number == 41 and three.generation != one.generation


async def test_a_database_in_another_history_is_another_generation(database: Database) -> None:
    one = await starts.begin(database, None)
    assert (await starts.begin(database, None)).generation == one.generation
    async with database.transaction() as tx:  # as if a standby had taken over since
        await tx.execute(Query(sa.update(session_generation).values(history="00000009")))
    assert (await starts.begin(database, None)).generation != one.generation


async def test_a_database_that_came_into_another_history_while_it_ran_gives_out_no_session(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await house.stop(first)
    second = await house.start()
    async with second.database.transaction() as tx:
        await tx.execute(Query(sa.update(session_generation).values(history="00000009")))
    await refuses(house, device, second)
