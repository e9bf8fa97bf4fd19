"""The REST operations of claims, of bulk jobs and of devices that were refused."""

from __future__ import annotations

from typing import Any

from lamplighter.api.filter import FilterField
from lamplighter.api.form import FORM
from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.api.parameter import Parameter
from lamplighter.api.stream import Stream
from lamplighter.errors import FieldFault, access
from lamplighter.errors import enrollment as errors
from lamplighter.errors.requests import invalid
from lamplighter.services.enrollment.bulk import PATHS
from lamplighter.services.enrollment.model import (
    BlackListedDeviceData,
    BulkResponse,
    DenialAttemptsResponse,
    EnrollmentId,
    EnrollmentIdentities,
    EnrollmentIdentity,
)
from lamplighter.services.enrollment.reports import ERRORS, FULL
from lamplighter.services.enrollment.service import Enrollment

READ, WRITE = "credentials.read", "credentials.write"
FILE = "enrollment_identities"
LARGEST_FORM = 12 * 1024 * 1024
"""Bytes: a file, and the form round it."""
DENIAL_FILTERS = {"trusted_certificate_id": FilterField(("eq",)), "endpoint_name": FilterField(("eq",))}

operations = Operations("Device ownership - enrollments")

_UPLOADS, _DELETES = PATHS["upload"], PATHS["delete"]
_UPLOAD: dict[str, Any] = {
    "permission": WRITE,
    "status": 201,
    "body": bytes,
    "form": (FILE,),
    "media_types": (FORM,),
    "max_body": LARGEST_FORM,
    "answer": BulkResponse,
    "raises": (
        errors.EnrollmentFileTooLarge,
        errors.EnrollmentFileNotText,
        errors.EnrollmentFileEmpty,
        errors.EnrollmentRowsTooMany,
        access.ObjectLimitReached,
    ),
}
_REPORT: dict[str, Any] = {
    "permission": READ,
    "answer": str,
    "answer_media_type": "text/csv",
    "streams": True,
    "raises": (errors.BulkEnrollmentNotFound, errors.BulkReportNotReady),
}


@operations.add(
    "GET",
    "/v3/device-enrollments",
    "getDeviceEnrollments",
    permission=READ,
    paging=Paging(),
    answer=EnrollmentIdentities,
)
async def get_device_enrollments(service: Enrollment, call: Call) -> EnrollmentIdentities:
    """List device enrollments: the devices that the account has claimed."""
    return await service.list(call.account_id, call.page)


@operations.add(
    "POST",
    "/v3/device-enrollments",
    "createDeviceEnrollment",
    permission=WRITE,
    status=201,
    body=EnrollmentId,
    answer=EnrollmentIdentity,
    raises=(errors.IdentityClaimed, access.ObjectLimitReached),
)
async def create_device_enrollment(service: Enrollment, call: Call) -> EnrollmentIdentity:
    """Create a device enrollment: claim a device, so that it is this account's when it first comes."""
    body: EnrollmentId = call.body
    return await service.create(call.account_id, body.enrollment_identity, call.caller.actor)


@operations.add(
    "GET",
    "/v3/device-enrollments/{id}",
    "getDeviceEnrollment",
    permission=READ,
    answer=EnrollmentIdentity,
    raises=(errors.EnrollmentNotFound,),
)
async def get_device_enrollment(service: Enrollment, call: Call, claim_id: str) -> EnrollmentIdentity:
    """Get a device enrollment: when it was made, when it ends, and as which device it was used."""
    return await service.get(call.account_id, claim_id)


@operations.add(
    "DELETE",
    "/v3/device-enrollments/{id}",
    "deleteDeviceEnrollment",
    permission=WRITE,
    status=204,
    raises=(errors.EnrollmentNotFound,),
)
async def delete_device_enrollment(service: Enrollment, call: Call, claim_id: str) -> None:
    """Delete a device enrollment; a device that was enrolled by it stays until it is reset."""
    await service.delete(call.account_id, claim_id, call.caller.actor)


@operations.add("POST", _UPLOADS, "createBulkDeviceEnrollment", **_UPLOAD)
async def create_bulk_device_enrollment(service: Enrollment, call: Call) -> BulkResponse:
    """Create a bulk upload: claim the devices of a CSV file."""
    return await service.bulk.create(call.account_id, "upload", call.body[FILE], call.caller.actor)


