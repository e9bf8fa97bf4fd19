"""What enrollment looks like on the wire (contract: EnrollmentIdentity, BulkResponse, BlackListedDeviceData)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

IDENTITY = r"^A-[A-Za-z0-9:]{95}$"

Kind = Literal["upload", "delete"]
"""What a bulk job does with the identities."""


class EnrollmentId(msgspec.Struct):
    # The length, too: ``$`` is also before a line feed.
    enrollment_identity: Annotated[str, msgspec.Meta(pattern=IDENTITY, max_length=97)]


class EnrollmentIdentity(msgspec.Struct, kw_only=True):
    """A claim of a device."""

    object: str = "enrollment"
    id: str
    account_id: str
    enrollment_identity: str
    created_at: str
    claimed_at: str | None
    """When its device first came; null until then."""
    expires_at: str
    """When the claim vanishes if its device has not come."""
    enrolled_device_id: str | None
    etag: str


class EnrollmentIdentities(msgspec.Struct, kw_only=True):
    """A page of claims."""

    object: str = "list"
    data: list[EnrollmentIdentity]
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int


class BulkResponse(msgspec.Struct, kw_only=True):
    """A bulk job, how far it is, and where its reports are once it is completed."""

    object: str = "enrollment-identity-bulk-uploads"
    id: str
    account_id: str
    status: Literal["new", "processing", "completed"]
    total_count: int
    processed_count: int
    errors_count: int
    created_at: str
    completed_at: str | None
    full_report_file: str | None
    errors_report_file: str | None
    etag: str


class BlackListedDeviceData(msgspec.Struct, kw_only=True):
    """A device that was refused. ``reason`` and ``attempts`` come with ``include=reason``."""

    object: str = "denied_device"
    id: str
    account_id: str
    trusted_certificate_id: str
    endpoint_name: str
    created_at: str
    reason: str | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    """How often it tried within a minute."""


class DenialAttemptsResponse(msgspec.Struct, kw_only=True):
    """A page of refused devices."""

    object: str = "list"
    data: list[BlackListedDeviceData]
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int
