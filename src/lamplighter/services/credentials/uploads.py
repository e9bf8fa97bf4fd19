"""An uploaded certificate, or a chain from its root: what is in it, and everything that is wrong with it at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from lamplighter.clock import EPOCH
from lamplighter.dtls import CertificateError, TrustAnchor
from lamplighter.errors import FieldFault, credentials
from lamplighter.errors.requests import invalid

LONGEST = 20_000
"""Characters of PEM."""
MOST = 4
"""Certificates of a chain: as many as a device's path may have."""
LONGEST_DER = 4096
"""Bytes of one certificate."""
SMALLEST_RSA = 2048

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*)-----END \1-----")
_MICROSECOND = timedelta(microseconds=1)


class Upload(NamedTuple):
    """What is trusted: the last certificate of the chain, under which devices' certificates are."""

    der: bytes
    fingerprint: str
    """SHA-256 in lower-case hexadecimal digits."""
    subject: str
    issuer: str
    """As RFC 4514 writes them."""
    subject_name: str
    """SHA-256 of the subject in DER: how candidates for an issuer are found. They are judged by their signature."""
    not_after: int
    """Microseconds since 1970."""
    key: ec.EllipticCurvePublicKey

    def signed(self, text: str, signature: str) -> bool:
        """Whether that is a base64 ECDSA signature with SHA-256 over the text, by the key of this certificate."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self.key.verify(raw, text.encode(), ec.ECDSA(hashes.SHA256()))
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True


def read_upload(text: str, now: int) -> Upload:
    """Raises InvalidParameters with every fault, PrivateKeyUploaded.

    :param now: microseconds UTC
    """
    if "PRIVATE KEY" in text:
        raise credentials.PrivateKeyUploaded()
    if len(text) > LONGEST:
        raise _refused([f"must have at most {LONGEST} characters, and has {len(text)}"])
    found = _certificates(text)
    faults: list[str] = []
    for number, certificate in enumerate(found, 1):
        which = f"certificate {number} of the chain" if len(found) > 1 else "it"
        faults += [f"cannot be used: {which} {fault}" for fault in _faults(certificate, EPOCH + now * _MICROSECOND)]
    found = _in_order(found, faults)
    der = found[-1].public_bytes(serialization.Encoding.DER)
    try:
        anchor = TrustAnchor.from_der(der)
    except CertificateError as error:
        raise _refused([*faults, f"cannot be used: {error.detail}"]) from None
    if anchor.certificate.not_understood is not None:
        faults.append(f"cannot be used: its critical extension {anchor.certificate.not_understood} is not understood")
    if faults:
        raise _refused(faults)
    return uploaded(found[-1])


def uploaded(certificate: x509.Certificate) -> Upload:
    """What there is to know of a certificate; of P-256."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return Upload(
        certificate.public_bytes(serialization.Encoding.DER),
        certificate.fingerprint(hashes.SHA256()).hex(),
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        name_key(certificate.subject.public_bytes()),
        (certificate.not_valid_after_utc - EPOCH) // _MICROSECOND,
        key,
    )


def name_key(name: bytes) -> str:
    """How a name (DER) is looked up."""
    return hashlib.sha256(name).hexdigest()


def _certificates(text: str) -> list[x509.Certificate]:
    blocks = _BLOCK.findall(text)
    if not blocks:
        raise _refused(["must be a certificate in PEM format: -----BEGIN CERTIFICATE----- and what follows"])
    if others := sorted({label for label, _ in blocks} - {"CERTIFICATE"}):
        raise _refused([f"must hold certificates only, and holds {', '.join(others)}"])
    if len(blocks) > MOST:
        raise _refused([f"must be a chain of at most {MOST} certificates, and has {len(blocks)}"])
    found: list[x509.Certificate] = []
    for number, (_, body) in enumerate(blocks, 1):
        try:
            der = base64.b64decode("".join(body.split()), validate=True)
            if len(der) > LONGEST_DER:
                raise _refused(
                    [f"must hold certificates of at most {LONGEST_DER} bytes; number {number} has {len(der)}"]
                )
            certificate = x509.load_der_x509_certificate(der)
            _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()  # may fail
        except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType):
            raise _refused([f"cannot be read: number {number} in it is no X.509 certificate"]) from None
        if certificate in found:
            raise _refused([f"must hold a certificate once; number {number} is there twice"])
        found.append(certificate)
    return found


def _in_order(found: list[x509.Certificate], faults: list[str]) -> list[x509.Certificate]:
    """From the root downwards; the other way round is understood."""
    for chain in (found, found[::-1]):
        if all(_issued(issuer, below) for issuer, below in zip(chain, chain[1:], strict=False)):
            return chain
    faults.append("must be a chain from the root downwards: each certificate is issued by the one before it")
    return found


def _issued(issuer: x509.Certificate, below: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _faults(certificate: x509.Certificate, now: datetime) -> list[str]:
    faults = []
    if certificate.not_valid_after_utc < now:
        faults.append(f"expired on {certificate.not_valid_after_utc.astimezone(UTC).isoformat()}")
    if certificate.not_valid_before_utc > now:
        faults.append(f"is not valid before {certificate.not_valid_before_utc.astimezone(UTC).isoformat()}")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        faults.append(f"has an RSA key of {key.key_size} bits, which is too weak")
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < 256:
        faults.append(f"has a key of {key.curve.name}, which is too weak")
    elif not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
    ):
        faults.append("has a key of a kind that is not supported")
    try:
        signed_with = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        faults.append("is signed by an algorithm that is not supported")
    else:
        if isinstance(signed_with, hashes.SHA1 | hashes.MD5):
            faults.append(f"is signed with {signed_with.name.upper()}, which is too weak")
    return faults


def _refused(faults: list[str]) -> Exception:
    return invalid([FieldFault("certificate", fault) for fault in faults])
