"""What a device is claimed by: the fingerprint of the certificate that it bootstraps with."""

from __future__ import annotations

import hashlib


def identity_of(leaf_der: bytes) -> str:
    """The enrollment identity of a device by its certificate (DER). ``A`` is the version of the form."""
    return identity_of_fingerprint(hashlib.sha256(leaf_der).digest())


def identity_of_fingerprint(fingerprint: bytes) -> str:
    """The same, of the certificate's SHA-256."""
    return "A-" + fingerprint.hex(":").upper()


def key_of(identity: str) -> str:
    """What an identity is compared by: tools write fingerprints in either case."""
    return identity.upper()
