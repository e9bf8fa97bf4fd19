"""A whole server under load until it is killed, to be traced: ``power_child.py DATA COUNT [POSTGRESQL]``.

It starts PostgreSQL in that folder, if one is named, and ``lamplighter serve``; it is their applications and their devices
itself. ``confirmed KIND NAME`` on standard output is what the server has just confirmed: in a trace of all of them it
stands behind whatever was done to make it so. After COUNT confirmations all is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path
from random import Random

import asyncpg

from tests.roles.killed import Confirmed, Server, Town
from tests.servers import PostgresServer

DATABASE = "power"
CONFIRMED = b"confirmed "
CHECKPOINT = 20
"""Confirmations between two checkpoints of PostgreSQL, which would make one in minutes."""


class Told(Confirmed):
    """Says at once what was confirmed."""

    def __init__(self) -> None:
        super().__init__()
        self.many = asyncio.Event()
        """Set at every CHECKPOINT-th."""
        self._count = itertools.count(1)

    def add(self, kind: set[str], name: str) -> None:
        said = next(attribute for attribute, value in vars(self).items() if value is kind)
        os.write(1, CONFIRMED + f"{said} {name}\n".encode())
        super().add(kind, name)
        if next(self._count) % CHECKPOINT == 0:
            self.many.set()


async def main(data: Path, count: int, postgresql: Path | None) -> None:
    if postgresql is None:
        await live_and_be_killed(Server(data, ""), count, Told())
        return
    postgres, told = PostgresServer(sync=True, folder=postgresql), Told()
    postgres.start()
    try:
        checkpoints = asyncio.create_task(make_checkpoints(postgres, told))
        await live_and_be_killed(Server(data, postgres.url(DATABASE)), count, told)
        checkpoints.cancel()
    finally:
        postgres.stop(crash=True)


async def make_checkpoints(postgres: PostgresServer, told: Told) -> None:
    connection = await asyncpg.connect(postgres.url(DATABASE))
    while True:
        await told.many.wait()
        told.many.clear()
        await connection.execute("SELECT pg_switch_wal()")  # the next change is in another file of the log
        await connection.execute("CHECKPOINT")


async def live_and_be_killed(server: Server, count: int, told: Told) -> None:
    town = Town(server, Random(1))
    town.confirmed = told
    await town.live_and_be_killed(count)
    await server.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None))
