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


def vendor_chain(certificates: Sequence[bytes]) -> bytes:
    """The frame of the vendor's client round certificates in DER, the leaf first."""
    parts = [bytes((VENDOR_CHAIN_VERSION, len(certificates)))]
    for certificate in certificates:
        parts += [len(certificate).to_bytes(2, "big"), certificate]
    return b"".join(parts)
