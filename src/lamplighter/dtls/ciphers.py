"""The cipher suites this engine speaks, as a table. AEAD only; no CBC, no raw public keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

SALT_LENGTH = 4
"""The implicit part of the nonce; 8 explicit bytes in every record follow it (RFC 5288 section 3, RFC 6655 section 3)."""


class Aead(Protocol):
    """What pyca/cryptography's AEAD objects share."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


@dataclass(frozen=True, slots=True, eq=False)
class CipherSuite:
    """One row of the table."""

    number: int
    name: str
    psk: bool
    """True for pre-shared keys, False for ECDHE with ECDSA certificates."""
    key_length: int
    """Bytes of one traffic key."""
    tag_length: int
    """Bytes of the authentication tag."""
    digest: str
    """The hash of the PRF and of Finished."""
    aead: Callable[[bytes], Aead]
    """Makes the AEAD object from a traffic key."""
    integrity_limit: int
    """Records that may fail authentication before the session must end (RFC 9147 section 4.5.3; ours for CCM_8,
    where every forgery tried succeeds with 2**-64: 2**16 of them leave 2**-48)."""

    @property
    def key_block_length(self) -> int:
        """Bytes of key material for both directions."""
        return 2 * (self.key_length + SALT_LENGTH)


_ccm = partial(AESCCM, tag_length=16)
_ccm_8 = partial(AESCCM, tag_length=8)

_SUITES = (
    CipherSuite(0xC0AE, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", False, 16, 8, "sha256", _ccm_8, 2**16),
    CipherSuite(0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", False, 16, 16, "sha256", _ccm, 2**23),
    CipherSuite(0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", False, 16, 16, "sha256", AESGCM, 2**36),
    CipherSuite(0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", False, 32, 16, "sha384", AESGCM, 2**36),
    CipherSuite(0xC0A8, "TLS_PSK_WITH_AES_128_CCM_8", True, 16, 8, "sha256", _ccm_8, 2**16),
    CipherSuite(0xC0A4, "TLS_PSK_WITH_AES_128_CCM", True, 16, 16, "sha256", _ccm, 2**23),
    CipherSuite(0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256", True, 16, 16, "sha256", AESGCM, 2**36),
    CipherSuite(0xC0A9, "TLS_PSK_WITH_AES_256_CCM_8", True, 32, 8, "sha256", _ccm_8, 2**16),
)

CIPHER_SUITES = {suite.number: suite for suite in _SUITES}
PSK_SUITES = tuple(suite.number for suite in _SUITES if suite.psk)
CERTIFICATE_SUITES = tuple(suite.number for suite in _SUITES if not suite.psk)
