"""The events that credentials append to the event log, for whoever has sessions that rest on one."""

from __future__ import annotations

from typing import Final

KEY_DELETED: Final = "PreSharedKeyDeleted"
"""``endpoint_name``: its PSK identity."""
CERTIFICATE_DEACTIVATED: Final = "CertificateDeactivated"
"""``id``: the certificate, which opens nothing until it is active again."""
CERTIFICATE_DELETED: Final = "CertificateDeleted"
"""``id``: likewise, for good."""
