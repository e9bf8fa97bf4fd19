"""What channels do when others' events arrive: a subject that ends takes its channel with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from lamplighter.bus.log import EventLog
from lamplighter.errors import Error
from lamplighter.services.access.events import REVOKING
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.tail import Tail

log = structlog.get_logger("lamplighter.channels")

CURSOR: Final = "channels"
ENDINGS: Final = frozenset({"ApplicationDeactivated", "ApplicationDeleted", "ApiKeyDeleted"})
"""Events of services/access whose ``data`` names the subject that ended."""


class Follower:
    """Follows the log on the pages that the channels read anyway.

    Every process may run one: they share a cursor that never goes back, and each of them does all that comes after it.

    :param end_subject: is told account and subject, more than once maybe
    :param revoked: is told an account some of whose credentials may be void, more than once maybe
    :param look: seconds between two commits
    """

    def __init__(
        self,
        events: EventLog,
        tail: Tail,
        end_subject: Callable[[str, str], Awaitable[None]],
        revoked: Callable[[str], None],
        look: float,
    ) -> None:
        self._log = events
        self._tail = tail
        self._end_subject = end_subject
        self._revoked = revoked
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Begin where the cursor stands; the first time, at the end of the log."""
        position = await self._log.cursor(CURSOR)
        if position is None:
            position = await self._log.end()
            await self._log.commit(CURSOR, position)
        self._task = asyncio.create_task(self._follow(Place.of(position)), name="channels follower")

    async def close(self) -> None:
        """Stop between two steps."""
        self._stopped = True
        self._tail.wake()
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None

    async def _follow(self, place: Place) -> None:
        committed = place
        loop = asyncio.get_running_loop()
        due = loop.time() + self._look
        while not self._stopped:
            news = self._tail.news
            try:
                moved = await self._step(place)
                if place > committed and loop.time() >= due:
                    await self._log.commit(CURSOR, str(place))
                    committed, due = place, loop.time() + self._look
            except Error as error:
                log.warning("channels wait for the database", error=error.name)
                moved = place
            if moved == place:
                await news.wait()
            place = moved

    async def _step(self, place: Place) -> Place:
        """Treat one page; the place after it."""
        page = await self._tail.read(place)
        for event in (recorded.event for recorded in page.events):
            if event.kind in ENDINGS and isinstance(subject_id := event.data.get("id"), str):
                await self._end_subject(event.account_id, subject_id)
        for account_id in {recorded.event.account_id for recorded in page.events if recorded.event.kind in REVOKING}:
            self._revoked(account_id)
        return page.end
