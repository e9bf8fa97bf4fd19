"""Issuing: what every issuer is asked with and answers, and whether its answer is what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.clock import EPOCH
from lamplighter.services.issuers.model import Subject

MOST_CERTIFICATES = 4
LONGEST_CHAIN = 8 * 1024
"""Bytes: what a device shows in a handshake, and is told in one go (gateway rule 2.10)."""


class Refused(Exception):
    """The issuer answered, and not with a certificate that can be used. Its text may be shown."""


class Unreachable(Exception):
    """The issuer did not answer. Its text may be shown."""


class Connector(Protocol):
    """Speaks to an issuer of one kind."""

    async def issue(self, subject: Subject, request: bytes, now: int) -> list[bytes]:
        """The certificates (DER, the leaf first) for a PKCS#10 request (DER). Raises Refused, Unreachable.

        :param now: from when on, microseconds UTC
        """
        ...


def certification_request(key: ec.EllipticCurvePrivateKey, subject: Subject) -> bytes:
    """A PKCS#10 request (DER) of that subject, for a key that is made here."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(subject))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def name_of(subject: Subject) -> x509.Name:
    """CN is the endpoint name, OU the account, L the device id (wire facts 2.2)."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, subject.endpoint_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, subject.account_id),
            x509.NameAttribute(NameOID.LOCALITY_NAME, subject.device_id),
        ]
    )


def pem_of(request: bytes) -> str:
    """A request (DER) in PEM. Raises ValueError."""
    return x509.load_der_x509_csr(request).public_bytes(serialization.Encoding.PEM).decode()


def parsed(pem: str | bytes) -> list[x509.Certificate]:
    """The certificates of a text in PEM. Raises Refused."""
    try:
        return x509.load_pem_x509_certificates(pem.encode() if isinstance(pem, str) else pem)
    except ValueError:
        raise Refused("what it sent is no certificate in PEM") from None


def with_issuers(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> list[bytes]:
    """The leaf and, of the others, those above it in their order, in DER."""
    chain, left = [leaf], list(others)
    while len(chain) < MOST_CERTIFICATES and chain[-1].issuer != chain[-1].subject:
        above = next((each for each in left if _issued(each, chain[-1])), None)
        if above is None:
            break
        left.remove(above)
        chain.append(above)
    return [each.public_bytes(serialization.Encoding.DER) for each in chain]


def check(chain: Sequence[bytes], subject: Subject, request: bytes, now: int) -> None:
    """Raises Refused for a chain that is not for that key and that device, or is of no use.

    :param now: microseconds UTC
    """
    if not 1 <= len(chain) <= MOST_CERTIFICATES:
        raise Refused(f"it sent {len(chain)} certificates, and a device takes 1 to {MOST_CERTIFICATES}")
    if sum(map(len, chain)) > LONGEST_CHAIN:
        raise Refused(f"its certificates have more than {LONGEST_CHAIN} bytes, which is too much for a device")
    leaf = x509.load_der_x509_certificate(chain[0])
    if leaf.public_key() != x509.load_der_x509_csr(request).public_key():
        raise Refused("the certificate is for another key")
    names = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [subject.endpoint_name]:
        shown = str(names[0])[:64] if names else "nobody"
        raise Refused(f"the certificate is for {shown}, and the device is {subject.endpoint_name}")
    if leaf.not_valid_after_utc <= EPOCH + timedelta(microseconds=now):
        raise Refused("the certificate has expired already")


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
