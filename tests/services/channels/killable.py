"""A process that serves channels, to be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from lamplighter.storage.database import Database
from lamplighter.storage.postgresql import PostgresqlDatabase


class Child:
    """A process of its own; ``name`` is what it is called among those that deliver webhooks."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    async def start(self, database: Database) -> None:
        place = database.url if isinstance(database, PostgresqlDatabase) else str(getattr(database, "path", ""))
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.services.channels.child", place, self.name, stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = int(await asyncio.wait_for(self.process.stdout.readline(), 30))

    async def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()
