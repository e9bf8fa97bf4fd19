"""Certificate paths of devices, and whether they may be believed.

By hand, because the verifier of pyca/cryptography refuses ordinary device certificates by default (no authority key
identifier, no alternative name) and its permissive policy accepts too much: a leaf for servers only, a key usage
without digitalSignature, issuers without keyCertSign. RFC 5280 section 6, for the one shape that devices use: P-256 and SHA-256.

The engine does not call this. Whoever answers ``CertificateReceived`` does, with the anchors of the accounts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from .numbers import AlertDescription

PATH_LIMIT = 4
"""Certificates in a path, leaf and anchor included."""
SIGNATURE_CHECKS_LIMIT = 16
"""Signatures tried for one chain: names are free to choose, so many anchors may bear the same."""
_T = TypeVar("_T", bound=x509.ExtensionType)
_ECDSA = ec.ECDSA(hashes.SHA256())
_UNDERSTOOD = frozenset(
    (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CERTIFICATE_POLICIES,
    )
)
"""Extensions that may be critical. Name constraints are not: a path with them is refused rather than half understood."""


class Purpose(Enum):
    """What the leaf must be good for."""

    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH


class CertificateError(Exception):
    """The chain is not believed. ``alert`` is what to tell the peer, the text what to tell the operator."""

    def __init__(self, alert: AlertDescription, detail: str) -> None:
        super().__init__(detail)
        self.alert = alert
        self.detail = detail


@dataclass(slots=True, eq=False)
class Certificate:
    """A certificate, and what is asked of it: read once, because all of it together takes as long as half a signature."""

    parsed: x509.Certificate
    fingerprint: bytes
    """SHA-256 of the whole."""
    subject: bytes
    issuer: bytes
    """Names in DER."""
    not_before: float
    not_after: float
    """Seconds since 1970."""
    extensions: dict[x509.ObjectIdentifier, x509.ExtensionType]
    not_understood: str | None
    """The number of a critical extension that is not understood."""

    @classmethod
    @lru_cache(maxsize=256)
    def from_der(cls, der: bytes) -> Certificate:
        """Raises CertificateError. The newest are kept: in a handshake the engine asks for the leaf's key, and when those that
        arrived with it have been taken in as well, someone asks for the path."""
        try:
            parsed = x509.load_der_x509_certificate(der)
            extensions = list(parsed.extensions)
            return cls(
                parsed,
                hashlib.sha256(der).digest(),
                parsed.subject.public_bytes(),
                parsed.issuer.public_bytes(),
                parsed.not_valid_before_utc.timestamp(),
                parsed.not_valid_after_utc.timestamp(),
                {each.oid: each.value for each in extensions},
                next(
                    (each.oid.dotted_string for each in extensions if each.critical and each.oid not in _UNDERSTOOD),
                    None,
                ),
            )
        except Exception as error:  # hostile bytes: ValueError, OverflowError, and whatever else the parser meets
            raise CertificateError(AlertDescription.BAD_CERTIFICATE, "a certificate cannot be read") from error

    def __str__(self) -> str:
        return self.parsed.subject.rfc4514_string()

    def p256_key(self) -> ec.EllipticCurvePublicKey:
        """Raises CertificateError for a key of another kind."""
        try:
            key = self.parsed.public_key()
        except Exception as error:
            raise CertificateError(AlertDescription.BAD_CERTIFICATE, "its public key cannot be read") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise CertificateError(AlertDescription.UNSUPPORTED_CERTIFICATE, f"the key of {self} is not of P-256")
        return key

    def extension(self, kind: type[_T]) -> _T | None:
        value = self.extensions.get(kind.oid)
        return value if isinstance(value, kind) else None


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """An issuer that somebody trusts. Parsed once: loading the key costs as much as checking a signature."""

    certificate: Certificate
    public_key: ec.EllipticCurvePublicKey

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate: anchors are found by it, never by name."""
        return self.certificate.fingerprint

    @classmethod
    def from_der(cls, der: bytes) -> TrustAnchor:
        """Raises CertificateError for a certificate that cannot issue, or is not of P-256."""
        certificate = Certificate.from_der(der)
        _require_issuer(certificate, below=0, anchor=True)
        return cls(certificate, certificate.p256_key())


@dataclass(frozen=True, slots=True)
class VerifiedPath:
    """What a session with this peer rests on."""

    fingerprints: tuple[bytes, ...]
    """SHA-256 of each certificate, from the leaf to the anchor."""
    not_after: float
    """When the first of them expires, in seconds since 1970."""

    @property
    def anchor(self) -> bytes:
        """The fingerprint of the anchor that verified the peer: its owner is the peer's account."""
        return self.fingerprints[-1]


def verify_chain(
    chain: Sequence[bytes],
    anchors: Iterable[TrustAnchor],
    at: float,
    *,
    purpose: Purpose = Purpose.CLIENT,
    blocked: Callable[[bytes], bool] = lambda fingerprint: False,
) -> VerifiedPath:
    """The path from ``chain[0]`` to one of the anchors; the rest of the chain may come in any order.

    ``at``: wall time, seconds since 1970. ``blocked`` is asked for the SHA-256 fingerprint of every certificate of the path.
    Raises CertificateError with the reason of the nearest miss.
    """
    if not chain:
        raise CertificateError(AlertDescription.BAD_CERTIFICATE, "there is no certificate")
    leaf, *intermediates = [Certificate.from_der(der) for der in chain]
    _require_leaf(leaf, purpose)
    search = _Search(intermediates, list(anchors), at, blocked)
    search.require_usable(leaf)
    fingerprints = search.climb(leaf, [leaf])
    if fingerprints is None:
        raise search.nearest_miss
    return VerifiedPath(tuple(fingerprints), search.not_after)


