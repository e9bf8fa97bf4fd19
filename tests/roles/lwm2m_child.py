"""A process with the LwM2M role on a folder, to be killed: ``lwm2m_child.py FOLDER [DATABASE-URL]``.

It prints its port. Each line of standard input is a call of the API as JSON (method, path, json), answered by a line with
the status; ``{"key": NAME}`` stores a pre-shared key.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.storage.database import Database
from lamplighter.storage.postgresql import PostgresqlDatabase
from lamplighter.storage.sqlite import SqliteDatabase
from tests.api.toy import ACCOUNT
from tests.roles.lwm2m_serving import SECRET, Serving


async def main(folder: Path, url: str = "") -> None:
    database: Database = SqliteDatabase(folder / "test.db", readers=1, timeout=5)
    if url:
        database = PostgresqlDatabase(url, pool=4, timeout=5)
    await database.start()
    serving = Serving(database, folder)
    await serving.start()
    print(serving.role.port, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        call = json.loads(line)
        if "key" in call:
            await serving.credentials.create_key(ACCOUNT, PreSharedKey(call["key"], SECRET.hex()))
            print("stored", flush=True)
        else:
            print((await serving.call(**call)).status_code, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