@operations.add("POST", _DELETES, "deleteBulkDeviceEnrollment", **_UPLOAD)
async def delete_bulk_device_enrollment(service: Enrollment, call: Call) -> BulkResponse:
    """Create a bulk delete: delete the claims of the devices of a CSV file."""
    return await service.bulk.create(call.account_id, "delete", call.body[FILE], call.caller.actor)


@operations.add(
    "GET",
    _UPLOADS + "/{id}",
    "getBulkDeviceEnrollment",
    permission=READ,
    answer=BulkResponse,
    raises=(errors.BulkEnrollmentNotFound,),
)
async def get_bulk_device_enrollment(service: Enrollment, call: Call, bulk_id: str) -> BulkResponse:
    """Get a bulk upload: how far it is, and where its reports are."""
    return await service.bulk.get(call.account_id, "upload", bulk_id)


@operations.add(
    "GET",
    _DELETES + "/{id}",
    "getBulkDeviceEnrollmentDelete",
    permission=READ,
    answer=BulkResponse,
    raises=(errors.BulkEnrollmentNotFound,),
)
async def get_bulk_device_enrollment_delete(service: Enrollment, call: Call, bulk_id: str) -> BulkResponse:
    """Get a bulk delete: how far it is, and where its reports are."""
    return await service.bulk.get(call.account_id, "delete", bulk_id)


@operations.add("GET", f"{_UPLOADS}/{{id}}/{FULL}", "getBulkDeviceEnrollmentFullReport", **_REPORT)
async def get_bulk_device_enrollment_full_report(service: Enrollment, call: Call, bulk_id: str) -> Stream:
    """Get what became of every row of a bulk upload."""
    return await service.bulk.report(call.account_id, "upload", bulk_id, FULL)


@operations.add("GET", f"{_UPLOADS}/{{id}}/{ERRORS}", "getBulkDeviceEnrollmentErrorsReport", **_REPORT)
async def get_bulk_device_enrollment_errors_report(service: Enrollment, call: Call, bulk_id: str) -> Stream:
    """Get the rows of a bulk upload that failed, and why."""
    return await service.bulk.report(call.account_id, "upload", bulk_id, ERRORS)


@operations.add("GET", f"{_DELETES}/{{id}}/{FULL}", "getBulkDeviceEnrollmentDeleteFullReport", **_REPORT)
async def get_bulk_device_enrollment_delete_full_report(service: Enrollment, call: Call, bulk_id: str) -> Stream:
    """Get what became of every row of a bulk delete."""
    return await service.bulk.report(call.account_id, "delete", bulk_id, FULL)


@operations.add("GET", f"{_DELETES}/{{id}}/{ERRORS}", "getBulkDeviceEnrollmentDeleteErrorsReport", **_REPORT)
async def get_bulk_device_enrollment_delete_errors_report(service: Enrollment, call: Call, bulk_id: str) -> Stream:
    """Get the rows of a bulk delete that failed, and why."""
    return await service.bulk.report(call.account_id, "delete", bulk_id, ERRORS)


@operations.add(
    "GET",
    "/v3/device-enrollment-denials",
    "listEnrollmentDenialAttempts",
    tag="EnrollmentDenials",
    permission=READ,
    paging=Paging(includes=("total_count", "reason")),
    filters=DENIAL_FILTERS,
    answer=DenialAttemptsResponse,
)
async def list_enrollment_denial_attempts(service: Enrollment, call: Call) -> DenialAttemptsResponse:
    """List devices of a trusted certificate that were refused; `include=reason` tells why, and how often they tried."""
    given = {condition.field: condition.value for condition in call.conditions}
    if "trusted_certificate_id" not in given:
        raise invalid([FieldFault("trusted_certificate_id__eq", "is required in the query")])
    return await service.list_denials(
        call.account_id, given["trusted_certificate_id"], given.get("endpoint_name"), call.page
    )


@operations.add(
    "GET",
    "/v3/device-enrollment-denials/{device_enrollment_denial_id}",
    "getEnrollmentDenialAttempt",
    tag="EnrollmentDenials",
    permission=READ,
    parameters=(Parameter("include", "reason: why it was refused, and how often it tried."),),
    answer=BlackListedDeviceData,
    raises=(errors.EnrollmentDenialNotFound,),
)
async def get_enrollment_denial_attempt(service: Enrollment, call: Call, denial_id: str) -> BlackListedDeviceData:
    """Get a device that was refused."""
    include = (call.parameters["include"] or "").split(",")
    return await service.denial(call.account_id, denial_id, reason="reason" in include)
