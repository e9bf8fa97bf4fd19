"""When credentials were last used: remembered in memory, written in batches, never in the way of a request."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.services.access.tables import access_keys, api_keys, applications, sessions
from lamplighter.storage.database import Transaction
from lamplighter.storage.query import Query


def _later(table: sa.Table) -> Query:
    return Query(
        sa.update(table)
        .where(
            table.c.account_id == sa.bindparam("account"),
            table.c.id == sa.bindparam("one"),
            sa.func.coalesce(table.c.last_used_at, 0) < sa.bindparam("time"),
        )
        .values(last_used_at=sa.bindparam("time"))
    )


_LATER = {
    table: _later(table_object)
    for table, table_object in (
        ("access_keys", access_keys),
        ("api_keys", api_keys),
        ("applications", applications),
        ("sessions", sessions),
    )
}
_TABLES = {
    CredentialKind.ACCESS_KEY: "access_keys",
    CredentialKind.API_KEY: "api_keys",
    CredentialKind.USER_TOKEN: "sessions",
}


class LastUsed:
    """The uses since the last writing: a time for each credential, however many calls there were."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, str], int] = {}

    def touch(self, caller: Caller, now: int) -> None:
        """Note a use. ``now`` is in microseconds UTC."""
        self._times[_TABLES[caller.kind], caller.account_id, caller.credential_id] = now
        if caller.application_id is not None:
            self._times["applications", caller.account_id, caller.application_id] = now

    def of_session(self, account_id: str, session_id: str) -> int:
        """The last use of a session that is not yet written; 0 when there is none."""
        return self._times.get(("sessions", account_id, session_id), 0)

    def take(self) -> dict[tuple[str, str, str], int]:
        """What is to be written; it counts as written from now on."""
        taken, self._times = self._times, {}
        return taken

    def put_back(self, times: dict[tuple[str, str, str], int]) -> None:
        """What could not be written."""
        self._times = {**times, **self._times}

    @staticmethod
    async def write(tx: Transaction, times: dict[tuple[str, str, str], int]) -> None:
        for table, query in _LATER.items():
            # Sorted, so that two processes lock rows in the same order.
            rows: list[dict[str, Any]] = [
                {"account": account_id, "one": one, "time": time}
                for (name, account_id, one), time in sorted(times.items())
                if name == table
            ]
            if rows:
                await tx.execute_many(query, rows)
