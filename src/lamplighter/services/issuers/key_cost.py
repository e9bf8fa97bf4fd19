"""What it costs to open a private key that a passphrase closes (PKCS#8; RFC 8018, RFC 7914): whoever wrote it has chosen."""

from __future__ import annotations

import base64
import re
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

MOST_ROUNDS = 1_000_000
"""Of PBKDF2. The process stands still meanwhile: 0.2 s with SHA-256, 0.7 s with SHA-512."""
MOST_OLD_ROUNDS = 300_000
"""Of PBKDF2's forerunners."""
MOST_MEMORY = 64 * 1024 * 1024
"""Bytes that scrypt may fill."""

_BEGIN: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_PEM: Final = re.compile(_BEGIN + rb"([A-Za-z0-9+/=\s]+)-----END")
_PBES2: Final = x509.ObjectIdentifier("1.2.840.113549.1.5.13")
_SCRYPT: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11591.4.11")


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class _Function:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None  # GnuTLS leaves it out


@asn1.sequence
class _Encrypted:
    algorithm: _Algorithm
    data: bytes


@asn1.sequence
class _Pbes2:
    kdf: _Algorithm
    cipher: _Algorithm


@asn1.sequence
class _Pbkdf2:
    salt: bytes
    rounds: int
    length: int | None
    prf: _Function | None


@asn1.sequence
class _Scrypt:
    salt: bytes
    cost: int
    block_size: int
    parallel: int
    length: int | None


@asn1.sequence
class _Rounds:
    salt: bytes
    rounds: int


def fault_of_closed(pem: bytes) -> str | None:
    """Why a private key in PEM is not opened, to follow its name; None: it may be, or nothing closes it."""
    blocks = _PEM.findall(pem)
    if len(blocks) != pem.count(_BEGIN):
        return "must be a private key in PEM, without headers"
    try:
        too_long = any(
            _takes_too_long(asn1.decode_der(_Encrypted, base64.b64decode(each)).algorithm) for each in blocks
        )
    except ValueError:
        return "must be a private key in PEM, closed by PBKDF2 or scrypt"
    return f"takes too long to open: close it by PBKDF2 with {MOST_ROUNDS:,} rounds or fewer" if too_long else None


def _takes_too_long(algorithm: _Algorithm) -> bool:
    if algorithm.oid != _PBES2:
        rounds: int = algorithm.parameters.parse(_Rounds).rounds
        return rounds > MOST_OLD_ROUNDS
    kdf: _Algorithm = algorithm.parameters.parse(_Pbes2).kdf
    if kdf.oid == _SCRYPT:
        scrypt: _Scrypt = kdf.parameters.parse(_Scrypt)
        return 128 * scrypt.cost * scrypt.block_size * max(1, scrypt.parallel) > MOST_MEMORY
    pbkdf2: _Pbkdf2 = kdf.parameters.parse(_Pbkdf2)
    return pbkdf2.rounds > MOST_ROUNDS
