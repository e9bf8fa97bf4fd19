"""Access tokens: a CBOR Web Token (RFC 8392) in COSE_Sign1 (RFC 9052), as the vendor's device-side client takes them.

That client was written to drafts, and refuses a token with any claim that it does not know; so the numbers are the drafts':

======  =========  ==============================================================================================
claim   number     value
======  =========  ==============================================================================================
iss     1          name of the trust anchor: the device looks up the key that must have signed by it
sub     2          who asked; the device passes it over
aud     3          always an array of texts
exp     4          seconds since 1970; the device allows five minutes, and does not judge while it has no time
nbf     5          likewise
iat     6          likewise
cti     7          bytes, each token's own
scope   12         words with blanks between them (9 in RFC 9200)
cnf     25         ``{1: COSE_Key}`` with kty, crv, x and y (8 in RFC 8747)
======  =========  ==============================================================================================

Sources: sda-bundle-parser and sda_verification.c of the secure device access client in mbed-cloud-client, and CwtClaims.java
of PelionIoT/secure-device-access-proxy, whose numbers and types these are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CWT_TAG: Final = 61
SIGN1_TAG: Final = 18
_ALG, _KID, _ES256 = 1, 4, -7
_ISS, _SUB, _AUD, _EXP, _NBF, _IAT, _CTI, _SCOPE, _CNF = 1, 2, 3, 4, 5, 6, 7, 12, 25
_COSE_KEY = 1
_KTY, _CRV, _X, _Y = 1, -1, -2, -3
_EC2, _P256 = 2, 1
_COORDINATE = 32
_PROTECTED = cbor2.dumps({_ALG: _ES256})
"""The three bytes that the client expects; the key's name stands in the unprotected header."""


class Grant(NamedTuple):
    """What a token allows."""

    token_id: bytes
    subject: str
    audience: Sequence[str]
    scopes: Sequence[str]
    issued_at: int
    """Seconds since 1970."""
    expires_at: int
    confirmation: ec.EllipticCurvePublicKey


def anchor_name(public_key_der: bytes) -> str:
    """The name under which devices keep a trust anchor: 72 characters."""
    return f"mbed.ta.{hashlib.sha256(public_key_der).hexdigest().upper()}"


def sign(grant: Grant, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The token, signed by a trust anchor with ES256."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    payload = cbor2.dumps(_claims(grant, anchor_name(der)))
    signed = cbor2.dumps(["Signature1", _PROTECTED, b"", payload])  # RFC 9052 section 4.4
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")
    message = [_PROTECTED, {_KID: hashlib.sha256(der).digest()}, payload, signature]
    return cbor2.dumps(cbor2.CBORTag(CWT_TAG, cbor2.CBORTag(SIGN1_TAG, message)))


def _claims(grant: Grant, issuer: str) -> dict[int, Any]:
    return {
        _ISS: issuer,
        _SUB: grant.subject,
        _AUD: list(grant.audience),
        _EXP: grant.expires_at,
        _NBF: grant.issued_at,
        _IAT: grant.issued_at,
        _CTI: grant.token_id,
        _SCOPE: " ".join(grant.scopes),
        _CNF: {_COSE_KEY: _cose_key(grant.confirmation)},
    }


def _cose_key(key: ec.EllipticCurvePublicKey) -> dict[int, Any]:
    numbers = key.public_numbers()
    return {
        _KTY: _EC2,
        _CRV: _P256,
        _X: numbers.x.to_bytes(_COORDINATE, "big"),
        _Y: numbers.y.to_bytes(_COORDINATE, "big"),
    }
