"""How the installation's certificates are made: P-256 with SHA-256, which is what devices can check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lamplighter.services.certificates.credential import Credential

Validity = tuple[datetime, datetime]

ALWAYS: Validity = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
"""Validity towards devices, whose clocks may stand at zero."""


def year_from(moment: datetime) -> Validity:
    return moment - timedelta(hours=1), moment + timedelta(days=365)


def make_root(common_name: str, validity: Validity) -> Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(common_name)
    builder = _authority_builder(subject, subject, key.public_key(), validity)
    return Credential(builder.sign(key, hashes.SHA256()), key)


def cross_sign(former: x509.Certificate, by: Credential) -> x509.Certificate:
    """The former authority's name and key, certified by its successor: who trusts only that one believes both."""
    key = former.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    validity = _within((former.not_valid_before_utc, former.not_valid_after_utc), by)
    builder = _authority_builder(former.subject, by.certificate.subject, key, validity)
    return builder.sign(by.key, hashes.SHA256())


def issue_server(
    issuer: Credential,
    common_name: str,
    names: list[x509.GeneralName],
    validity: Validity,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Credential:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_named(common_name), issuer.certificate.subject, key.public_key(), _within(validity, issuer))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Credential(builder.sign(issuer.key, hashes.SHA256()), key)


def issue_client(
    issuer: Credential,
    key: ec.EllipticCurvePublicKey,
    *subject: x509.NameAttribute[str],
    validity: Validity = ALWAYS,
) -> x509.Certificate:
    builder = _builder(x509.Name(subject), issuer.certificate.subject, key, _within(validity, issuer))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    builder = _builder(subject, issuer, key, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
    )


def _within(validity: Validity, issuer: Credential) -> Validity:
    """Nothing is valid for longer than those above it: a path ends with the first that does."""
    starts = [each.not_valid_before_utc for each in issuer.path]
    ends = [each.not_valid_after_utc for each in issuer.path]
    return max(validity[0], *starts), min(validity[1], *ends)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
