"""Sessions end with what they rest on (gateway rule 1.5)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import Any

import structlog

from lamplighter.dtls import Identity, PskIdentity
from lamplighter.errors import Error
from lamplighter.roles.tasks import Tasks

log = structlog.get_logger("lamplighter.devices")

LATE = 120.0
"""Seconds that a handshake may take: one that began before its key was deleted may end so long after it."""
TOGETHER = 20
"""Sessions ended in one turn of the event loop."""
RESUMABLE = 10_000
"""Names whose devices may resume a session; as many as the engine keeps sessions."""


class RestingSessions:
    """The sessions of one role by the names of what they rest on. Whoever hears that there is news of a name says so.

    :param rests_on: the names for a session; none: nothing that could end
    :param may_stay: looks whether what it rests on is still good
    :param end: ends a session
    :param forget_resumable: lets nothing of a peer be resumed
    """

    def __init__(
        self,
        rests_on: Callable[[Any], Collection[Hashable]],
        may_stay: Callable[[Any], Awaitable[bool]],
        end: Callable[[Any], None],
        forget_resumable: Callable[[Identity], None],
    ) -> None:
        self._rests_on = rests_on
        self._may_stay = may_stay
        self._end = end
        self._forget_resumable = forget_resumable
        self._sessions: dict[Hashable, set[Any]] = {}
        self._identities: OrderedDict[Hashable, set[Identity]] = OrderedDict()
        """Who may resume a session, by the same names."""
        self._news: OrderedDict[Hashable, float] = OrderedDict()
        """When there was news of a name last."""
        self._tasks = Tasks()

    def add(self, session: Any) -> None:
        """A new session. Where there was news of its name while its handshake went on, it is looked at again."""
        now = asyncio.get_running_loop().time()
        names = self._rests_on(session)
        for name in names:
            self._sessions.setdefault(name, set()).add(session)
            if getattr(session, "session_id", b""):
                self._identities.setdefault(name, set()).add(session.identity)
                self._identities.move_to_end(name)
                if len(self._identities) > RESUMABLE:
                    self._let_resume_nothing(next(iter(self._identities)))
        if any(self._news.get(name, -LATE) + LATE > now for name in names):
            self._tasks.spawn(self._end_unless_good(session))

    def remove(self, session: Any) -> None:
        """A session has ended, or is another process's."""
        for name in self._rests_on(session):
            sessions = self._sessions.get(name, set())
            sessions.discard(session)
            if not sessions:
                self._sessions.pop(name, None)

    def look_again(self, name: Hashable) -> None:
        """There is news of what has that name: it may be gone, or there again, or another's."""
        now = asyncio.get_running_loop().time()
        self._news[name] = now
        self._news.move_to_end(name)
        while next(iter(self._news.values())) + LATE <= now:
            self._news.popitem(last=False)
        self._let_resume_nothing(name)
        for session in self._sessions.get(name, ()):
            self._tasks.spawn(self._end_unless_good(session))

    def end_under(self, gone: Collection[bytes]) -> None:
        """These anchors (SHA-256) are trusted no more: what came by certificates under them ends."""
        identities = [
            identity for each in self._identities.values() for identity in each if _anchor_of(identity) in gone
        ]
        for identity in identities:
            self._forget_resumable(identity)
        self._tasks.spawn(self._end_under(gone))

    async def close(self) -> None:
        await self._tasks.close()

    async def _end_under(self, gone: Collection[bytes]) -> None:
        sessions = {session for each in self._sessions.values() for session in each}
        for number, session in enumerate(sessions, 1):
            if _anchor_of(session.identity) in gone:
                self._end(session)
            if not number % TOGETHER:
                await asyncio.sleep(0)

    def _let_resume_nothing(self, name: Hashable) -> None:
        for identity in self._identities.pop(name, ()):
            self._forget_resumable(identity)

    async def _end_unless_good(self, session: Any) -> None:
        try:
            if await self._may_stay(session):
                return
        except Error as error:
            log.warning("what a session rests on could not be looked up: it ends", why=str(error))
        self._end(session)


def _anchor_of(identity: Identity) -> bytes:
    """The fingerprint of the anchor that verified a peer; empty for one with a key."""
    return b"" if isinstance(identity, PskIdentity) else identity.fingerprints[-1]
