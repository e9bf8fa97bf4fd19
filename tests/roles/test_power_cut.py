"""Nothing that a whole server confirmed is lost when the power goes: REST writes, registrations, accepted commands.

The server, its database, its applications and its devices are traced together (see tests/disk.py); at moments of the
trace the database's files are rebuilt as a disk may have kept them, and a server starts on them: everything that it had
confirmed by then is there, and every command that it had accepted comes to its end.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import asyncpg
import pytest

from tests.disk import Call, Disk, calls, traced
from tests.roles.killed import PATIENCE, ROOT, Confirmed, Server, Town
from tests.roles.power_child import CONFIRMED, DATABASE
from tests.roles.serving import Serving, settings_for
from tests.servers import PostgresServer

LOAD = 300
"""Confirmations."""


async def first_start(data: Path, database_url: str) -> None:
    """An installation, made and ended in good order."""
    serving = Serving(data, settings_for(database_url))
    await serving.start()
    await serving.close()


async def traced_load(trace: Path, data: Path, *more: Path) -> list[Call]:
    """The calls of a server under load until it was killed, and of everybody around it."""
    command = traced(trace, [sys.executable, "-m", "tests.roles.power_child", str(data), str(LOAD), *map(str, more)])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(2 * PATIENCE):
            _, said = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said.decode()
    return list(calls(trace))


def confirmed(disk: Disk) -> Confirmed:
    """What the server had confirmed by now."""
    found = Confirmed()
    for line in disk.said:
        if line.startswith(CONFIRMED):
            _, kind, name = line.decode().rstrip("\n").split(" ", 2)
            getattr(found, kind).add(name)
    return found


def until_cuts(trace: Sequence[Call], disk: Disk, count: int, chance: Random) -> Iterator[int]:
    """Do to the disk what was done; the moments amid the load at which the power is cut, and the last one."""
    load = [at for at, call in enumerate(trace) if any(each.startswith(CONFIRMED) for each in call.strings)]
    chosen = {*chance.sample(range(load[len(load) // 5], load[-1]), count - 1), len(trace) - 1}
    for at, call in enumerate(trace):
        disk.do(call)
        if at in chosen:
            yield at


async def settle(town: Town, disk: Disk) -> None:
    """A server on what was rebuilt has all that was confirmed, and does what it had accepted."""
    town.confirmed = confirmed(disk)
    await town.settle()


def assert_loaded(town: Town) -> None:
    seen = town.confirmed
    assert min(len(seen.groups), len(seen.devices), len(seen.commands)) > 10


async def test_a_power_cut_takes_nothing_that_was_confirmed_on_sqlite(tmp_path: Path) -> None:
    data, before, chance = tmp_path / "data", tmp_path / "before", Random(3)
    await first_start(data, "")
    shutil.copytree(data, before)
    trace = await traced_load(tmp_path / "trace", data)
    disk, town = Disk(data, before), Town(Server(data, ""), chance)
    for moment in until_cuts(trace, disk, 8, chance):
        town.server.data = tmp_path / str(moment)
        disk.after_a_cut(town.server.data, chance)
        await settle(town, disk)
    await town.server.close()
    assert_loaded(town)
    assert disk.written["lamplighter.db"] > 0, "the trace has no checkpoint: the test needs more load"


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own, which syncs."""
    server = PostgresServer(sync=True)
    yield server
    server.remove()


async def test_a_power_cut_takes_nothing_that_was_confirmed_on_postgresql(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    data, before, chance = tmp_path / "data", tmp_path / "before", Random(4)
    await asyncio.to_thread(postgres.start)
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    await first_start(data, postgres.url(DATABASE))
    await asyncio.to_thread(postgres.stop)
    shutil.copytree(postgres.data, before)
    trace = await traced_load(tmp_path / "trace", data, postgres.folder)
    disk, town = Disk(postgres.data, before), Town(Server(data, postgres.url(DATABASE)), chance)
    for _ in until_cuts(trace, disk, 5, chance):
        shutil.rmtree(postgres.data)
        disk.after_a_cut(postgres.data, chance)
        postgres.own(postgres.data, *postgres.data.rglob("*"))
        await asyncio.to_thread(postgres.start)  # PostgreSQL's own recovery
        await settle(town, disk)
        await asyncio.to_thread(lambda: postgres.stop(crash=True))
    await town.server.close()
    assert_loaded(town)
    log_files = [name for name in disk.written if name.startswith("pg_wal/")]
    assert len(log_files) > 2 and disk.written["global/pg_control"] > 2, (
        "no checkpoint in the trace: more load is needed"
    )
