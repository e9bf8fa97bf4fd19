"""What trusted certificates look like on the wire (contract: TrustedCertificate…)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Description = Annotated[str, msgspec.Meta(max_length=500)]
Service = Literal["lwm2m", "bootstrap"]
AT_LWM2M: Service = "lwm2m"
AT_BOOTSTRAP: Service = "bootstrap"
"""Where devices come under a certificate that an account trusts."""
Status = Literal["ACTIVE", "INACTIVE"]


class TrustedCertificateCreate(msgspec.Struct, kw_only=True):
    """``signature``: over the account's id by the certificate's key, base64; asked for by nobody any more."""

    name: Name
    certificate: str
    service: Service
    description: Description | None = None
    status: Status = "ACTIVE"
    signature: str | None = None
    enrollment_mode: bool | None = None


class TrustedCertificateUpdate(msgspec.Struct, kw_only=True):
    """Members left out stay as they are."""

    name: Name | None = None
    certificate: str | None = None
    service: Service | None = None
    description: Description | None | UnsetType = UNSET
    status: Status | None = None
    signature: str | None = None
    enrollment_mode: bool | None = None


class TrustedCertificate(msgspec.Struct, kw_only=True):
    object: Literal["trusted-cert"] = "trusted-cert"
    id: str
    account_id: str
    name: str
    description: str | None
    service: Service
    status: Status
    certificate: str
    certificate_fingerprint: str
    subject: str
    issuer: str
    validity: str
    valid: bool
    owner_id: str | None
    device_execution_mode: int
    enrollment_mode: bool
    created_at: str
    updated_at: str
    etag: str


class TrustedCertificatePage(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[TrustedCertificate]
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int
