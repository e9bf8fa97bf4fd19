"""The events that enrollment appends to the event log."""

from __future__ import annotations

from typing import Final

CLAIM_CREATED: Final = "DeviceClaimed"
"""``identity``, ``id``: of the claim; ``device_id``: null; ``by``: who did it."""
CLAIMS_CREATED: Final = "DevicesClaimed"
"""``identities``: of some of the claims that a bulk job has made; ``bulk_id``: the job. Where a hundred thousand are made, an
event for each would cost whoever follows the log more than the claims themselves."""
CLAIM_DELETED: Final = "DeviceClaimDeleted"
"""``identity``, ``id``: of the claim; ``device_id``: the device that had been enrolled by it, or null: it keeps its credentials
until it is reset; ``by``, or ``bulk_id``: who did it, or the job that did."""
CLAIM_USED: Final = "DeviceEnrolled"
"""``identity``, ``id``, ``device_id``: the claimed device was bootstrapped as this one."""
BULK_CREATED: Final = "BulkEnrollmentCreated"
"""``id``, ``kind`` (upload or delete), ``total``, ``by``."""
BULK_COMPLETED: Final = "BulkEnrollmentCompleted"
"""``id``, ``kind``, ``total``, ``failed``, ``by``."""
DENIED: Final = "DeviceEnrollmentDenied"
"""``id``, ``trusted_certificate_id``, ``endpoint_name``, ``reason``: a device of a trusted certificate was refused."""