class _Search:
    """Climbs from issuer to issuer, depth first."""

    def __init__(
        self,
        intermediates: list[Certificate],
        anchors: list[TrustAnchor],
        at: float,
        blocked: Callable[[bytes], bool],
    ) -> None:
        self.intermediates = intermediates
        self.anchors = anchors
        self.at = at
        self.blocked = blocked
        self.checks = 0
        self.not_after = math.inf
        self.nearest_miss = CertificateError(AlertDescription.UNKNOWN_CA, "no trusted issuer signed this chain")

    def climb(self, link: Certificate, path: list[Certificate]) -> list[bytes] | None:
        """Fingerprints from the leaf to an anchor, or None."""
        if len(path) >= PATH_LIMIT:
            return None
        for anchor in self.anchors:
            issuer = anchor.certificate
            if issuer.subject == link.issuer and self._accepts(
                link, issuer, anchor.public_key, len(path) - 1, anchor=True
            ):
                complete = [*path, issuer]
                self.not_after = min([each.not_after for each in complete])
                return [each.fingerprint for each in complete]
        for candidate in self.intermediates:
            if candidate in path or candidate.subject != link.issuer:
                continue
            try:
                key = candidate.p256_key()
            except CertificateError as miss:
                self.nearest_miss = miss
                continue
            if self._accepts(link, candidate, key, len(path) - 1, anchor=False):
                found = self.climb(candidate, [*path, candidate])
                if found is not None:
                    return found
        return None

    def _accepts(
        self,
        link: Certificate,
        issuer: Certificate,
        key: ec.EllipticCurvePublicKey,
        below: int,
        *,
        anchor: bool,
    ) -> bool:
        try:
            _require_issuer(issuer, below=below, anchor=anchor)
            self.require_usable(issuer)
            self.checks += 1
            if self.checks > SIGNATURE_CHECKS_LIMIT:
                raise CertificateError(AlertDescription.BAD_CERTIFICATE, "too many issuers of the same name")
            _require_signature(link, key)
        except CertificateError as miss:
            self.nearest_miss = miss
            return False
        return True

    def require_usable(self, certificate: Certificate) -> None:
        """Validity, critical extensions, block-list. Raises CertificateError."""
        if certificate.not_before > self.at:
            raise CertificateError(AlertDescription.CERTIFICATE_EXPIRED, f"{certificate} is not valid yet")
        if certificate.not_after < self.at:
            raise CertificateError(AlertDescription.CERTIFICATE_EXPIRED, f"{certificate} has expired")
        if certificate.not_understood is not None:
            raise CertificateError(
                AlertDescription.UNSUPPORTED_CERTIFICATE,
                f"{certificate} has the critical extension {certificate.not_understood}",
            )
        if self.blocked(certificate.fingerprint):
            raise CertificateError(AlertDescription.CERTIFICATE_REVOKED, f"{certificate} is blocked")


def issuers_in(chain: Sequence[bytes]) -> frozenset[bytes]:
    """The names (DER) of all issuers that a chain speaks of; certificates that cannot be read have none."""
    names = set()
    for der in chain:
        try:
            names.add(Certificate.from_der(der).issuer)
        except CertificateError:
            continue
    return frozenset(names)


def not_after(chain: Sequence[bytes]) -> float:
    """When the first certificate of a chain as sent expires, in seconds since 1970; those that cannot be read do not count."""
    moments = [math.inf]
    for der in chain:
        try:
            moments.append(Certificate.from_der(der).not_after)
        except CertificateError:
            continue
    return min(moments)


def _require_leaf(leaf: Certificate, purpose: Purpose) -> None:
    """digitalSignature and the purpose, where the leaf says anything about them."""
    leaf.p256_key()
    usage = leaf.extension(x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise CertificateError(
            AlertDescription.UNSUPPORTED_CERTIFICATE, "the key usage of the leaf lacks digitalSignature"
        )
    extended = leaf.extension(x509.ExtendedKeyUsage)
    if extended is not None and purpose.value not in extended:
        raise CertificateError(
            AlertDescription.UNSUPPORTED_CERTIFICATE,
            f"the extended key usage of the leaf lacks {purpose.name.lower()} authentication",
        )


def _require_issuer(certificate: Certificate, *, below: int, anchor: bool) -> None:
    """CA true, keyCertSign, and room in the path for the ``below`` intermediates under it.

    An anchor without any key usage is taken: it is trusted by choice (RFC 5280 section 6.1), and ``openssl req -x509`` makes
    them so.
    """
    constraints = certificate.extension(x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise CertificateError(AlertDescription.BAD_CERTIFICATE, f"{certificate} is not a certificate authority")
    if constraints.path_length is not None and constraints.path_length < below:
        raise CertificateError(AlertDescription.BAD_CERTIFICATE, f"the path below {certificate} is too long")
    usage = certificate.extension(x509.KeyUsage)
    if usage is None and not anchor or usage is not None and not usage.key_cert_sign:
        raise CertificateError(AlertDescription.BAD_CERTIFICATE, f"the key usage of {certificate} lacks keyCertSign")


def _require_signature(certificate: Certificate, key: ec.EllipticCurvePublicKey) -> None:
    if certificate.parsed.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise CertificateError(
            AlertDescription.UNSUPPORTED_CERTIFICATE,
            f"{certificate} is not signed with ECDSA and SHA-256",
        )
    try:
        key.verify(certificate.parsed.signature, certificate.parsed.tbs_certificate_bytes, _ECDSA)
    except InvalidSignature as error:
        raise CertificateError(
            AlertDescription.UNKNOWN_CA,
            f"the signature of {certificate} is not by the issuer it names",
        ) from error
