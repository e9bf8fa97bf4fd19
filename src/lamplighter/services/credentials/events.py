"""The events that credentials append to the event log, for their owners and for whoever has sessions that rest on one."""

from __future__ import annotations

from typing import Final

KEY_CREATED: Final = "PreSharedKeyCreated"
KEY_DELETED: Final = "PreSharedKeyDeleted"
"""``endpoint_name``: its PSK identity."""
CERTIFICATE_CREATED: Final = "CertificateCreated"
CERTIFICATE_UPDATED: Final = "CertificateUpdated"
CERTIFICATE_ACTIVATED: Final = "CertificateActivated"
CERTIFICATE_DEACTIVATED: Final = "CertificateDeactivated"
"""``id``: the certificate, which opens nothing until it is active again."""
CERTIFICATE_DELETED: Final = "CertificateDeleted"
"""``id``: likewise, for good."""
CERTIFICATE_ENDS: Final = frozenset({CERTIFICATE_UPDATED, CERTIFICATE_DEACTIVATED, CERTIFICATE_DELETED})
"""What came in by a certificate is to be looked at again."""

REVOKED: Final = "credentials.revoked"
"""Bus subject: the PSK identity of a key, or the id of a certificate, that opens nothing any more. Sessions that rest on it end
within a second."""
