"""What a device's certificate calls it."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

LONGEST_NAME = 64
"""Characters of an endpoint name that a certificate gives."""


def endpoint_name_in(leaf: bytes) -> str:
    """The endpoint name of a certificate (DER) under one that an account trusts. Raises ValueError for none, or one too long."""
    name = device_name(x509.load_der_x509_certificate(leaf))
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"it lacks a common name of 1 to {LONGEST_NAME} characters, the endpoint name")
    return name


def device_name(certificate: x509.Certificate) -> str:
    """The common name; of a certificate that has none, as those of host names may be, its only host name. Empty: neither."""
    if certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        return only_name(certificate.subject, NameOID.COMMON_NAME)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ""
    hosts = names.get_values_for_type(x509.DNSName)
    return hosts[0] if len(hosts) == 1 else ""


def only_name(subject: x509.Name, kind: x509.ObjectIdentifier) -> str:
    """The one value of a kind; empty where there is none, or several."""
    values = [str(attribute.value) for attribute in subject.get_attributes_for_oid(kind)]
    return values[0] if len(values) == 1 else ""
