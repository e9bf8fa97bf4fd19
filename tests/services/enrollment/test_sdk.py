"""The vendor's Python SDK, unmodified, claims devices of this server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.roles.serving import Serving, settings_for
from tests.servers import free_port
from tests.services.enrollment.bench import file_of, identity

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own, of years ago
ROWS = 600


async def test_the_sdk_claims_devices_one_by_one_and_by_files_and_reads_the_reports(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(
        http={"plain_port": port, "plaintext_api": True}, public={"rest_url": "https://elsewhere.test"}
    )
    serving = Serving(tmp_path / "data", settings)
    await serving.start()
    config = {"api_key": serving.key, "host": f"http://127.0.0.1:{serving.process.plain_port}"}
    try:
        await asyncio.to_thread(foundation, config, tmp_path)
        await asyncio.to_thread(legacy, config, tmp_path)
    finally:
        await serving.close()


def foundation(config: dict[str, str], folder: Path) -> None:
    from mbed_cloud import SDK

    sdk: Any = SDK(**config).foundation
    claim = sdk.device_enrollment(enrollment_identity=identity(0))
    claim.create()
    assert (claim.enrolled_device_id, claim.claimed_at) == (None, None)
    assert claim.expires_at > claim.created_at
    assert [each.id for each in sdk.device_enrollment().list()] == [claim.id]
    assert sdk.device_enrollment(id=claim.id).read().enrollment_identity == identity(0)
    path = folder / "identities.csv"
    path.write_bytes(file_of(*[identity(each) for each in range(ROWS)]))
    made = done(sdk.device_enrollment_bulk_create().create(str(path)))
    assert (made.total_count, made.processed_count, made.errors_count) == (ROWS, ROWS, 1)
    assert made.full_report_file.startswith("https://elsewhere.test/v3/device-enrollments-bulk-uploads/")
    full, errors = made.download_full_report_file().read(), made.download_errors_report_file().read()
    assert full.count("\n") == ROWS + 1 and errors.count("\n") == 2
    assert identity(0) in errors and '"409","duplicate"' in errors
    assert len(list(sdk.device_enrollment().list(page_size=100))) == ROWS
    gone = done(sdk.device_enrollment_bulk_delete().delete(str(path)))
    assert gone.errors_count == 0 and "entity__deleted_at" in gone.download_full_report_file().read()
    claim = sdk.device_enrollment(enrollment_identity=identity(1)).create()
    claim.delete()
    assert list(sdk.device_enrollment().list()) == []


def done(job: Any) -> Any:
    end = time.monotonic() + 60
    while job.read().status != "completed":
        assert time.monotonic() < end
    return job


def legacy(config: dict[str, str], folder: Path) -> None:
    from mbed_cloud.enrollment import EnrollmentAPI

    api: Any = EnrollmentAPI(config)
    claim = api.add_enrollment_claim(claim_id=identity(0))
    assert (claim.claim_id, claim.device_id, claim.claimed_at) == (identity(0), None, None)
    assert api.get_enrollment_claim(claim.id).claim_id == identity(0)
    assert [each.id for each in api.list_enrollment_claims()] == [claim.id]
    path = folder / "legacy.csv"
    path.write_bytes(file_of(identity(1)))
    job = api.bulk_add_enrollment_claim(str(path))
    end = time.monotonic() + 60
    while api.get_bulk_add_enrollment_claim_status(job.id).status != "completed":
        assert time.monotonic() < end
    api.delete_enrollment_claim(claim.id)
    assert [each.claim_id for each in api.list_enrollment_claims()] == [identity(1)]
