"""Nothing that a server confirmed is lost when it is killed: on both databases, amid REST writes, devices and commands."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import sqlalchemy as sa

from lamplighter.bus.event import Recorded
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.services.connect.events import FINISHED
from lamplighter.services.connect.tables import commands
from lamplighter.settings import Database as DatabaseSettings
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from lamplighter.storage.open import open_database
from lamplighter.storage.query import DialectName, Query
from tests.roles.killed import Server, Town

KILLS: dict[DialectName, int] = {"sqlite": 25, "postgresql": 10}
"""Of each of the two servers."""
WAITING = Query(sa.select(commands.c.async_id))


async def test_what_was_confirmed_before_a_kill_is_there_after_it(
    dialect: DialectName, database_url: str, tmp_path: Path
) -> None:
    towns = [Town(Server(tmp_path / "0", database_url), Random(7))]
    if dialect == "sqlite":
        towns.append(Town(Server(tmp_path / "1", ""), Random(8)))
    await asyncio.gather(*(be_killed(town, KILLS[dialect]) for town in towns))
    for town in towns:
        seen = town.confirmed
        assert min(len(seen.groups), len(seen.devices), len(seen.commands)) > 2
        await check_commands(town, database_url)


async def be_killed(town: Town, times: int) -> None:
    for _ in range(times):
        await town.live_and_be_killed()
    await town.settle()
    await town.server.close()


async def check_commands(town: Town, database_url: str) -> None:
    """Each accepted command has come to exactly one end, and none is still waiting."""
    settings = Settings(database=DatabaseSettings(url=database_url))
    database = open_database(settings, town.server.data)
    await database.start()
    try:
        ends = Counter(
            [each.event.data["item"]["id"] async for each in recorded(database) if each.event.kind == FINISHED]
        )
        waiting = {row["async_id"] for row in await database.fetch_all(WAITING)}
    finally:
        await database.close()
    assert {ends[each] for each in town.confirmed.commands} == {1}
    assert max(ends.values()) == 1 and not waiting & town.confirmed.commands


async def recorded(database: Database) -> AsyncIterator[Recorded]:
    """The whole event log."""
    log, position = EventLog(database, LocalBus()), START
    while page := await log.read(position, 1000):
        for each in page:
            yield each
        position = page[-1].position
