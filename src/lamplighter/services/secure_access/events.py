"""What secure device access appends to the event log. ``by`` in the data: who did it."""

from __future__ import annotations

from typing import Final

ANCHOR_CREATED: Final = "TrustAnchorCreated"
"""``id`` and ``fingerprint`` of the trust anchor."""
ANCHOR_CHANGED: Final = "TrustAnchorChanged"
ANCHOR_DELETED: Final = "TrustAnchorDeleted"
"""``id``: tokens that it signed still open devices that keep its key, until they expire."""
ACCESS_GRANTED: Final = "DeviceAccessGranted"
"""``id`` of the trust anchor, ``token_id``, ``aud``, ``scope`` and ``granted_until`` of an access token."""
