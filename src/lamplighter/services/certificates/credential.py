"""A certificate with its key, and what stands above it."""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Credential(NamedTuple):
    """A certificate and its key.

    :param issuers: the authorities above it, the nearest first; empty for what signed itself, and where nobody has to be told
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def fits(self) -> bool:
        """Whether the key is that of the certificate."""
        return self.key.public_key() == self.certificate.public_key()

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate."""
        return self.certificate.fingerprint(hashes.SHA256())

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """It and those above it."""
        return (self.certificate, *self.issuers)

    @property
    def path_der(self) -> tuple[bytes, ...]:
        return tuple(each.public_bytes(serialization.Encoding.DER) for each in self.path)

    @property
    def root(self) -> x509.Certificate:
        """Whoever trusts this one trusts it."""
        return self.path[-1]

    @property
    def sent_der(self) -> tuple[bytes, ...]:
        """What is shown in a handshake: the path without a root, which the peer has or does not believe (RFC 5246 7.4.2)."""
        path = self.path_der
        return path[:-1] if len(path) > 1 and self.root.issuer == self.root.subject else path
