"""The REST operations of certificate renewals, and of what devices were given."""

from __future__ import annotations

from typing import Any

from lamplighter.api.filter import EQUALITY, FilterField
from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.errors import connect, directory, requests
from lamplighter.errors import issuers as errors
from lamplighter.services.issuers.model import CertificateEnrollment
from lamplighter.services.issuers.pages import CertificateEnrollmentPage, DeviceCertificatePage
from lamplighter.services.issuers.renewals import Renewals

operations = Operations("Device security - device certificate renewals")

_WINDOW = ("lte", "gte")


@operations.add(
    "POST",
    "/v3/devices/{device-id}/certificates/{certificate-name}/renew",
    "RequestCertificateRenewal",
    permission="certificates.write",
    status=201,
    answer=CertificateEnrollment,
    raises=(
        directory.DeviceNotFound,
        connect.QueueIsFull,
        errors.RenewalNotSupported,
        errors.RenewalNotConnected,
        errors.RenewalRunning,
        # The certificate's name is looked at by the service.
        requests.InvalidParameters,
    ),
)
async def renew_certificate(
    service: Renewals, call: Call, device_id: str, certificate_name: str
) -> CertificateEnrollment:
    """Have a device renew one of its certificates; the enrollment that is answered tells what comes of it."""
    return await service.renew(call.account_id, device_id, certificate_name, call.caller.actor)


@operations.add(
    "GET",
    "/v3/certificate-enrollments",
    "getCertificateEnrollments",
    permission="certificates.read",
    paging=Paging(),
    filters={
        "device_id": FilterField(("eq",)),
        "certificate_name": FilterField(("eq",)),
        "enroll_status": FilterField(EQUALITY, choices=("new", "completed")),
        "enroll_result": FilterField(EQUALITY, choices=("success", "failure")),
        "created_at": FilterField(_WINDOW, "date-time"),
        "updated_at": FilterField(_WINDOW, "date-time"),
    },
    answer=CertificateEnrollmentPage,
)
async def list_enrollments(service: Renewals, call: Call) -> dict[str, Any]:
    """List certificate enrollments: renewals that run, and how others ended."""
    return await service.enrollments(call.account_id, call.page, call.conditions)


@operations.add(
    "GET",
    "/v3/certificate-enrollments/{certificate-enrollment-id}",
    "getCertificateEnrollment",
    permission="certificates.read",
    answer=CertificateEnrollment,
    raises=(errors.CertificateEnrollmentNotFound,),
)
async def get_enrollment(service: Renewals, call: Call, enrollment_id: str) -> CertificateEnrollment:
    """Get a certificate enrollment."""
    return await service.enrollment(call.account_id, enrollment_id)


@operations.add(
    "GET",
    "/v3/device-certificates",
    "listDeviceCertificates",
    permission="certificates.read",
    paging=Paging(),
    filters={
        "device_id": FilterField(("eq",)),
        "certificate_name": FilterField(("eq",)),
        "certificate_issuer_id": FilterField(EQUALITY),
        "expires_at": FilterField(_WINDOW, "date-time"),
    },
    answer=DeviceCertificatePage,
)
async def list_device_certificates(service: Renewals, call: Call) -> dict[str, Any]:
    """List the certificates that devices were given, and when each ends."""
    return await service.certificates(call.account_id, call.page, call.conditions)
