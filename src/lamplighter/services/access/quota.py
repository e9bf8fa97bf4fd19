"""The operations of a calendar month: counted in memory, written in batches, limited by the account's tier."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.api.caller import Caller
from lamplighter.api.limits import month_of, next_month
from lamplighter.clock import to_rfc3339_seconds
from lamplighter.errors import access as errors
from lamplighter.services.access import limits
from lamplighter.services.access.tables import operation_counts
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Transaction
from lamplighter.storage.query import Query, insert

_c = operation_counts.c
_GET = Query(sa.select(_c.count).where(_c.account_id == sa.bindparam("account_id"), _c.month == sa.bindparam("month")))
_insert = insert(operation_counts)
_ADD = Query(
    _insert.values({name: sa.bindparam(name) for name in ("account_id", "month", "count")})
    .on_conflict_do_update(index_elements=["account_id", "month"], set_={"count": _c.count + _insert.excluded["count"]})
    .returning(_c.count)
)

Key = tuple[str, str]
"""Account and month."""


class OperationQuota:
    """The api's Quota. A crash loses what was counted since the last writing, a second's worth.

    Processes learn of each other's counts when they write their own, so together they may pass a limit by what they
    do in a second.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._written: dict[Key, int] = {}
        self._counted: dict[Key, int] = {}
        self._month = ("", 0, 0)

    def count(self, caller: Caller, now: int) -> None:
        """Count one call. Raises OperationsQuotaReached, and then counts nothing.

        :param now: microseconds UTC
        """
        key = (caller.account_id, self._month_of(now))
        limit = limits.operations(self._settings, caller.tier)
        if limit:
            used = self._written.get(key, 0) + self._counted.get(key, 0)
            if used >= limit:
                resets = to_rfc3339_seconds(self._month[2])
                raise errors.OperationsQuotaReached(used=used, limit=limit, resets=resets)
        self._counted[key] = self._counted.get(key, 0) + 1

    async def prepare(self, account_id: str, now: int) -> None:
        """Make sure that what the account has used this month is known."""
        key = (account_id, self._month_of(now))
        if key not in self._written:
            row = await self._database.fetch_one(_GET, account_id=key[0], month=key[1])
            self._written.setdefault(key, row[0] if row is not None else 0)

    async def used(self, account_id: str, now: int) -> int:
        """Operations of the account in the current month."""
        await self.prepare(account_id, now)
        key = (account_id, self._month_of(now))
        return self._written[key] + self._counted.get(key, 0)

    def take(self) -> dict[Key, int]:
        """What is to be written; it counts as written from now on."""
        taken, self._counted = self._counted, {}
        for key, count in taken.items():
            self._written[key] = self._written.get(key, 0) + count
        return taken

    def put_back(self, counts: dict[Key, int]) -> None:
        """What could not be written."""
        for key, count in counts.items():
            self._written[key] = self._written.get(key, 0) - count
            self._counted[key] = self._counted.get(key, 0) + count

    async def write(self, tx: Transaction, counts: dict[Key, int]) -> None:
        # Sorted, so that two processes lock rows in the same order.
        for (account_id, month), count in sorted(counts.items()):
            row = await tx.fetch_one(_ADD, account_id=account_id, month=month, count=count)
            assert row is not None
            self._written[account_id, month] = row[0]

    def _month_of(self, now: int) -> str:
        if not self._month[1] <= now < self._month[2]:
            month = month_of(now)
            self._month = (month, now, next_month(now))
            self._written = {key: count for key, count in self._written.items() if key[1] == month}
        return self._month[0]
