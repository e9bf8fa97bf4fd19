"""What authorities find by HTTP when they look whether a name is ours: answers to ``http-01`` (RFC 8555 section 8.3).

Whichever process asks for the certificate, any that serves the API answers: they are rows. Whoever proves a name can have any
authority certify it, so an account proves only names that the operator has left to it, and each answer is for one name.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import sqlalchemy as sa

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.ids import is_id
from lamplighter.services.issuers.kinds import is_host
from lamplighter.services.issuers.tables import acme_challenges
from lamplighter.storage.database import Database, Transaction
from lamplighter.storage.query import Query

KEPT = 600
"""Seconds after which an answer is none any more that was left by a process which was killed."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}", re.ASCII)
_c = acme_challenges.c
_ADD = Query(sa.insert(acme_challenges))
_ANSWER = Query(
    sa.select(_c.answer)
    .where(_c.token == sa.bindparam("token"), _c.host == sa.bindparam("host"), _c.created_at >= sa.bindparam("since"))
    .order_by(_c.created_at.desc())
    .limit(1)
)
_REMOVE = Query(sa.delete(acme_challenges).where(_c.id == sa.bindparam("id")))
_PRUNE = Query(sa.delete(acme_challenges).where(_c.created_at < sa.bindparam("before")))


def is_token(text: str) -> bool:
    """Whether that is a token of a challenge, safe to be part of a URL."""
    return _TOKEN.fullmatch(text) is not None


class Challenges:
    """Those of all accounts.

    :param domains: ``<domain>=<account id>``: the names below which that account's devices are
    """

    def __init__(self, database: Database, clock: Clock, domains: Iterable[str]) -> None:
        """Raises ValueError."""
        self._database = database
        self._clock = clock
        self._domains = [_domain(each) for each in domains]

    def may_prove(self, account_id: str, host: str) -> bool:
        """Whether the operator has left a name to an account."""
        return any(account_id == owner and host.endswith(f".{domain}") for domain, owner in self._domains)

    @asynccontextmanager
    async def answered(self, token: str, host: str, answer: str) -> AsyncIterator[None]:
        """The token is answered at that host from now on to the end of the block."""
        own = secrets.token_hex(16)

        async def add(tx: Transaction) -> None:
            await tx.execute(_ADD, id=own, token=token, host=host, answer=answer, created_at=self._clock.now())

        async def remove(tx: Transaction) -> None:
            await tx.execute(_REMOVE, id=own)

        try:
            await self._database.together(add)
            yield
        finally:
            await asyncio.shield(self._database.together(remove))

    async def answer(self, token: str, host: str) -> str | None:
        """What an authority shall find for that token at that host."""
        row = await self._database.fetch_one(_ANSWER, token=token, host=host, since=self._oldest())
        return row["answer"] if row is not None else None

    async def prune(self) -> None:
        """Remove what was left. Raises DatabaseUnavailable."""
        async with self._database.transaction() as tx:
            await tx.execute(_PRUNE, before=self._oldest())

    def _oldest(self) -> int:
        return self._clock.now() - KEPT * MICROSECONDS


def _domain(text: str) -> tuple[str, str]:
    domain, _, account_id = (each.strip() for each in text.partition("="))
    if not is_host(domain) or not is_id(account_id):
        raise ValueError(f"{text!r} is not <domain in lower case>=<account id>")
    return domain, account_id
