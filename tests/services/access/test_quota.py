"""The operations of a month."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.clock import from_rfc3339
from lamplighter.errors.access import OperationsQuotaReached
from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.services.access.quota import OperationQuota
from lamplighter.settings import Settings
from lamplighter.storage.database import Database
from tests.services.app import UNLIMITED, App, make_app

NOW = from_rfc3339("2026-11-21T20:15:01Z")
NEXT_MONTH = from_rfc3339("2026-12-01T00:00:00Z")
SETTINGS = msgspec.structs.replace(UNLIMITED, access=msgspec.structs.replace(UNLIMITED.access, quota_tier_0=3))
FREE = Caller(
    account_id="a", kind=CredentialKind.API_KEY, credential_id="k", subject_id="k", permissions=frozenset(), tier="0"
)
COMMERCIAL = msgspec.structs.replace(FREE, tier="1")


async def write(quota: OperationQuota, database: Database) -> None:
    async with database.transaction() as tx:
        await quota.write(tx, quota.take())


async def test_a_free_account_is_refused_at_its_limit_until_the_next_month(database: Database) -> None:
    quota = OperationQuota(database, SETTINGS)
    await quota.prepare("a", NOW)
    for _ in range(3):
        quota.count(FREE, NOW)
    with pytest.raises(OperationsQuotaReached) as caught:
        quota.count(FREE, NOW)
    assert caught.value.facts == {"used": 3, "limit": 3, "resets": "2026-12-01T00:00:00Z"}
    quota.count(COMMERCIAL, NOW)
    quota.count(FREE, NEXT_MONTH)
    assert await quota.used("a", NEXT_MONTH) == 1


async def test_counts_of_several_processes_add_up(database: Database) -> None:
    one, two = OperationQuota(database, SETTINGS), OperationQuota(database, SETTINGS)
    for quota in (one, two, two):
        await quota.prepare("a", NOW)
        quota.count(FREE, NOW)
    await write(one, database)
    await write(two, database)
    with pytest.raises(OperationsQuotaReached):
        two.count(FREE, NOW)
    three = OperationQuota(database, SETTINGS)
    assert await three.used("a", NOW) == 3


async def test_a_restart_remembers_what_was_written(open_database: Callable[[], Database]) -> None:
    opened = open_database()
    await opened.start()
    try:
        async with make_app(opened) as app:
            before = await app.access.quota.used(app.account_id, app.clock.now())
            assert before > 0
        again = App(opened, settings=Settings(), clock=app.clock)
        assert await again.access.quota.used(app.account_id, app.clock.now()) == before
        again.access.passwords.close()
    finally:
        await opened.close()


async def test_what_could_not_be_written_is_kept_for_the_next_time(open_database: Callable[[], Database]) -> None:
    opened = open_database()
    await opened.start()
    async with make_app(opened) as app:
        counted = await app.access.quota.used(app.account_id, app.clock.now())
        await opened.close()
        with pytest.raises(DatabaseUnavailable):
            await app.access.flush()
        await opened.start()
        assert await app.access.quota.used(app.account_id, app.clock.now()) == counted
        await app.access.flush()
        fresh = OperationQuota(opened, SETTINGS)
        assert await fresh.used(app.account_id, app.clock.now()) == counted
    await opened.close()


async def test_the_answer_names_used_limit_and_reset(database: Database) -> None:
    settings = msgspec.structs.replace(UNLIMITED, access=msgspec.structs.replace(UNLIMITED.access, quota_tier_1=30))
    async with make_app(database, settings=settings) as app:
        answer = await app.get("/v3/policy-groups")
        while answer.status_code == 200:
            answer = await app.get("/v3/policy-groups")
        assert (answer.status_code, answer.json()["type"]) == (403, "account_limit_exceeded")
        assert "30 of the 30 operations" in answer.json()["message"]
        assert "2023-12-01T00:00:00Z" in answer.json()["message"]
