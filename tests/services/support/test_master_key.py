"""A database and a master key that do not belong together are found out at the start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lamplighter.services.support.master_key import check_master_key
from lamplighter.storage.database import Database
from lamplighter.storage.seal import MasterKey, MasterKeyError

RIGHT, WRONG = MasterKey(b"r" * 32), MasterKey(b"w" * 32)


async def test_the_first_key_is_the_right_one_from_then_on(database: Database) -> None:
    await check_master_key(database, RIGHT)
    await check_master_key(database, RIGHT)
    with pytest.raises(MasterKeyError, match="Restore the file master-key"):
        await check_master_key(database, WRONG)
    await check_master_key(database, RIGHT)


async def test_of_two_processes_that_start_first_with_different_keys_one_is_refused(
    open_database: Callable[[], Database],
) -> None:
    handles = [open_database() for _ in range(2)]
    for handle in handles:
        await handle.start()
    keys = (RIGHT, WRONG)
    started = await asyncio.gather(
        *(check_master_key(*each) for each in zip(handles, keys, strict=True)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in started) == ["MasterKeyError", "NoneType"]
    for handle in handles:
        await handle.close()
