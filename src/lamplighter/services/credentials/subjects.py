"""What a device's certificate calls it."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

LONGEST_NAME = 64
"""Characters of an endpoint name that a certificate gives."""


def common_name(leaf: bytes) -> str:
    """The endpoint name of a certificate (DER) under one that an account trusts. Raises ValueError for none, or one too long."""
    name = only_name(x509.load_der_x509_certificate(leaf).subject, NameOID.COMMON_NAME)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"the subject lacks a common name of 1 to {LONGEST_NAME} characters, the endpoint name")
    return name


def only_name(subject: x509.Name, kind: x509.ObjectIdentifier) -> str:
    """The one value of a kind; empty where there is none, or several."""
    values = [str(attribute.value) for attribute in subject.get_attributes_for_oid(kind)]
    return values[0] if len(values) == 1 else ""
