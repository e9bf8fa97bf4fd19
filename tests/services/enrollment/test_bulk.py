"""Bulk uploads and deletes over the API: from a file to the reports, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from lamplighter.clock import to_rfc3339
from lamplighter.errors.enrollment import BulkEnrollmentNotFound
from lamplighter.services.enrollment import events
from lamplighter.services.enrollment.bulk import CHUNK
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, DEVELOPER, OTHER
from tests.services.enrollment.bench import CLAIMS, DELETES, UPLOADS, URL, Bench, file_of, identity

FULL_HEADER = b'"entity__id","entity__created_at","error__code","error__type","error__message","error__fields"\r\n'
ERRORS_HEADER = b'"entity__id","error__code","error__type","error__message","error__fields"\r\n'
ACTOR = {"account_id": ACCOUNT, "credential": "an access key", "credential_id": "ACCESS_KEY"}


async def test_a_file_becomes_a_job_that_is_done_later(bench: Bench) -> None:
    made = await bench.upload(file_of(identity(1), identity(2)))
    now = to_rfc3339(bench.clock.now())
    new = {
        "object": "enrollment-identity-bulk-uploads",
        "id": made["id"],
        "account_id": ACCOUNT,
        "status": "new",
        "total_count": 2,
        "processed_count": 0,
        "errors_count": 0,
        "created_at": now,
        "completed_at": None,
        "full_report_file": None,
        "errors_report_file": None,
        "etag": "1",
    }
    assert made == new == await bench.job(made["id"])
    assert (await bench.call("GET", CLAIMS))["total_count"] == 0
    await bench.work()
    base = f"{URL}{UPLOADS}/{made['id']}"
    assert await bench.job(made["id"]) == {
        **new,
        "status": "completed",
        "processed_count": 2,
        "completed_at": now,
        "full_report_file": f"{base}/full_report.csv",
        "errors_report_file": f"{base}/errors_report.csv",
        "etag": "2",
    }
    listed = await bench.call("GET", CLAIMS)
    assert [each["enrollment_identity"] for each in listed["data"]] == [identity(1), identity(2)]


async def test_the_reports_have_exactly_the_documented_shape(bench: Bench) -> None:
    await bench.claim(2, key=OTHER)
    job = await bench.done(file_of(identity(1), f'"{identity(2)}",', 'B-"x'))
    full = (await bench.raw_report(job["full_report_file"])).content
    errors = (await bench.raw_report(job["errors_report_file"])).content
    now = to_rfc3339(bench.clock.now()).encode()
    lines = full.split(b"\r\n")
    assert full.startswith(FULL_HEADER) and full.endswith(b"\r\n") and len(lines) == 5
    assert lines[1] == b'"%s","%s","","","",""' % (identity(1).encode(), now)
    assert lines[2].startswith(b'"%s","","409","duplicate","The enrollment identity ' % identity(2).encode())
    assert lines[2].endswith(b'.",""')
    assert lines[3].startswith(b'"B-""x","","400","validation_error","The enrollment identity does not begin with A-. ')
    field = b'[{""name"":""enrollment_identity"",""message"":""does not begin with A-""}]'
    assert lines[3].endswith(b',"' + field + b'"')
    assert errors.startswith(ERRORS_HEADER)
    expected = [line.replace(b'","",', b'",', 1) for line in lines[2:4]]
    assert errors.split(b"\r\n")[1:] == [*expected, b""]


async def test_every_row_has_its_line_in_the_order_of_the_file(bench: Bench) -> None:
    await bench.claim(3)
    await bench.claim(4, key=OTHER)
    rows = [identity(number) for number in range(6)]
    job = await bench.done(file_of(*rows, rows[0].lower().replace("a-", "A-", 1), "nonsense", rows[1]))
    assert (job["total_count"], job["processed_count"], job["errors_count"]) == (9, 9, 5)
    report = await bench.report(job["full_report_file"])
    codes = [line["error__code"] for line in report]
    assert codes == ["", "", "", "409", "409", "", "409", "400", "409"]
    assert [bool(line["entity__created_at"]) for line in report] == [not code for code in codes]
    errors = await bench.report(job["errors_report_file"])
    assert [line["entity__id"] for line in errors] == [line["entity__id"] for line in report if line["error__code"]]
    assert (await bench.call("GET", CLAIMS))["total_count"] == 5


async def test_a_job_of_many_chunks_grows_as_it_is_done(bench: Bench) -> None:
    number = 2 * CHUNK + 7
    rows = [identity(each) for each in range(number)]
    made = await bench.upload(file_of(*rows, *rows[:3]))
    seen: list[tuple[str, int, int]] = []
    # The worker's own steps, to look between them.
    job = await bench.worker.take()
    assert job is not None
    while True:
        shown = await bench.job(made["id"])
        seen.append((shown["status"], shown["processed_count"], shown["errors_count"]))
        if not await bench.worker.chunk(job):
            break
    assert seen == [("processing", 0, 0), ("processing", CHUNK, 0), ("processing", 2 * CHUNK, 0)]
    done = await bench.job(made["id"])
    assert (done["status"], done["processed_count"], done["errors_count"]) == ("completed", number + 3, 3)
    report = await bench.report(done["full_report_file"])
    assert [line["entity__id"] for line in report] == [*rows, *rows[:3]]
    assert [line["error__code"] for line in report] == [""] * number + ["409"] * 3


async def test_a_bulk_delete_gives_up_what_the_account_has(bench: Bench) -> None:
    for number in range(3):
        await bench.claim(number)
    await bench.claim(3, key=OTHER)
    rows = [identity(0), identity(1).lower().replace("a-", "A-", 1), identity(3), identity(4), identity(0), "x"]
    job = await bench.done(file_of(*rows), DELETES)
    assert (job["status"], job["total_count"], job["errors_count"]) == ("completed", 6, 4)
    report = await bench.report(job["full_report_file"])
    assert [line["error__code"] for line in report] == ["", "", "404", "404", "404", "400"]
    assert report[0]["entity__deleted_at"] == to_rfc3339(bench.clock.now())
    assert set(report[2].values()) >= {identity(3), "not_found"}
    left = await bench.call("GET", CLAIMS)
    assert [each["enrollment_identity"] for each in left["data"]] == [identity(2)]
    await bench.claim(3, status=409)
    deleted = [data for kind, _, _, data in await bench.events() if kind == events.CLAIM_DELETED]
    assert {each["identity"] for each in deleted} == {identity(0), identity(1)}
    assert {each["bulk_id"] for each in deleted} == {job["id"]}


async def test_who_asked_for_a_job_and_what_it_did_is_in_the_event_log(bench: Bench) -> None:
    job = await bench.done(file_of(identity(1), "x"))
    about = {"id": job["id"], "kind": "upload", "total": 2}
    created, claimed, completed = await bench.events()
    assert created == (events.BULK_CREATED, ACCOUNT, None, {**about, "by": ACTOR})
    made = {"identities": [identity(1)], "bulk_id": job["id"]}
    assert claimed == (events.CLAIMS_CREATED, ACCOUNT, None, made)
    assert completed == (events.BULK_COMPLETED, ACCOUNT, None, {**about, "failed": 1, "by": ACTOR})


async def test_a_claim_that_has_expired_gives_way_to_one_of_a_file(bench: Bench) -> None:
    await bench.claim(1, key=OTHER)
    bench.clock.advance(bench.settings.enrollment.claim_life + 1)
    job = await bench.done(file_of(identity(1)))
    assert job["errors_count"] == 0
    assert (await bench.call("GET", CLAIMS))["total_count"] == 1


async def test_a_file_claims_no_more_than_the_account_may(database: Database) -> None:
    bench = Bench(database, open_claims=3)
    await bench.claim(0)
    job = await bench.done(file_of(*[identity(number) for number in range(5)]))
    report = await bench.report(job["full_report_file"])
    assert [line["error__type"] for line in report] == ["duplicate", "", "", *["account_limit_exceeded"] * 2]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "no enrollment identity"),
        (b"only a header\n", 400, "no enrollment identity"),
        (b"h\n\xff", 400, "not UTF-8: byte 2 "),
        (file_of(*["x"] * 6), 400, "more than 5 "),
        (b"h\n" + b"x" * 1000, 413, "1002 bytes, and at most 1000 "),
    ],
)
async def test_a_file_that_cannot_be_done_is_refused_at_once(
    database: Database, content: bytes, status: int, words: str
) -> None:
    bench = Bench(database, bulk_rows=5, bulk_size=1000)
    for path in (UPLOADS, DELETES):
        refused = await bench.upload(content, path, status=status)
        assert words in refused["message"]
    assert await bench.events() == []


async def test_a_form_without_the_file_is_refused(bench: Bench) -> None:
    refused = await bench.upload(file_of(identity(1)), name="file", status=400)
    assert refused["type"] == "validation_error"
    assert refused["fields"] == [{"name": "enrollment_identities", "message": "is required as a file of the form"}]
    refused = await bench.call("POST", UPLOADS, status=400, json={"enrollment_identities": "x"})
    assert refused["type"] == "bad_request" and "multipart/form-data" in refused["message"]
    refused = await bench.call("POST", UPLOADS, status=400)
    assert refused["type"] == "validation_error"


async def test_an_account_has_no_more_unfinished_jobs_than_the_limit(database: Database) -> None:
    bench = Bench(database, bulk_jobs=2)
    for number in range(2):
        await bench.upload(file_of(identity(number)))
    refused = await bench.upload(file_of(identity(2)), status=403)
    assert refused["type"] == "account_limit_exceeded"
    await bench.upload(file_of(identity(3)), key=OTHER)
    await bench.work()
    await bench.upload(file_of(identity(2)))


async def test_an_account_sees_only_its_own_jobs_and_reports(bench: Bench) -> None:
    job = await bench.done(file_of(identity(1)))
    path = f"{UPLOADS}/{job['id']}"
    for below in ("", "/full_report.csv", "/errors_report.csv"):
        answer = await bench.call("GET", path + below, key=OTHER, status=404)
        assert answer["type"] == "not_found"
        await bench.call("GET", path + below, key=DEVELOPER, status=403)
        await bench.call("GET", path.replace(UPLOADS, DELETES) + below, status=404)
        await bench.call("GET", f"{UPLOADS}/x{below}", status=404)
    await bench.upload(file_of(identity(1)), key=DEVELOPER, status=403)


async def test_reports_can_be_read_once_the_job_is_completed(bench: Bench) -> None:
    made = await bench.upload(file_of(identity(1)))
    refused = await bench.call("GET", f"{UPLOADS}/{made['id']}/full_report.csv", status=404)
    assert "0 of 1 rows are done" in refused["message"]
    await bench.work()
    answer = await bench.raw_report(f"{UPLOADS}/{made['id']}/full_report.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="full_report.csv"'
    without_errors = await bench.raw_report(f"{UPLOADS}/{made['id']}/errors_report.csv")
    assert without_errors.content == ERRORS_HEADER


async def test_a_job_and_its_reports_are_kept_for_a_time(bench: Bench) -> None:
    job = await bench.done(file_of(identity(1)))
    waiting = await bench.upload(file_of(identity(2)))
    kept = bench.settings.enrollment.bulk_kept
    bench.clock.advance(kept - 1)
    await bench.service.prune()
    await bench.job(job["id"])
    bench.clock.advance(2)
    await bench.service.prune()
    await bench.call("GET", f"{UPLOADS}/{job['id']}", status=404)
    await bench.call("GET", f"{UPLOADS}/{job['id']}/full_report.csv", status=404)
    assert (await bench.job(waiting["id"]))["status"] == "new"
    assert (await bench.call("GET", CLAIMS))["total_count"] == 1


async def test_a_report_that_is_pruned_while_it_is_read_ends_without_being_complete(bench: Bench) -> None:
    job = await bench.done(file_of(*[identity(number) for number in range(CHUNK + 1)]))
    stream = await bench.service.bulk.report(ACCOUNT, "upload", job["id"], "full_report.csv")
    sent: list[bytes] = []

    class Pruning:
        async def send(self, piece: bytes) -> None:
            sent.append(piece)
            if len(sent) == 2:
                bench.clock.advance(bench.settings.enrollment.bulk_kept + 1)
                await bench.service.prune()

    outlet: Any = Pruning()
    with pytest.raises(BulkEnrollmentNotFound):
        await stream.write(outlet)
    assert len(sent) == 2
