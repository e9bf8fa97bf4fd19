"""What a change of the installation's authorities appends to the event log, in the root account."""

from __future__ import annotations

from typing import Final

AUTHORITY_ROTATED: Final = "AuthorityRotated"
"""``authority`` (device or bootstrap) and the ``fingerprint`` of the one that signs from now on."""
AUTHORITY_RETIRED: Final = "AuthorityRetired"
"""``authority`` and the ``fingerprint`` of the one that is not trusted any more."""
