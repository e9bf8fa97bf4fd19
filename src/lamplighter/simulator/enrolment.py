"""A key of the device's own, and a certificate for it: EST as the vendor's client does it (wire facts section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.est import EST_PATH, VENDOR_CHAIN_VERSION

#: Block2 0/0/512: how large the blocks of the answer may be.
_BLOCKS_OF_512 = 5


class ChainUnreadable(ValueError):
    """The answer to an enrolment is not a chain in the vendor's frame."""


def certification_request(key: ec.EllipticCurvePrivateKey, name: str, account_id: str, device_id: str) -> bytes:
    """PKCS#10 in DER, with the subject in the vendor's order and no extensions."""
    parts = ((NameOID.LOCALITY_NAME, device_id), (NameOID.ORGANIZATIONAL_UNIT_NAME, account_id))
    subject = [x509.NameAttribute(oid, text) for oid, text in (*parts, (NameOID.COMMON_NAME, name))]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def enrolment_message(request: bytes, path: Sequence[str] = EST_PATH) -> Message:
    """``POST /est/sen``, with Content-Format 0 as the vendor's client has it."""
    message = Message(Code.POST, path_options(path), request).add(Option.CONTENT_FORMAT, 0)
    return message.add(Option.BLOCK2, _BLOCKS_OF_512)


def certificates_of(payload: bytes) -> list[bytes]:
    """The certificates of an answer in DER, the leaf first. Raises ChainUnreadable."""
    if len(payload) < 2 or payload[0] != VENDOR_CHAIN_VERSION or not payload[1]:
        raise ChainUnreadable("no chain in the vendor's frame")
    certificates, position = [], 2
    for _ in range(payload[1]):
        length = int.from_bytes(payload[position : position + 2], "big")
        certificates.append(payload[position + 2 : position + 2 + length])
        position += 2 + length
    if position != len(payload):
        raise ChainUnreadable("its lengths do not fit together")
    return certificates
