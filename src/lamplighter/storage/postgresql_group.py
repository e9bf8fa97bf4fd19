"""Many callers' small transactions as one on PostgreSQL: BEGIN, COMMIT and what is only inserted are shared.

Most of what a small transaction costs there is round trips. What the callers do must be able to run twice: if one of them
fails after it wrote, nothing of the group is kept, and each runs again alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lamplighter.storage.database import Transaction

if TYPE_CHECKING:
    from lamplighter.storage.postgresql import PostgresqlTransaction

MOST_TOGETHER = 100
"""Callers that share a transaction at most."""
GROUPS = 2
"""Groups under way at once: while one waits for its commit, the next is at work."""

Work = Callable[[Transaction], Awaitable[Any]]


class _Member(NamedTuple):
    work: Work
    done: asyncio.Future[Any]


class Group:
    """Collects callers.

    :param transaction: begins a transaction
    """

    def __init__(self, transaction: Callable[[], PostgresqlTransaction]) -> None:
        self._transaction = transaction
        self._waiting: deque[_Member] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, work: Work) -> Any:
        """The result of the work, once it is on disk; or what it raised. Who is cancelled may find it done."""
        member = _Member(work, asyncio.get_running_loop().create_future())
        self._waiting.append(member)
        if len(self._tasks) < GROUPS:
            task = asyncio.create_task(self._drain(), name="group of transactions")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await member.done

    async def _drain(self) -> None:
        while self._waiting:
            number = min(MOST_TOGETHER, len(self._waiting))
            members = [member for _ in range(number) if not (member := self._waiting.popleft()).done.done()]
            if len(members) > 1 and await self._together(members):
                continue
            for member in members:
                if not member.done.done():
                    await self._alone(member)

    async def _together(self, members: list[_Member]) -> bool:
        """Whether it succeeded; those that were refused before they wrote anything have their answer either way."""
        results: list[tuple[_Member, Any]] = []
        try:
            async with self._transaction() as tx:
                for member in members:
                    written = tx.written
                    try:
                        results.append((member, await member.work(tx)))
                    except Exception as error:
                        if tx.written != written or tx.failed:
                            raise
                        _settle(member, error=error)
        except Exception:
            return False
        for member, result in results:
            _settle(member, result)
        return True

    async def _alone(self, member: _Member) -> None:
        try:
            async with self._transaction() as tx:
                result = await member.work(tx)
        except Exception as error:
            _settle(member, error=error)
        else:
            _settle(member, result)


def _settle(member: _Member, result: Any = None, error: Exception | None = None) -> None:
    if member.done.done():  # its caller was cancelled
        return
    if error is None:
        member.done.set_result(result)
    else:
        member.done.set_exception(error)
