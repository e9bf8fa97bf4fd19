"""A process that serves channels on a database until it is killed; prints its port.

Run as ``python -m tests.services.channels.child DATABASE [NAME]``: a postgresql:// URL or the path of a SQLite file, and the
process's name.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lamplighter.storage.database import Database
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.sqlite import SqliteDatabase
from tests.services.channels.served import serving


async def main(place: str, name: str = "") -> None:
    database: Database = PostgresqlDatabase(place) if "://" in place else SqliteDatabase(Path(place))
    await database.start()
    async with serving(database, look=0.05, process=name, beat=0.2, outbound={"timeout": 1.0}) as served:
        print(served.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
