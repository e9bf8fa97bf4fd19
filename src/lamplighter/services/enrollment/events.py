"""The events that enrollment appends to the event log."""

from __future__ import annotations

from typing import Final

CLAIM_CREATED: Final = "DeviceClaimed"
"""``identity``, ``id``: of the claim; ``device_id``: null; ``by``: who did it, or ``bulk_id``: the job that did."""
CLAIM_DELETED: Final = "DeviceClaimDeleted"
"""Likewise; ``device_id``: the device that had been enrolled by it, or null. It keeps its credentials until it is reset."""
CLAIM_USED: Final = "DeviceEnrolled"
"""``identity``, ``id``, ``device_id``: the claimed device was bootstrapped as this one."""
BULK_CREATED: Final = "BulkEnrollmentCreated"
"""``id``, ``kind`` (upload or delete), ``total``, ``by``."""
BULK_COMPLETED: Final = "BulkEnrollmentCompleted"
"""``id``, ``kind``, ``total``, ``failed``, ``by``."""
DENIED: Final = "DeviceEnrollmentDenied"
"""``id``, ``trusted_certificate_id``, ``endpoint_name``, ``reason``: a device of a trusted certificate was refused."""
