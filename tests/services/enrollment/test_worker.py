"""Who does a bulk job: one worker at a time, another when it is gone, and no row twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from lamplighter.services.enrollment import events
from lamplighter.services.enrollment.bulk import CHUNK
from lamplighter.services.enrollment.reports import ReportLines
from lamplighter.services.enrollment.worker import HELD, TURN, WAITING
from lamplighter.storage.database import Database
from tests.api.toy import ADMIN, OTHER
from tests.services.enrollment.bench import CLAIMS, DELETES, UPLOADS, Bench, file_of, identity

ROWS = 3 * CHUNK


def rows(start: int = 0, number: int = ROWS) -> bytes:
    return file_of(*[identity(each) for each in range(start, start + number)])


async def check(bench: Bench, job_id: str, number: int = ROWS) -> None:
    """The job is completed without an error, and each of its rows was done once."""
    job = await bench.job(job_id)
    assert (job["status"], job["processed_count"], job["errors_count"]) == ("completed", number, 0)
    report = await bench.report(job["full_report_file"])
    assert len(report) == number and not any(line["error__code"] for line in report)
    told = [data["identities"] for kind, _, _, data in await bench.events() if kind == events.CLAIMS_CREATED]
    claimed = Counter(identity for identities in told for identity in identities)
    assert set(claimed.values()) == {1}


async def test_a_job_is_done_as_soon_as_there_is_word_of_it(bench: Bench) -> None:
    await bench.bus.start()
    heard = asyncio.Event()
    await bench.bus.subscribe(WAITING, lambda _: heard.set())
    await bench.worker.start()
    try:
        made = await bench.upload(rows())
        async with asyncio.timeout(20):
            await heard.wait()
            while (await bench.job(made["id"]))["status"] != "completed":  # noqa: ASYNC110
                await asyncio.sleep(0)
    finally:
        await bench.worker.close()
        await bench.bus.close()
    await check(bench, made["id"])


async def test_a_worker_that_ends_finishes_its_chunk_and_leaves_the_job_to_another_at_once(bench: Bench) -> None:
    await bench.bus.start()
    made = await bench.upload(rows())
    whole, ending = bench.service._claiming.claim_all, asyncio.Event()

    async def slow(*parts: Any) -> ReportLines:
        ending.set()
        await asyncio.sleep(0)
        return await whole(*parts)

    bench.service._claiming.claim_all = slow  # type: ignore[assignment, method-assign]
    await bench.worker.start()
    await ending.wait()
    await bench.worker.close()
    await bench.bus.close()
    assert 0 < await processed(bench, made["id"]) < ROWS
    other = Bench(bench.database)
    assert await other.worker.turn()
    await check(bench, made["id"])


async def test_a_worker_that_is_silent_loses_its_job_and_what_it_does_later_counts_for_nothing(bench: Bench) -> None:
    made = await bench.upload(rows())
    job = await bench.worker.take()
    assert job is not None and await bench.worker.chunk(job)
    other = Bench(bench.database)
    other.clock.advance(HELD - 1)
    assert not await other.worker.turn()
    other.clock.advance(2)
    assert await other.worker.turn()
    await check(bench, made["id"])
    assert not await bench.worker.chunk(job)
    await check(bench, made["id"])


async def test_another_life_of_a_process_goes_on_with_its_job_at_once(database: Database) -> None:
    before = Bench(database, process="all-here-5684")
    made = await before.upload(rows())
    job = await before.worker.take()
    assert job is not None and await before.worker.chunk(job)
    stranger = Bench(database, process="all-there-5684")
    assert not await stranger.worker.turn()
    after = Bench(database, process="all-here-5684")
    assert await after.worker.turn()
    assert not await before.worker.chunk(job)
    await check(after, made["id"])


async def test_jobs_that_wait_longest_have_their_turn_first(bench: Bench) -> None:
    """A long job does not keep a short one waiting until its end."""
    number = (TURN + 1) * CHUNK
    long = await bench.upload(rows(0, number))
    bench.clock.advance(1)
    short = await bench.upload(rows(number, 1), key=OTHER)
    bench.clock.advance(1)
    for expected in (long, short, long):
        before = {each["id"]: await processed(bench, each["id"]) for each in (long, short)}
        assert await bench.worker.turn()
        bench.clock.advance(1)
        after = {each["id"]: await processed(bench, each["id"]) for each in (long, short)}
        assert [job_id for job_id in after if after[job_id] != before[job_id]] == [expected["id"]]
    await check(bench, long["id"], number)


async def processed(bench: Bench, job_id: str) -> int:
    for key in (OTHER, ADMIN):
        answer = await bench.toy.call("GET", f"{UPLOADS}/{job_id}", key=key)
        if answer.status_code == 200:
            return int(answer.json()["processed_count"])
    raise AssertionError(job_id)


async def test_what_goes_wrong_in_a_chunk_is_undone_and_done_again(bench: Bench) -> None:
    made = await bench.upload(rows())
    whole = bench.service._claiming.claim_all

    async def broken(*parts: Any) -> ReportLines:
        await whole(*parts)
        raise RuntimeError("the disk is full of lamps")

    bench.service._claiming.claim_all = broken  # type: ignore[assignment, method-assign]
    with pytest.raises(RuntimeError):
        await bench.worker.turn()
    assert (await bench.job(made["id"]))["processed_count"] == 0
    assert (await bench.call("GET", CLAIMS))["total_count"] == 0
    bench.service._claiming.claim_all = whole  # type: ignore[method-assign]
    await bench.work()
    await check(bench, made["id"])


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_two_workers_share_jobs_and_each_row_is_done_once(open_database: Callable[[], Database]) -> None:
    databases = [open_database(), open_database()]
    for each in databases:
        await each.start()
    try:
        first, second = [Bench(each) for each in databases]
        jobs = [(await first.upload(rows(start * ROWS)))["id"] for start in range(6)]
        done: Counter[int] = Counter()

        async def work(place: int, bench: Bench) -> None:
            while await bench.worker.turn():
                done[place] += 1

        await asyncio.gather(work(0, first), work(1, second))
        await first.work()  # what one found taken when the other was just leaving it
        for job_id in jobs:
            await check(first, job_id)
        assert done[0] and done[1]
    finally:
        for each in databases:
            await each.close()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_of_two_accounts_that_claim_the_same_devices_at_once_each_has_those_where_it_was_first(
    open_database: Callable[[], Database],
) -> None:
    databases = [open_database(), open_database()]
    for each in databases:
        await each.start()
    try:
        first, second = [Bench(each) for each in databases]
        own = await first.upload(rows())
        others = await second.upload(file_of(*[identity(each) for each in reversed(range(ROWS))]), key=OTHER)
        await asyncio.gather(first.work(), second.work())
        await first.work()
        mine = await first.job(own["id"])
        theirs = (await second.toy.call("GET", f"{UPLOADS}/{others['id']}", key=OTHER)).json()
        assert mine["status"] == theirs["status"] == "completed"
        assert mine["errors_count"] + theirs["errors_count"] == ROWS
        listed = [(await first.call("GET", CLAIMS, key=key))["total_count"] for key in (ADMIN, OTHER)]
        assert listed == [ROWS - mine["errors_count"], ROWS - theirs["errors_count"]]
    finally:
        for each in databases:
            await each.close()


async def test_uploads_and_deletes_of_the_same_devices_follow_each_other(bench: Bench) -> None:
    made = await bench.upload(rows())
    await bench.work()
    deleted = await bench.upload(rows(), DELETES)
    await bench.work()
    job = await bench.job(deleted["id"], DELETES)
    assert (job["processed_count"], job["errors_count"]) == (ROWS, 0)
    assert (await bench.call("GET", CLAIMS))["total_count"] == 0
    again = await bench.upload(rows())
    await bench.work()
    assert (await bench.job(again["id"]))["errors_count"] == 0
    assert made["id"] != again["id"]
