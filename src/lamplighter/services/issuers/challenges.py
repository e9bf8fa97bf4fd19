"""What authorities find by HTTP when they look whether a name is ours: answers to ``http-01`` (RFC 8555 section 8.3).

Whichever process asks for the certificate, any that serves the API answers: they are rows.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.services.issuers.tables import acme_challenges
from lamplighter.storage.database import Database, Transaction
from lamplighter.storage.query import Query

KEPT = 3600
"""Seconds after which an answer is left by a process that was killed."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}", re.ASCII)
_c = acme_challenges.c
_ADD = Query(sa.insert(acme_challenges))
_ANSWER = Query(sa.select(_c.answer).where(_c.token == sa.bindparam("token")))
_REMOVE = Query(
    sa.delete(acme_challenges).where((_c.token == sa.bindparam("token")) | (_c.created_at < sa.bindparam("before")))
)


def is_token(text: str) -> bool:
    """Whether that is a token of a challenge, safe to be part of a URL."""
    return _TOKEN.fullmatch(text) is not None


class Challenges:
    """Those of all accounts: nobody who asks knows more than the token."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def answered(self, token: str, answer: str) -> AsyncIterator[None]:
        """The token is answered from now on to the end of the block."""
        now = self._clock.now()

        async def add(tx: Transaction) -> None:
            await tx.execute(_REMOVE, token=token, before=now - KEPT * MICROSECONDS)
            await tx.execute(_ADD, token=token, answer=answer, created_at=now)

        async def remove(tx: Transaction) -> None:
            await tx.execute(_REMOVE, token=token, before=0)

        await self._database.together(add)
        try:
            yield
        finally:
            await self._database.together(remove)

    async def answer(self, token: str) -> str | None:
        """What an authority shall find for that token."""
        row = await self._database.fetch_one(_ANSWER, token=token)
        return row["answer"] if row is not None else None
