"""The REST operations of trusted certificates."""

from __future__ import annotations

from typing import Any

from lamplighter.api.filter import FilterField
from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.errors import access, credentials
from lamplighter.services.credentials.trusted import TrustedCertificates
from lamplighter.services.credentials.trusted_model import (
    TrustedCertificate,
    TrustedCertificateCreate,
    TrustedCertificatePage,
    TrustedCertificateUpdate,
)

operations = Operations("Security and identity - trusted certificates")

_EQ = ("eq",)
_BOTH = ("eq", "neq")
FILTERS = {
    "name": FilterField(_EQ),
    "service": FilterField(_EQ, choices=("lwm2m", "bootstrap")),
    "expire": FilterField(_EQ, "integer"),
    "device_execution_mode": FilterField(_BOTH, "integer"),
    "owner": FilterField(_EQ),
    "enrollment_mode": FilterField(_EQ, "boolean"),
    "status": FilterField(_EQ, choices=("ACTIVE", "INACTIVE")),
    "issuer": FilterField(("like",)),
    "subject": FilterField(("like",)),
    "certificate_fingerprint": FilterField(_EQ),
    "valid": FilterField(_EQ, "boolean"),
}


@operations.add(
    "GET",
    "/v3/trusted-certificates",
    "getAllCertificates",
    tenant="getAllAccountCertificates",
    permission="certificates.read",
    paging=Paging(),
    filters=FILTERS,
    answer=TrustedCertificatePage,
)
async def get_all_certificates(service: TrustedCertificates, call: Call) -> dict[str, Any]:
    """List trusted certificates, developer certificates among them."""
    return await service.listed(call.account_id, call.page, call.conditions)


@operations.add(
    "POST",
    "/v3/trusted-certificates",
    "addCertificate",
    tenant="addAccountCertificate",
    permission="certificates.write",
    status=201,
    body=TrustedCertificateCreate,
    answer=TrustedCertificate,
    raises=(
        access.ObjectLimitReached,
        credentials.CertificateNameTaken,
        credentials.CertificateExists,
        credentials.PrivateKeyUploaded,
    ),
)
async def add_certificate(service: TrustedCertificates, call: Call) -> TrustedCertificate:
    """Trust a certificate: devices whose certificates it signed may bootstrap, or connect."""
    owner = call.caller.user_id if call.account_id == call.caller.account_id else None
    return await service.create(call.account_id, call.body, call.caller.actor, owner)


@operations.add(
    "GET",
    "/v3/trusted-certificates/{cert_id}",
    "getCertificate",
    tenant="getAccountCertificate",
    permission="certificates.read",
    answer=TrustedCertificate,
    raises=(credentials.CertificateNotFound,),
)
async def get_certificate(service: TrustedCertificates, call: Call, certificate_id: str) -> TrustedCertificate:
    """Get a trusted certificate."""
    return await service.get(call.account_id, certificate_id)


@operations.add(
    "PUT",
    "/v3/trusted-certificates/{cert_id}",
    "updateCertificate",
    tenant="updateAccountCertificate",
    permission="certificates.write",
    body=TrustedCertificateUpdate,
    answer=TrustedCertificate,
    raises=(
        credentials.CertificateNotFound,
        credentials.CertificateNameTaken,
        credentials.CertificateExists,
        credentials.PrivateKeyUploaded,
        credentials.DeveloperCertificateFixed,
    ),
)
async def update_certificate(service: TrustedCertificates, call: Call, certificate_id: str) -> TrustedCertificate:
    """Update a trusted certificate; set INACTIVE, it keeps out every device that came by it."""
    return await service.update(call.account_id, certificate_id, call.body, call.caller.actor)


@operations.add(
    "DELETE",
    "/v3/trusted-certificates/{cert_id}",
    "deleteCertificate",
    tenant="deleteAccountCertificate",
    permission="certificates.write",
    status=204,
    raises=(credentials.CertificateNotFound,),
)
async def delete_certificate(service: TrustedCertificates, call: Call, certificate_id: str) -> None:
    """Delete a trusted or developer certificate, and end what rests on it."""
    await service.delete(call.account_id, certificate_id, call.caller.actor)
