"""One who follows the log: a cursor, and what to do with what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from lamplighter.bus.bus import Subscription
from lamplighter.bus.event import Recorded
from lamplighter.bus.log import LOOK, START, EventLog
from lamplighter.errors.storage import DatabaseUnavailable

log = logging.getLogger(__name__)

Handler = Callable[[Sequence[Recorded]], Awaitable[None]]
"""Is given events in order, at least once each. If it raises, it is given the same again after a while: an event that
makes no sense to it, it must pass over itself."""


class Consumer:
    """Follows the event log from its durable cursor.

    Woken by the bus; looks by itself every ``poll`` seconds, because a wake-up may be lost.

    :param name: of the cursor; one consumer at a time has it
    :param batch: events given to the handler at once, at most
    :param poll: seconds between two looks at a silent log, and after a failure
    :param from_end: a new cursor begins with what happens from now on, not with all that the log still has
    """

    def __init__(
        self,
        events: EventLog,
        name: str,
        handler: Handler,
        *,
        batch: int = 200,
        poll: float = LOOK,
        from_end: bool = False,
    ) -> None:
        self._log = events
        self._name = name
        self._handler = handler
        self._batch = batch
        self._poll = poll
        self._from_end = from_end
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to follow. What happens after this returned is seen, also with a new cursor ``from_end``."""
        if await self._log.cursor(self._name) is None:
            await self._log.commit(self._name, await self._log.end() if self._from_end else START)
        self._subscription = await self._log.on_append(self._more.set)
        self._task = asyncio.create_task(self._follow(), name=f"consumer {self._name}")

    async def close(self) -> None:
        """Stop. What the handler had under way is cancelled and will be given again."""
        if self._subscription is not None:
            await self._subscription.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._subscription = self._task = None

    async def _follow(self) -> None:
        while True:
            self._more.clear()
            try:
                while await self._step():
                    pass
            except DatabaseUnavailable:
                log.warning("%s waits for the database", self._name)
            except Exception:
                log.exception("%s could not treat an event; it will be given it again", self._name)
                await asyncio.sleep(self._poll)
                continue
            try:
                async with asyncio.timeout(self._poll):
                    await self._more.wait()
            except TimeoutError:
                continue

    async def _step(self) -> bool:
        """Treat one batch; whether there was one."""
        position = await self._log.cursor(self._name) or START
        found = await self._log.read(position, self._batch)
        if not found:
            return False
        await self._handler(found)
        await self._log.commit(self._name, found[-1].position)
        return True
