"""How processes that have devices hear what happens elsewhere: each reads all of the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Container
from typing import Final

from lamplighter.bus.bus import Subscription
from lamplighter.bus.event import Event
from lamplighter.bus.log import LOOK, EventLog
from lamplighter.errors import Error

log = logging.getLogger(__name__)

CURSOR: Final = "connect"
BATCH = 200
COMMIT = 1.0
"""Seconds between two commits of the cursor."""


class Follower:
    """Follows the log from a place of its own.

    What one process has treated another may still have to: only it can close the sessions it has. The cursor they share
    says from where to begin after a restart, when no session is left. It never goes back, and whoever moves it has done
    all that comes before it.

    :param handle: is given each event, more than once maybe
    :param data_of: the kinds whose data it looks at; the others come without
    :param cursor: None: what happened before the start is of no use, and nothing is kept
    """

    def __init__(
        self,
        events: EventLog,
        handle: Callable[[Event], Awaitable[None]],
        data_of: Container[str],
        cursor: str | None = CURSOR,
    ) -> None:
        self._log = events
        self._handle = handle
        self._data_of = data_of
        self._cursor = cursor
        self._more = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin where the cursor stands; the first time, at the end of the log."""
        position = await self._log.cursor(self._cursor) if self._cursor is not None else None
        if position is None:
            position = await self._log.end()
            await self._commit(position)
        self._subscription = await self._log.on_append(self._more.set)
        self._task = asyncio.create_task(self._follow(position), name="connect follower")

    async def close(self) -> None:
        """Stop. What was under way comes again."""
        if self._subscription is not None:
            await self._subscription.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._subscription = self._task = None

    async def _follow(self, position: str) -> None:
        committed, loop = position, asyncio.get_running_loop()
        due = loop.time() + COMMIT
        while True:
            self._more.clear()
            try:
                moved = await self._step(position)
                if moved != committed and loop.time() >= due:
                    await self._commit(moved)
                    committed, due = moved, loop.time() + COMMIT
                if moved != position:
                    position = moved
                    continue
                wait = self._more.wait()
            except Error as error:
                log.warning("connect waits to hear what happened: %s", error)
                wait = asyncio.sleep(LOOK, True)
            except Exception:
                log.exception("connect could not treat an event; it will be given it again")
                wait = asyncio.sleep(LOOK, True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await wait

    async def _commit(self, position: str) -> None:
        if self._cursor is not None:
            await self._log.commit(self._cursor, position)

    async def _step(self, position: str) -> str:
        """Treat one batch; the position after it."""
        for recorded in await self._log.read(position, BATCH, self._data_of):
            await self._handle(recorded.event)
            position = recorded.position
        return position
