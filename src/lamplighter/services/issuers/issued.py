"""Issuing: what every issuer is asked with and answers, and whether its answer is what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum, auto
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from lamplighter.clock import EPOCH, MICROSECONDS
from lamplighter.services.credentials.service import device_name
from lamplighter.services.issuers.kinds import is_host
from lamplighter.services.issuers.model import Subject

MOST_CERTIFICATES = 4
MOST_LOOKED_AT = 8
"""Of those that an issuer sends."""
LONGEST_CHAIN = 8 * 1024
"""Bytes: what a device shows in a handshake, and is told in one go (gateway rule 2.10)."""


class Use(Enum):
    """What a certificate is for, and so what there has to be in it."""

    OWNERS = auto()
    """What the owner of the device likes."""
    LWM2M = auto()
    """To register here with it."""
    LWM2M_OF_VENDOR = auto()
    """The same for a client of the vendor, which reads in it who it is and does not start without."""


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


def certification_request(key: ec.EllipticCurvePrivateKey, subject: Subject, *, as_host: bool = False) -> bytes:
    """A PKCS#10 request (DER) of that subject, for a key that is made here.

    :param as_host: it says too that the endpoint name is a host's
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(subject))
    if as_host and is_host(subject.endpoint_name):
        names = x509.SubjectAlternativeName([x509.DNSName(subject.endpoint_name)])
        builder = builder.add_extension(names, critical=False)
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
    """The leaf and, of the first of the others, those above it in their order, in DER."""
    chain, left = [leaf], list(others)[:MOST_LOOKED_AT]
    while len(chain) < MOST_CERTIFICATES and chain[-1].issuer != chain[-1].subject:
        above = next((each for each in left if _issued(each, chain[-1])), None)
        if above is None:
            break
        left.remove(above)
        chain.append(above)
    return [each.public_bytes(serialization.Encoding.DER) for each in chain]


def ends_at(leaf: x509.Certificate) -> int:
    """When a certificate expires, microseconds UTC."""
    return round((leaf.not_valid_after_utc - EPOCH).total_seconds()) * MICROSECONDS


def check(chain: Sequence[bytes], subject: Subject, request: bytes, use: Use, now: int) -> None:
    """Raises Refused for a chain that is not for that key and that device, or is of no use.

    :param now: microseconds UTC
    """
    try:
        _check(chain, subject, request, use, now)
    except Refused:
        raise
    except Exception as error:
        # A stranger's certificate: ValueError, UnsupportedAlgorithm, DuplicateExtension, and whatever else its parser meets.
        raise Refused("one of its certificates cannot be read") from error


def _check(chain: Sequence[bytes], subject: Subject, request: bytes, use: Use, now: int) -> None:
    if not 1 <= len(chain) <= MOST_CERTIFICATES:
        raise Refused(f"it sent {len(chain)} certificates, and a device takes 1 to {MOST_CERTIFICATES}")
    if sum(map(len, chain)) > LONGEST_CHAIN:
        raise Refused(f"its certificates have more than {LONGEST_CHAIN} bytes, which is too much for a device")
    leaf = x509.load_der_x509_certificate(chain[0])
    if leaf.public_key() != x509.load_der_x509_csr(request).public_key():
        raise Refused("the certificate is for another key")
    name = device_name(leaf)
    if name != subject.endpoint_name:
        raise Refused(f"the certificate is for {name[:64] or 'nobody'}, and the device is {subject.endpoint_name}")
    if leaf.not_valid_after_utc <= EPOCH + timedelta(microseconds=now):
        raise Refused("the certificate has expired already")
    # The rest of what devices come with is judged by the anchors that their account trusts.
    if use is not Use.OWNERS and leaf.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise Refused("it does not sign with ECDSA and SHA-256, and devices come to this server with nothing else")
    if use is Use.LWM2M_OF_VENDOR:
        _require_names(leaf, subject)


def _require_names(leaf: x509.Certificate, subject: Subject) -> None:
    named = name_of(subject)
    for each in named:
        if leaf.subject.get_attributes_for_oid(each.oid) != [each]:
            missing = each.rfc4514_string()
            raise Refused(f"the certificate's subject is not {named.rfc4514_string()}: it lacks {missing}")


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
