"""Certificate issuers and what is configured of them, on the wire (contract: CertificateIssuer…)."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from lamplighter.clock import to_rfc3339
from lamplighter.services.issuers.kinds import Kind
from lamplighter.storage.database import Row

LWM2M = "LWM2M"
"""The certificate that a device registers with."""
NAME = r"^[\w\-]{1,10}\.[\w\-.]{1,10}$"
"""Of a certificate of the owner's, such as customer.dlms."""
REFERENCE = r"^(?!mbed\.)[\w\-.]{1,100}$"
LONGEST_REFERENCE = 100
MOST_DAYS = 3650

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
Description = Annotated[str, msgspec.Meta(max_length=100)]
Days = Annotated[int, msgspec.Meta(ge=1, le=MOST_DAYS)]


class Subject(NamedTuple):
    """Whom a certificate is for: what the session or the bootstrap has proven, never what a request says."""

    endpoint_name: str
    account_id: str
    device_id: str


class Issued(NamedTuple):
    """A certificate, and who made it."""

    chain: tuple[bytes, ...]
    """In DER, the leaf first, then those above it."""
    issuer_id: str | None = None
    """None: the installation's own authority."""


class CertificateIssuerRequest(msgspec.Struct):
    issuer_type: Kind
    name: Name
    issuer_credentials: dict[str, str]
    issuer_attributes: dict[str, str] | None = None
    description: Description | None = None


class CertificateIssuerUpdateRequest(msgspec.Struct):
    """What is left out stays. Attributes and credentials are replaced as a whole."""

    name: Name | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    issuer_attributes: dict[str, str] | None | UnsetType = UNSET
    issuer_credentials: dict[str, str] | UnsetType = UNSET


class CertificateIssuer(msgspec.Struct, kw_only=True):
    """An issuer without its credentials, which no answer ever holds."""

    object: Literal["certificate-issuer"] = "certificate-issuer"
    id: str
    etag: str
    created_at: str
    issuer_type: Kind
    name: str
    description: str | None
    issuer_attributes: dict[str, str]


class CertificateIssuerVerification(msgspec.Struct):
    successful: bool
    message: str


class ConfigurationRequest(msgspec.Struct):
    certificate_issuer_id: str | None | UnsetType = UNSET


class ConfigurationCreateRequest(msgspec.Struct):
    reference: Annotated[str, msgspec.Meta(pattern=REFERENCE)]
    certificate_issuer_id: str | None


class Configuration(msgspec.Struct, kw_only=True):
    object: Literal["certificate-issuer-configuration"] = "certificate-issuer-configuration"
    id: str
    etag: str
    created_at: str
    updated_at: str
    reference: str
    certificate_issuer_id: str | None
    is_custom: bool


class AutomaticRenewal(msgspec.Struct):
    """How many days before they expire certificates of a name are renewed by themselves; null: they are not."""

    renewal_days: Days | None


class CertificateEnrollment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A certificate that is renewed, or was."""

    object: Literal["certificate-enrollment"]
    id: str
    etag: str
    created_at: str
    updated_at: str
    device_id: str
    certificate_name: str
    enroll_status: Literal["new", "completed"]
    enroll_result: Literal["success", "failure"] | None = None
    enroll_result_detail: str | None = None


class DeviceCertificate(msgspec.Struct, kw_only=True):
    """A certificate that a device was given, and when it ends."""

    object: Literal["device-certificate"] = "device-certificate"
    id: str
    device_id: str
    certificate_name: str
    certificate_fingerprint: str
    issuer: str
    serial_number: str
    certificate_issuer_id: str | None
    created_at: str
    expires_at: str


def issuer_of(row: Row, attributes: dict[str, str]) -> CertificateIssuer:
    return CertificateIssuer(
        id=row["id"],
        etag=str(row["version"]),
        created_at=to_rfc3339(row["created_at"]),
        issuer_type=row["issuer_type"],
        name=row["name"],
        description=row["description"],
        issuer_attributes=attributes,
    )


def configuration_of(row: Row) -> Configuration:
    return Configuration(
        id=row["id"],
        etag=str(row["version"]),
        created_at=to_rfc3339(row["created_at"]),
        updated_at=to_rfc3339(row["updated_at"]),
        reference=row["reference"],
        certificate_issuer_id=row["issuer_id"],
        is_custom=row["reference"] != LWM2M,
    )


def enrollment_of(row: Row) -> CertificateEnrollment:
    return CertificateEnrollment(
        object="certificate-enrollment",
        id=row["id"],
        etag=str(row["version"]),
        created_at=to_rfc3339(row["created_at"]),
        updated_at=to_rfc3339(row["updated_at"]),
        device_id=row["device_id"],
        certificate_name=row["certificate_name"],
        enroll_status=row["enroll_status"],
        enroll_result=row["enroll_result"],
        enroll_result_detail=row["detail"],
    )


def device_certificate_of(row: Row) -> DeviceCertificate:
    return DeviceCertificate(
        id=row["id"],
        device_id=row["device_id"],
        certificate_name=row["certificate_name"],
        certificate_fingerprint=row["fingerprint"],
        issuer=row["issuer"],
        serial_number=row["serial_number"],
        certificate_issuer_id=row["issuer_id"],
        created_at=to_rfc3339(row["created_at"]),
        expires_at=to_rfc3339(row["expires_at"]),
    )
