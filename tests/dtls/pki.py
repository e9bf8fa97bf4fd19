"""Certificates made on the spot: P-256 and SHA-256 unless a test says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(2099, 12, 31, tzinfo=UTC)
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: name in names for name in every})


SIGN = usage("key_cert_sign", "crl_sign")


@dataclass
class Credential:
    """A certificate, its key, and the certificates above it but for the anchor."""

    certificate: x509.Certificate
    key: Any
    above: tuple[bytes, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> tuple[bytes, ...]:
        return (self.der, *self.above)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """PEM files of the chain and of the key."""
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(b"".join(x509.load_der_x509_certificate(d).public_bytes(Encoding.PEM) for d in self.chain))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain, key


def issue(
    name: str,
    issuer: Credential | None = None,
    *,
    ca: bool = False,
    path_length: int | None = None,
    key_usage: x509.KeyUsage | None = None,
    extended: x509.ExtendedKeyUsage | None = None,
    start: datetime = START,
    end: datetime = END,
    key: Any = None,
    digest: hashes.HashAlgorithm | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    constraints: bool = True,
) -> Credential:
    """A certificate by that issuer; without one, signed by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if key_usage is not None:
        builder = builder.add_extension(key_usage, critical=True)
    if extended is not None:
        builder = builder.add_extension(extended, critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(issuer.key if issuer else key, digest or hashes.SHA256())
    above = issuer.chain if issuer and issuer.certificate.issuer != issuer.certificate.subject else ()
    return Credential(certificate, key, above)


def authority(name: str = "Lamp makers") -> Credential:
    return issue(name, ca=True, key_usage=SIGN)


def device(issuer: Credential, name: str = "lamp-1") -> Credential:
    return issue(name, issuer, key_usage=usage("digital_signature"), extended=CLIENT)


def server(issuer: Credential, name: str = "localhost") -> Credential:
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    return issue(name, issuer, key_usage=usage("digital_signature"), extended=SERVER, extra=((names, False),))
