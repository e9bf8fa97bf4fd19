"""Enrollment on a database, with its REST operations and without a running worker: a test says when something is done."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa

from lamplighter.bus.local import LocalBus
from lamplighter.clock import ManualClock
from lamplighter.ids import Ids
from lamplighter.services.enrollment.operations import operations
from lamplighter.services.enrollment.service import Enrollment, identity_of
from lamplighter.services.enrollment.worker import BulkWorker
from lamplighter.settings import Enrollment as Limits
from lamplighter.settings import Public, Settings
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests import contract
from tests.api.toy import ADMIN, Toy

CLAIMS = "/v3/device-enrollments"
UPLOADS = "/v3/device-enrollments-bulk-uploads"
DELETES = "/v3/device-enrollments-bulk-deletes"
DENIALS = "/v3/device-enrollment-denials"
URL = "https://lamps.test"
HEADER = "enrollment_identity"

_EVENTS = Query(sa.text("SELECT kind, account_id, device_id, data FROM events ORDER BY position"))


def identity(number: int) -> str:
    """Of a device that has that number for its certificate."""
    return identity_of(b"certificate %d" % number)


def file_of(*identities: str) -> bytes:
    return "\r\n".join([HEADER, *identities]).encode()


class Bench:
    """The service of one process, and calls as the owner."""

    def __init__(self, database: Database, *, process: str = "", **limits: Any) -> None:
        self.database = database
        self.clock = ManualClock()
        self.ids = Ids(self.clock)
        self.bus = LocalBus()
        self.settings = Settings(enrollment=Limits(**limits), public=Public(rest_url=URL))
        self.service = Enrollment(database, self.clock, self.ids, self.settings, self.bus, process=process)
        self.toy = Toy(self.settings, bound=operations.bind(self.service))

    @property
    def worker(self) -> BulkWorker:
        return self.service.worker

    async def call(
        self, method: str, path: str, operation_id: str = "", *, key: str = ADMIN, status: int = 200, **more: Any
    ) -> Any:
        """The decoded body of the answer, which keeps the contract where the operation is given."""
        answer = await self.toy.call(method, path, key=key, **more)
        assert answer.status_code == status, answer.text
        body = answer.json() if answer.headers.get("content-type", "").endswith("json") else answer.text or None
        if operation_id:
            contract.check(operation_id, status, body)
        return body

    async def claim(self, number: int, *, key: str = ADMIN, status: int = 201) -> Any:
        body = {"enrollment_identity": identity(number)}
        return await self.call("POST", CLAIMS, "createDeviceEnrollment", key=key, status=status, json=body)

    async def upload(
        self,
        content: bytes,
        path: str = UPLOADS,
        *,
        key: str = ADMIN,
        status: int = 201,
        name: str = "enrollment_identities",
    ) -> Any:
        operation_id = "createBulkDeviceEnrollment" if path == UPLOADS else "deleteBulkDeviceEnrollment"
        files = {name: ("enrollment_identities.csv", content, "text/csv")}
        return await self.call("POST", path, operation_id, key=key, status=status, files=files)

    async def job(self, job_id: str, path: str = UPLOADS) -> Any:
        operation_id = "getBulkDeviceEnrollment" if path == UPLOADS else "getBulkDeviceEnrollmentDelete"
        return await self.call("GET", f"{path}/{job_id}", operation_id)

    async def work(self) -> None:
        """Do all that waits."""
        while await self.worker.turn():
            pass

    async def done(self, content: bytes, path: str = UPLOADS) -> Any:
        """The completed job of a file."""
        made = await self.upload(content, path)
        await self.work()
        return await self.job(made["id"], path)

    async def report(self, url: str, **more: Any) -> list[dict[str, str]]:
        """The lines of a report by the names of its header."""
        answer = await self.raw_report(url, **more)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))

    async def raw_report(self, url: str, **more: Any) -> httpx2.Response:
        return await self.toy.call("GET", url.removeprefix(URL), **more)

    async def events(self) -> list[tuple[str, str, str | None, dict[str, Any]]]:
        rows = await self.database.fetch_all(_EVENTS)
        return [(row[0], row[1], row[2], msgspec.json.decode(row[3])) for row in rows]
