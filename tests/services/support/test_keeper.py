"""Kept errors: found at once, after a batch, after a restart, and while the database is away."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.api.kept import KeptError
from lamplighter.clock import ManualClock
from lamplighter.errors import access, storage
from lamplighter.services.support.keeper import SAMPLE_BURST, Keeper
from lamplighter.services.support.service import Support
from lamplighter.storage.database import Database, Transaction

ACCOUNT, OTHER = "a" * 32, "b" * 32


def error(number: int, account_id: str | None = ACCOUNT, address: str = "203.0.113.9") -> KeptError:
    return KeptError(
        request_id=f"{number:032x}",
        time=number,
        status=404,
        type="not_found",
        member="account-not-found",
        message="There is no account. Look again.",
        remedy="Look again.",
        fields=[],
        method="GET",
        path="/v3/accounts/1",
        operation="getAccountInfo",
        account_id=account_id,
        credential=None,
        address=address,
        client_request_id=None,
        user_agent=None,
        details={"rule": 7},
    )


def caller(account_id: str = ACCOUNT, *, root: bool = False) -> Caller:
    return Caller(
        account_id=account_id,
        kind=CredentialKind.ACCESS_KEY,
        credential_id="k",
        subject_id="s",
        permissions=frozenset("*"),
        root=root,
    )


class Away:
    """A database that cannot be reached until ``back`` is set."""

    dialect = "sqlite"

    def __init__(self, database: Database) -> None:
        self._database = database
        self.back = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if not self.back:
            raise storage.DatabaseUnavailable(retry_after=1)
        async with self._database.transaction() as transaction:
            yield transaction

    async def fetch_one(self, *query: Any, **values: Any) -> Any:
        return await self._database.fetch_one(*query, **values) if self.back else None


@pytest.fixture
def keeper(database: Database, tmp_path: Path) -> Keeper:
    return Keeper(database, ManualClock(), tmp_path, kept=86400, rate=1)


async def test_an_error_is_found_before_and_after_it_is_written(keeper: Keeper) -> None:
    keeper.keep(error(1))
    assert await keeper.find(f"{1:032x}") == error(1)
    await keeper.close()
    assert await keeper.find(f"{1:032x}") == error(1)


async def test_errors_wait_in_a_file_while_the_database_is_away(database: Database, tmp_path: Path) -> None:
    away = Away(database)
    keeper = Keeper(away, ManualClock(), tmp_path, kept=86400, rate=1)  # type: ignore[arg-type]
    keeper.keep(error(1))
    await keeper.close()
    assert await keeper.find(f"{1:032x}") == error(1)
    away.back = True
    keeper.keep(error(2))
    await keeper.close()
    assert not [name for name in os.listdir(tmp_path) if name.startswith("kept-errors")]
    assert [await keeper.find(f"{each:032x}") for each in (1, 2)] == [error(1), error(2)]


async def test_a_strangers_first_errors_are_always_kept_and_later_ones_sampled(keeper: Keeper) -> None:
    for number in range(SAMPLE_BURST + 10):
        keeper.keep(error(number, account_id=None))
    keeper.keep(error(1000, account_id=None, address="198.51.100.1"))
    keeper.keep(error(1001))
    found = [await keeper.find(f"{number:032x}") for number in range(SAMPLE_BURST)]
    assert None not in found
    assert keeper.dropped == 10
    assert await keeper.find(f"{1000:032x}") and await keeper.find(f"{1001:032x}")


async def test_only_the_account_itself_sees_its_errors_and_root_sees_strangers(keeper: Keeper) -> None:
    support = Support(keeper, 7)
    keeper.keep(error(1))
    keeper.keep(error(2, account_id=None))
    explained = await support.explain(caller(), f"{1:032x}")
    assert (explained.code, explained.error, explained.details) == (404, "account-not-found", {"rule": 7})
    assert explained.cause and explained.remedy and explained.help == "/docs/errors#account-not-found"
    assert (await support.explain(caller(OTHER, root=True), f"{2:032x}")).account_id is None
    for who, number in ((caller(OTHER), 1), (caller(OTHER, root=True), 1), (caller(), 2), (caller(), 3)):
        with pytest.raises(access.KeptErrorNotFound):
            await support.explain(who, f"{number:032x}")
    with pytest.raises(access.KeptErrorNotFound):
        await support.explain(caller(), "not an id")


async def test_what_a_stranger_sends_never_ends_the_keeping(database: Database, tmp_path: Path) -> None:
    keeper = Keeper(database, ManualClock(), tmp_path, kept=86400, rate=1)
    await keeper.start()
    odd = msgspec.structs.replace(error(1), path="/v3/\x00", user_agent="\\u0000", details={"\x00": "\x00"})
    keeper.keep(odd)
    keeper.keep(error(2))
    worse = msgspec.structs.replace(error(3), path="/v3/\udc80")
    keeper.keep(worse)
    await keeper.close()
    await keeper.start()
    keeper.keep(error(4))
    await keeper.close()
    found = [await keeper.find(f"{number:032x}") for number in (1, 2, 4)]
    assert [each.request_id if each else None for each in found] == [f"{number:032x}" for number in (1, 2, 4)]
    assert keeper.dropped == 1


async def test_what_waited_in_the_file_is_taken_in_though_a_process_died_half_way(
    database: Database, tmp_path: Path
) -> None:
    away = Away(database)
    keeper = Keeper(away, ManualClock(), tmp_path, kept=86400, rate=1)  # type: ignore[arg-type]
    keeper.keep(error(1))
    await keeper.close()
    (tmp_path / "kept-errors.jsonl").rename(tmp_path / "kept-errors.taken")
    keeper.keep(error(2))
    await keeper.close()
    assert await keeper.find(f"{1:032x}") == error(1)
    away.back = True
    for number in (3, 4):
        keeper.keep(error(number))
        await keeper.close()
    assert [name for name in os.listdir(tmp_path) if name.startswith("kept")] == []
    assert [await keeper.find(f"{each:032x}") for each in (1, 2, 3, 4)] == [error(each) for each in (1, 2, 3, 4)]
