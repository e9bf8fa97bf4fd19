"""Many callers' transactions as one, on a transaction that fails where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.storage.group import Group


class Fake:
    """What a group looks at of a transaction, and the place where the next ones fail."""

    failed = False

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.written = 0
        self.begun = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Fake]:
        await asyncio.sleep(0)
        if self.fails == "begin":
            raise DatabaseUnavailable(retry_after=1)
        self.begun += 1
        yield self
        await asyncio.sleep(0)
        if self.fails == "commit":
            raise DatabaseUnavailable(retry_after=1)


async def outcomes(fake: Fake, many: int, longest: float = 60.0) -> tuple[list[Any], list[int]]:
    """What each of so many callers got, and what was done in order."""
    done: list[int] = []
    group = Group(fake.transaction, abreast=1, longest=longest)

    async def call(number: int) -> int:
        async def work(tx: Any) -> int:
            tx.written += 1
            done.append(number)
            return number

        result: int = await group.run(work)
        return result

    return await asyncio.gather(*(call(number) for number in range(many)), return_exceptions=True), done


async def test_those_who_come_together_share_a_transaction_in_their_order() -> None:
    fake = Fake()
    assert await outcomes(fake, 20) == (list(range(20)), list(range(20)))
    assert fake.begun == 1


async def test_a_group_that_took_long_leaves_the_others_to_the_next() -> None:
    fake = Fake()
    assert await outcomes(fake, 5, longest=0.0) == (list(range(5)), list(range(5)))
    assert fake.begun == 5


@pytest.mark.parametrize("place", ["begin", "commit"])
async def test_what_was_not_begun_or_maybe_committed_is_not_repeated(place: str) -> None:
    fake = Fake(place)
    found, done = await outcomes(fake, 20)
    assert all(isinstance(each, DatabaseUnavailable) for each in found)
    assert done == ([] if place == "begin" else list(range(20)))
