"""The key in a token request: whoever has its private half may use the token (proof of possession, RFC 8747).

Devices of the vendor's client know EC keys on P-256 and no others. What was sent is in no text here: it may be a private key.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

MOST = 4096
"""Characters. A P-256 key has 178."""

_PEM = re.compile(r"\s*-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----\s*")
"""Also without line breaks: the public API's own example is on one line."""
_PRIVATE = re.compile(r"PRIVATE KEY-----")


class KeyRefused(ValueError):
    """That is no key that devices can check. The text says why, without the key."""


def read_public_key(pem: str) -> ec.EllipticCurvePublicKey:
    """The P-256 key in a PEM ``PUBLIC KEY`` (RFC 7468 section 13). Raises KeyRefused."""
    if len(pem) > MOST:
        raise KeyRefused(f"must have at most {MOST} characters")
    if _PRIVATE.search(pem):
        raise KeyRefused(
            "holds a private key, which must never leave its owner: make a new pair, and send only its public key"
        )
    match = _PEM.fullmatch(pem)
    if match is None:
        raise KeyRefused("must be a public key in PEM: -----BEGIN PUBLIC KEY-----, base64, -----END PUBLIC KEY-----")
    if match[1] != "PUBLIC KEY":
        raise KeyRefused(f"must be a PUBLIC KEY in PEM, not a {match[1][:40]}")
    try:
        key = serialization.load_der_public_key(base64.b64decode("".join(match[2].split()), validate=True))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise KeyRefused("must be a public key in PEM, and what is between its lines is none") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeyRefused("must be an EC key on the curve P-256 (secp256r1), and is of another kind")
    if not isinstance(key.curve, ec.SECP256R1):
        raise KeyRefused(f"must be an EC key on the curve P-256 (secp256r1), and is on {key.curve.name}")
    return key
