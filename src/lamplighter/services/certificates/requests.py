"""What devices ask certificates with (PKCS#10), and how they are given them: by EST over CoAP (RFC 9148, wire facts 2.4)."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from lamplighter.errors import bootstrap as errors
from lamplighter.lwm2m.est import LONGEST_REQUEST, strict_request, vendor_chain


def certified_key(device_id: str, request: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a certification request that signed it (gateway rule 5.7). Raises CertificationRequestInvalid."""

    def invalid(reason: str) -> errors.CertificationRequestInvalid:
        return errors.CertificationRequestInvalid(device_id=device_id, reason=reason)

    if len(request) > LONGEST_REQUEST:
        raise invalid(f"it is longer than {LONGEST_REQUEST} bytes")
    try:
        parsed = x509.load_der_x509_csr(strict_request(request))
        key = parsed.public_key()
        valid = parsed.is_signature_valid
    except (ValueError, InvalidSignature, TypeError):
        raise invalid("it is no PKCS#10 request in DER") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise invalid("its key is not of P-256")
    if not valid:
        raise invalid("its signature is not by its own key")
    return key


def framed(certificates: Sequence[bytes], *, pkcs7_wanted: bool) -> bytes:
    """Certificates (DER, the leaf first) as PKCS#7, or in the frame of the vendor's client."""
    if not pkcs7_wanted:
        return vendor_chain(certificates)
    loaded = [x509.load_der_x509_certificate(each) for each in certificates]
    return pkcs7.serialize_certificates(loaded, serialization.Encoding.DER)
