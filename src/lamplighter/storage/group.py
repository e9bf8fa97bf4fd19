"""Many callers' small transactions as one: its beginning, its commit and what is written later are shared.

Most of what a small transaction costs is that, on PostgreSQL in round trips. What the callers do must be able to run
twice: if one of them fails after it wrote, nothing of the group is kept, and each runs again alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.storage.database import Transaction

MOST_TOGETHER = 100
"""Callers that share a transaction at most."""

Work = Callable[[Transaction], Awaitable[Any]]


class Shared(Transaction, Protocol):
    """A transaction that tells whether it can be gone on with after an exception."""

    written: int
    """Statements so far that changed something, or will."""
    failed: bool


class _Member(NamedTuple):
    work: Work
    done: asyncio.Future[Any]


class Group:
    """Collects callers.

    :param transaction: begins a transaction
    :param abreast: groups under way at once: while one waits for its commit, the next is at work
    :param longest: seconds after which a group takes in no more callers
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractAsyncContextManager[Any]],
        *,
        abreast: int,
        longest: float = float("inf"),
    ) -> None:
        self._transaction = transaction
        self._abreast = abreast
        self._longest = longest
        self._waiting: deque[_Member] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work = 0  # of the tasks: one that has ended stays among them until the loop's next turn

    async def run(self, work: Work) -> Any:
        """The result of the work, once it is on disk; or what it raised. Who is cancelled may find it done."""
        member = _Member(work, asyncio.get_running_loop().create_future())
        self._waiting.append(member)
        if self._at_work < self._abreast:
            self._at_work += 1
            task = asyncio.create_task(self._drain(), name="group of transactions")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await member.done

    async def _drain(self) -> None:
        try:
            while self._waiting:
                members = [self._waiting.popleft()]
                if not await self._together(members):
                    await asyncio.gather(*[self._alone(member) for member in members if not member.done.done()])
        finally:
            self._at_work -= 1

    async def _together(self, members: list[_Member]) -> bool:
        """Take in those who wait. False: one of them has to be undone, and all to be done alone."""
        results: list[tuple[_Member, Any]] = []
        loop = asyncio.get_running_loop()
        begun = at_work = False
        try:
            async with self._transaction() as tx:
                begun = at_work = True
                end = loop.time() + self._longest
                for member in members:  # others come behind it meanwhile
                    if not member.done.done():  # else its caller was cancelled
                        await _do(member, tx, results)
                    if self._waiting and len(members) < MOST_TOGETHER and loop.time() < end:
                        members.append(self._waiting.popleft())
                at_work = False
        except DatabaseUnavailable as error:
            if at_work:
                return False
            if not begun:
                members += self._waiting
                self._waiting.clear()
            for member in members:  # nobody knows whether it was committed: it is for the caller to try again
                _settle(member, error=error)
        except Exception:
            return False
        else:
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


async def _do(member: _Member, tx: Shared, results: list[tuple[_Member, Any]]) -> None:
    """Its part of the transaction. Who is refused before anything of it was written has the answer now; raises what else
    goes wrong."""
    written = tx.written
    try:
        results.append((member, await member.work(tx)))
    except Exception as error:
        if tx.written != written or tx.failed:
            raise
        _settle(member, error=error)


def _settle(member: _Member, result: Any = None, error: Exception | None = None) -> None:
    if member.done.done():  # its caller was cancelled
        return
    if error is None:
        member.done.set_result(result)
    else:
        member.done.set_exception(error)
