"""An authority that the operator brings: an intermediate whose root may lie in a safe, with the path up to that root."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import SignatureAlgorithmOID

from lamplighter.services.certificates.credential import Credential
from lamplighter.services.certificates.files import AuthorityUnusable, read_key
from lamplighter.services.certificates.module import open_key
from lamplighter.services.certificates.module_library import ModuleUnusable
from lamplighter.services.certificates.module_uri import SCHEME

_T = TypeVar("_T", bound=x509.ExtensionType)

LONGEST = 3
"""Authorities in a path: with the device's certificate four, which is what devices and our own engine take."""


def read_given(certificate: Path, key: str) -> Credential:
    """An operator's authority from his files, not checked yet. Raises AuthorityUnusable.

    :param key: path of its file, or PKCS#11 URI of one in a module
    """
    try:
        first, *above = x509.load_pem_x509_certificates(certificate.read_bytes())
        private = open_key(key, first) if key.startswith(SCHEME) else read_key(Path(key))
        return Credential(first, private, tuple(above))
    except ModuleUnusable as error:
        raise AuthorityUnusable(f"--key: {error}.") from None
    except OSError as error:
        raise AuthorityUnusable(f"{error.filename} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        if isinstance(error, AuthorityUnusable):
            raise
        raise AuthorityUnusable(f"{certificate} is not PEM with certificates.") from None


def check_authority(what: str, credential: Credential, moment: datetime) -> Credential:
    """The credential, if it may sign certificates of devices. ``what`` names it in messages. Raises AuthorityUnusable."""

    def unusable(reason: str) -> AuthorityUnusable:
        return AuthorityUnusable(f"{what}: {reason}")

    path = credential.path
    if not credential.fits:
        raise unusable("the key is not that of the first certificate. Give the key of the authority that shall sign.")
    if len(path) > LONGEST:
        raise unusable(f"the path has {len(path)} authorities, and devices take {LONGEST}: leave out those above.")
    for below, each in enumerate(path):
        name = each.subject.rfc4514_string() or "a certificate"
        key = each.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise unusable(f"the key of {name} is not on the curve P-256 (secp256r1), which is what devices check.")
        constraints = _extension(each, x509.BasicConstraints)
        if constraints is None or not constraints.ca:
            raise unusable(f"{name} is not a certificate authority (basicConstraints CA:TRUE).")
        if constraints.path_length is not None and constraints.path_length < below:
            raise unusable(f"{name} allows {constraints.path_length} authorities below it, and there are {below}.")
        usage = _extension(each, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            raise unusable(f"the key usage of {name} lacks keyCertSign.")
        if each.not_valid_after_utc <= moment:
            raise unusable(f"{name} expired on {each.not_valid_after_utc:%Y-%m-%d}.")
        if each.not_valid_before_utc > moment:
            raise unusable(f"{name} is not valid before {each.not_valid_before_utc:%Y-%m-%d}.")
        issuer = path[below + 1] if below + 1 < len(path) else each
        if (issuer is not each or each.issuer == each.subject) and not is_signed(each, issuer):
            raise unusable(
                f"{name} is not signed by {issuer.subject.rfc4514_string()} with ECDSA and SHA-256. "
                "The file has the authority that signs first, then the one above it, up to the root."
            )
    return credential


def is_signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By that issuer, with ECDSA and SHA-256."""
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
