"""A child process that writes transactions and says which of them are acknowledged: for the tests of durability.

``writer_child.py FILE COUNT`` writes that many rows from eight tasks. ``writer_child.py FILE`` reads first numbers from
standard input, and for each forks a process that writes rows from there until it is killed: so the modules are loaded
once.

Standard output: ``pid N`` of a fork, the number of each row when its transaction has returned, ``dead`` after a fork
ended.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from lamplighter.storage.query import Query
from lamplighter.storage.sqlite import SqliteDatabase

WRITE = Query(sa.text("INSERT INTO acknowledged (number, filler) VALUES (:number, :filler)"))
TASKS = 8


async def main(path: Path, numbers: Iterator[int]) -> None:
    database = SqliteDatabase(path, readers=1, timeout=5)
    await database.start()

    async def write() -> None:
        for number in numbers:
            async with database.transaction() as tx:
                await tx.execute(WRITE, number=number, filler="x" * (number % 700))
            os.write(1, b"%d\n" % number)

    await asyncio.gather(*(write() for _ in range(TASKS)))
    await database.close()


def fork_on_demand(path: Path) -> None:
    for line in iter(sys.stdin.readline, ""):
        pid = os.fork()
        if pid == 0:
            os.write(1, b"pid %d\n" % os.getpid())
            asyncio.run(main(path, itertools.count(int(line))))
        os.waitpid(pid, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    if len(sys.argv) > 2:
        asyncio.run(main(file, iter(range(int(sys.argv[2])))))
    else:
        fork_on_demand(file)
