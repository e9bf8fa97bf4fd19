"""Who a peer proved to be."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """The holder of a pre-shared key."""

    identity: bytes
    """psk_identity as the peer sent it (RFC 4279 section 2)"""

    @property
    def not_after(self) -> float:
        """A key does not expire by itself."""
        return math.inf


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """The holder of a certificate's key."""

    fingerprints: tuple[bytes, ...]
    """SHA-256 of each certificate the session rests on, the leaf first; with the anchor where the path was given."""
    not_after: float
    """When the first of them expires, in seconds since 1970."""


Identity = PskIdentity | CertificateIdentity
