"""The pseudorandom function of TLS 1.2 and what is derived with it (RFC 5246 sections 5, 6.3, 8.1; RFC 7627; RFC 4279)."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

MASTER_SECRET_LENGTH = 48
VERIFY_DATA_LENGTH = 12
RANDOM_LENGTH = 32
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
_DIGESTS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384}


def keyed(digest: str, secret: bytes) -> HMAC:
    """The HMAC with that key, to be copied for each use: setting the key up costs more than a copy."""
    return HMAC(secret, _HASHES[digest])


def prf(secret: HMAC, label: bytes, seed: bytes, length: int) -> bytes:
    """``length`` bytes of PRF(secret, label, seed) with P_hash over the digest of ``secret`` (RFC 5246 section 5)."""
    seed = label + seed
    a = seed
    output = b""
    while len(output) < length:
        step = secret.copy()
        step.update(a)
        a = step.finalize()
        block = secret.copy()
        block.update(a + seed)
        output += block.finalize()
    return output[:length]


def psk_premaster_secret(key: bytes) -> bytes:
    """The premaster secret of a plain pre-shared key: zeros in the place of the other secret (RFC 4279 section 2)."""
    length = len(key).to_bytes(2, "big")
    return length + bytes(len(key)) + length + key


def master_secret(digest: str, premaster: bytes, client_random: bytes, server_random: bytes) -> bytes:
    seed = client_random + server_random
    return prf(keyed(digest, premaster), b"master secret", seed, MASTER_SECRET_LENGTH)


def extended_master_secret(digest: str, premaster: bytes, transcript: bytes | bytearray) -> bytes:
    """Bound to the handshake up to and with ClientKeyExchange (RFC 7627 section 4)."""
    session_hash = _DIGESTS[digest](transcript).digest()
    return prf(keyed(digest, premaster), b"extended master secret", session_hash, MASTER_SECRET_LENGTH)


def key_block(master: HMAC, client_random: bytes, server_random: bytes, length: int) -> bytes:
    """Key material; note that the randoms stand the other way round here (RFC 5246 section 6.3)."""
    return prf(master, b"key expansion", server_random + client_random, length)


def client_verify_data(digest: str, master: HMAC, transcript: bytes | bytearray) -> bytes:
    return prf(master, b"client finished", _DIGESTS[digest](transcript).digest(), VERIFY_DATA_LENGTH)


def server_verify_data(digest: str, master: HMAC, transcript: bytes | bytearray) -> bytes:
    return prf(master, b"server finished", _DIGESTS[digest](transcript).digest(), VERIFY_DATA_LENGTH)
