"""Bulk enrollment by whole servers: over the wire, by roles of their own, and through kills."""

from __future__ import annotations

import asyncio
import csv
import io
import signal
import ssl
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from lamplighter.roles.process import Process
from lamplighter.services.enrollment.events import CLAIMS_CREATED
from lamplighter.settings import Database as DatabaseSettings
from lamplighter.settings import Settings
from lamplighter.storage.open import open_database
from tests.roles.killed import Server
from tests.roles.serving import Serving, settings_for
from tests.roles.test_kill import recorded
from tests.services.enrollment.bench import CLAIMS, UPLOADS, file_of, identity

PATIENCE = 180.0
"""Seconds for whatever must happen."""
MANY = 10_000


async def upload(client: httpx2.AsyncClient, rows: int) -> str:
    """The id of a new job."""
    content = file_of(*[identity(number) for number in range(rows)])
    files = {"enrollment_identities": ("enrollment_identities.csv", content, "text/csv")}
    made = await client.post(UPLOADS, files=files)
    assert made.status_code == 201, made.text
    assert (made.json()["status"], made.json()["total_count"]) == ("new", rows)
    job_id: str = made.json()["id"]
    return job_id


async def until(client: httpx2.AsyncClient, job_id: str, processed: int) -> dict[str, Any]:
    """The job, once so many of its rows are done; it only ever grows."""
    before = 0
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await client.get(f"{UPLOADS}/{job_id}")
            assert answer.status_code == 200, answer.text
            job: dict[str, Any] = answer.json()
            assert job["processed_count"] >= before
            before = job["processed_count"]
            if before >= processed:
                return job


async def check(client: httpx2.AsyncClient, job_id: str, rows: int) -> None:
    """It is completed, and its report has each row once, claimed."""
    job = await until(client, job_id, rows)
    assert (job["status"], job["errors_count"]) == ("completed", 0)
    report = await client.get(urlsplit(job["full_report_file"]).path)
    lines = list(csv.DictReader(io.StringIO(report.text, newline="")))
    assert [line["entity__id"] for line in lines] == [identity(number) for number in range(rows)]
    assert not any(line["error__code"] for line in lines)
    assert (await client.get(CLAIMS)).json()["total_count"] == rows


async def test_a_file_is_uploaded_done_and_reported(tmp_path: Path, database_url: str) -> None:
    serving = Serving(tmp_path, settings_for(database_url))
    await serving.start()
    try:
        async with serving.client() as client:
            client.headers["Authorization"] = f"Bearer {serving.key}"
            job_id = await upload(client, 700)
            await check(client, job_id, 700)
            path = f"{UPLOADS}/{job_id}/full_report.csv"
            head = await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
            too_large = b"h\n" + b"x" * (10 * 1024 * 1024)
            refused = await client.post(UPLOADS, files={"enrollment_identities": ("x", too_large, "text/csv")})
            assert (refused.status_code, refused.json()["type"]) == (413, "payload_too_large")
    finally:
        await serving.close()


async def test_the_api_takes_a_file_and_a_worker_does_it(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(database_url)
    api, worker = Process(tmp_path, settings, "api"), Process(tmp_path, settings, "worker")
    await api.start()
    trusted = ssl.create_default_context(cafile=str(tmp_path / "pki/ca.pem"))
    headers = {"Authorization": f"Bearer {api.folder.admin_key.read_text().strip()}"}
    try:
        async with httpx2.AsyncClient(
            base_url=f"https://localhost:{api.port}", verify=trusted, headers=headers, timeout=20
        ) as client:
            job_id = await upload(client, 10)
            assert (await client.get(f"{UPLOADS}/{job_id}")).json()["status"] == "new"
            await worker.start()
            try:
                await check(client, job_id, 10)
            finally:
                await worker.close()
    finally:
        await api.close()


async def test_a_job_goes_on_after_each_kill_and_no_row_is_done_twice(tmp_path: Path, database_url: str) -> None:
    server = Server(tmp_path / "data", database_url)
    await server.start()
    try:
        async with server.client() as client:
            job_id = await upload(client, MANY)
        seen = []
        for target in (1, 5000):
            async with server.client() as client:
                job = await until(client, job_id, target)
            assert await server.stop(signal.SIGKILL) == -signal.SIGKILL
            assert job["status"] == "processing" and job["full_report_file"] is None
            seen.append(job["processed_count"])
            await server.start()
        assert seen == sorted(seen) and seen[-1] < MANY
        async with server.client() as client:
            await check(client, job_id, MANY)
        assert await server.stop(signal.SIGTERM) == 0
    finally:
        await server.close()
    database = open_database(Settings(database=DatabaseSettings(url=database_url)), server.data)
    await database.start()
    try:
        events = [each.event async for each in recorded(database) if each.event.kind == CLAIMS_CREATED]
    finally:
        await database.close()
    told = Counter(identity for event in events for identity in event.data["identities"])
    assert len(told) == MANY and set(told.values()) == {1}
