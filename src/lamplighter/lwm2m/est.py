"""Enrolment over secure transport, as devices do it over CoAP: ``POST /est/sen`` with a PKCS#10 request.

RFC 9148 answers with PKCS#7; the vendor's client, which names no format, takes a chain in a frame of its own (wire facts
section 2.4): ``01``, the number of certificates, then each with its length in two bytes, the leaf first.
"""

from __future__ import annotations

from collections.abc import Sequence

EST_PATH = ("est", "sen")
VENDOR_CHAIN_VERSION = 1
PKCS7_CERTS_ONLY = 281
"""Content format ``application/pkcs7-mime;smime-type=certs-only`` (RFC 9148 section 8.1)."""
#: Bytes of a certification request; an ordinary one has about 320.
LONGEST_REQUEST = 4096
#: The algorithm ecdsa-with-SHA256 with the NULL that mbed TLS 2 writes after its name, and as RFC 5758 section 3.2 has it.
_ALGORITHM_WITH_NULL = bytes.fromhex("300c06082a8648ce3d0403020500")
_ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")


def vendor_chain(certificates: Sequence[bytes]) -> bytes:
    """The frame of the vendor's client round certificates in DER, the leaf first."""
    parts = [bytes((VENDOR_CHAIN_VERSION, len(certificates)))]
    for certificate in certificates:
        parts += [len(certificate).to_bytes(2, "big"), certificate]
    return b"".join(parts)


def strict_request(request: bytes) -> bytes:
    """The request (DER) without the NULL that mbed TLS 2 writes after the algorithm of its signature.

    RFC 5758 forbids it and strict readers refuse it; the signature does not cover it. Other requests come back unchanged.
    """
    signed, found, signature = request.rpartition(_ALGORITHM_WITH_NULL)
    if not found or len(signed) < 2:
        return request
    header = 2 + (signed[1] & 0x7F if signed[1] & 0x80 else 0)
    body = signed[header:] + _ALGORITHM + signature
    size = len(body).to_bytes(2, "big").lstrip(b"\0")
    length = size if len(body) < 0x80 else bytes((0x80 | len(size),)) + size
    return signed[:1] + length + body
