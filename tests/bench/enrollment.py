"""Bulk enrollment of 100,000 devices by the whole server: from the upload of the file until both reports have been read.

Beside it, how long other writers wait meanwhile: single claims by the same API, one after the other.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import threading
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from tests.bench.errors import call
from tests.bench.measure import Options, Row, cpu_seconds
from tests.bench.rest import Served, served

ROWS = 100_000
UPLOADS = "/v3/device-enrollments-bulk-uploads"
BOUNDARY = "a-boundary-of-the-bench"


def identity(name: str) -> str:
    return "A-" + hashlib.sha256(name.encode()).digest().hex(":").upper()


def read(ours: Served, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    headers = {"Authorization": f"Bearer {ours.key}", "Content-Type": kind}
    request = urllib.request.Request(f"http://127.0.0.1:{ours.port}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def upload(ours: Served, rows: int) -> dict[str, Any]:
    """A new job of so many devices."""
    lines = "\r\n".join(["enrollment_identity", *[identity(f"bulk {number}") for number in range(rows)]])
    disposition = 'form-data; name="enrollment_identities"; filename="identities.csv"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: text/csv\r\n\r\n"
    body = f"{head}{lines}\r\n--{BOUNDARY}--\r\n".encode()
    made: dict[str, Any] = json.loads(read(ours, UPLOADS, body, f"multipart/form-data; boundary={BOUNDARY}"))
    return made


class Claims:
    """Claims of single devices while the job is done, and how long each took."""

    def __init__(self, ours: Served) -> None:
        self.seconds: list[float] = []
        self._ours = ours
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            before = time.monotonic()
            body = {"enrollment_identity": identity(f"single {len(self.seconds)}")}
            call(self._ours, "POST", "/v3/device-enrollments", body)
            self.seconds.append(time.monotonic() - before)


def measure(options: Options) -> list[Row]:
    rows = options.devices or ROWS
    with served(Options(devices=1)) as ours:
        cpu, before = cpu_seconds(ours.pid), time.monotonic()
        with Claims(ours) as claims:
            job = upload(ours, rows)
            accepted = time.monotonic() - before
            while job["status"] != "completed":
                time.sleep(0.1)
                job = json.loads(read(ours, f"{UPLOADS}/{job['id']}"))
            full, errors = [read(ours, urlsplit(job[f"{name}_report_file"]).path) for name in ("full", "errors")]
        seconds = time.monotonic() - before
        cpu = cpu_seconds(ours.pid) - cpu
    if (full.count(b"\r\n"), errors.count(b"\r\n"), job["errors_count"]) != (rows + 1, 1, 0):
        raise RuntimeError(f"the reports are not those of {rows} new claims: {job}")
    name = f"enrollment: {rows:,} devices by a file"
    waited = sorted(claims.seconds)
    return [
        Row(what=f"{name}, reports read", ours=seconds, unit="s", goal="≤ 20 s", limit=20.0),
        Row(what=f"{name}, the upload answered", ours=accepted, unit="s"),
        Row(what="enrollment: one of them, CPU", ours=cpu / rows * 1e6),
        Row(what="enrollment: a single claim meanwhile, median", ours=statistics.median(waited) * 1e3, unit="ms"),
        Row(what="enrollment: a single claim meanwhile, longest", ours=waited[-1] * 1e3, unit="ms"),
    ]
