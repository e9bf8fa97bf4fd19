"""Failed logins on their way into the users' histories.

They are written in batches: a flood of them costs no commits, and the answer takes as long for a user who exists as
for one who does not.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lamplighter.services.access.users import store as users
from lamplighter.services.access.users.model import Login
from lamplighter.storage.database import Transaction

REMEMBERED: Final = 5
"""Logins that a user's history shows (contract: UserInfoResp.login_history)."""
USERS: Final = 1000
"""Users whose failures wait at once; those of more are not remembered."""

Key = tuple[str, str]
"""Account and user."""


class FailedLogins:
    """The newest failures of each user, newest first, that are not yet written."""

    def __init__(self) -> None:
        self._waiting: dict[Key, list[Login]] = {}

    def add(self, account_id: str, user_id: str, attempt: Login) -> None:
        key = (account_id, user_id)
        if key in self._waiting or len(self._waiting) < USERS:
            self._waiting[key] = [attempt, *self._waiting.get(key, ())][:REMEMBERED]

    def take_of(self, account_id: str, user_id: str) -> list[Login]:
        """Those of one user; they count as written from now on."""
        return self._waiting.pop((account_id, user_id), [])

    def take(self) -> dict[Key, list[Login]]:
        """All; they count as written from now on."""
        taken, self._waiting = self._waiting, {}
        return taken

    def put_back(self, attempts: dict[Key, list[Login]]) -> None:
        """What could not be written."""
        for key, older in attempts.items():
            self._waiting[key] = [*self._waiting.get(key, ()), *older][:REMEMBERED]

    @staticmethod
    async def write(tx: Transaction, attempts: dict[Key, list[Login]]) -> None:
        # Sorted, so that two processes lock rows in the same order.
        for (account_id, user_id), newest in sorted(attempts.items(), key=lambda each: each[0]):
            await remember(tx, account_id, user_id, newest, None)


async def remember(tx: Transaction, account_id: str, user_id: str, newest: list[Login], logged_in: int | None) -> None:
    """Put attempts at the head of the user's history; ``logged_in``: when one of them succeeded."""
    row = await tx.fetch_one(users.LOCK, account_id=account_id, id=user_id)
    if row is None:
        return
    history = [*newest, *msgspec.json.decode(row["login_history"], type=list[Login])][:REMEMBERED]
    await tx.execute(
        users.LOGGED_IN,
        account_id=account_id,
        id=user_id,
        last_login_at=logged_in or row["last_login_at"],
        login_history=msgspec.json.encode(history).decode(),
    )
