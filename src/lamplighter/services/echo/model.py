"""What the API shows of an echo (contract: EchoDevice)."""

from __future__ import annotations

import base64
from enum import IntEnum
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from lamplighter.clock import to_rfc3339
from lamplighter.storage.database import Row


class DesiredStatus(IntEnum):
    """What became of a value that was to be written."""

    PENDING = 0
    OK = 1
    FAILED = 2


class Reported(msgspec.Struct, kw_only=True):
    """What the device said. ``value``: base64. ``expires_at``: when the device's max-age has passed."""

    value: str
    content_type: str
    reported_at: str
    expires_at: str


class Desired(msgspec.Struct, kw_only=True):
    """What an application asked to write. ``value``: base64."""

    value: str
    status: int
    desired_at: str
    status_updated_at: str


class EchoResource(msgspec.Struct, kw_only=True):
    """A resource of which something is known. ``subscribed``: whether any application of the account is, to it or to what
    it lies in."""

    resource_path: str
    subscribed: bool
    reported: Reported | UnsetType = UNSET
    desired: Desired | UnsetType = UNSET


class Echo(msgspec.Struct, kw_only=True):
    """A device's echo. ``created_at``: of this answer; ``updated_at``: when the device last registered."""

    object: Literal["device-echo"] = "device-echo"
    device_id: str
    endpoint_name: str
    created_at: str
    updated_at: str | UnsetType = UNSET
    last_reported_at: str | UnsetType = UNSET
    last_desired_at: str | UnsetType = UNSET
    resources: list[EchoResource]


def resource_of(row: Row, subscribed: bool) -> EchoResource:
    """From its row."""
    return EchoResource(
        resource_path=row["path"],
        subscribed=subscribed,
        reported=UNSET
        if row["reported_at"] is None
        else Reported(
            value=base64.b64encode(row["reported"]).decode(),
            content_type=row["content_type"],
            reported_at=to_rfc3339(row["reported_at"]),
            expires_at=to_rfc3339(row["expires_at"]),
        ),
        desired=UNSET
        if row["desired_at"] is None
        else Desired(
            value=base64.b64encode(row["desired"]).decode(),
            status=row["desired_status"],
            desired_at=to_rfc3339(row["desired_at"]),
            status_updated_at=to_rfc3339(row["status_updated_at"]),
        ),
    )
