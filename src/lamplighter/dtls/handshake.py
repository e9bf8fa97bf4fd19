"""Handshake messages: reading and writing their bodies (RFC 5246 section 7.4, RFC 6347 section 4.2, RFC 8422, RFC 4279).

A whole message is a 12-byte header and a body; fragmentation is in ``fragments``. Everything here raises HandshakeError
(usually MalformedMessage) for what cannot be read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .failures import FailureReason, HandshakeError, MalformedMessage, too_large
from .numbers import (
    DTLS_1_0,
    DTLS_1_2,
    ECDSA_SECP256R1_SHA256,
    ECDSA_SIGN,
    NAMED_CURVE,
    SECP256R1,
    AlertDescription,
    AlertLevel,
)
from .prf import RANDOM_LENGTH
from .reader import Reader, vector

HEADER_LENGTH = 12
CERTIFICATE_LIST_LIMIT = 8 * 1024
"""Bytes of all certificates together. Device chains are 1 to 3 KB; mbed TLS clients take 1 KB a certificate."""
CERTIFICATE_COUNT_LIMIT = 4
_HEADER = struct.Struct("!IHHI")
"""A message's header, in which numbers of 24 bits share words: type and length, message_seq, the high part of the fragment's
offset, its low byte and the fragment's length."""
_LOW_24 = 0xFFFFFF
_SESSION_ID_AT = 2 + RANDOM_LENGTH
_EXTENSION = struct.Struct("!HH")


@dataclass(slots=True)
class Fragment:
    """One piece of a handshake message, as it came (RFC 6347 section 4.2.2)."""

    type: int
    length: int
    """Bytes of the whole body."""
    sequence: int
    """message_seq"""
    offset: int
    body: bytes


def parse_fragments(payload: bytes) -> list[Fragment]:
    """The fragments in one record. Several may share it."""
    fragments = []
    at, end = 0, len(payload)
    while at < end:
        if end - at < HEADER_LENGTH:
            raise MalformedMessage("a handshake header is cut off")
        kind_length, sequence, offset_high, offset_size = _HEADER.unpack_from(payload, at)
        length, size = kind_length & _LOW_24, offset_size & _LOW_24
        offset = offset_high << 8 | offset_size >> 24
        start = at + HEADER_LENGTH
        at = start + size
        if at > end or offset + size > length:
            raise MalformedMessage("a handshake fragment lies outside its message")
        fragments.append(Fragment(kind_length >> 24, length, sequence, offset, payload[start:at]))
    return fragments


def message(kind: int, sequence: int, body: bytes) -> bytes:
    """The whole message in one fragment: the form that the transcript is made of (RFC 6347 section 4.2.6)."""
    length = len(body)
    return _HEADER.pack(kind << 24 | length, sequence, 0, length) + body


def fragment_header(kind: int, length: int, sequence: int, offset: int, size: int) -> bytes:
    return _HEADER.pack(kind << 24 | length, sequence, offset >> 8, (offset & 0xFF) << 24 | size)


@dataclass(slots=True)
class ClientHello:
    version: int
    random: bytes
    session_id: bytes
    cookie: bytes
    cipher_suites: tuple[int, ...]
    compression_methods: bytes
    extensions: dict[int, bytes]


@dataclass(slots=True)
class ServerHello:
    version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    extensions: dict[int, bytes]


def hello_parameters(body: bytes) -> tuple[bytes, bytes]:
    """What a cookie is bound to, and the cookie, from the first bytes of a ClientHello, of which the rest may be missing.

    Version, random and session ID: they stand before the cookie, so a fragmented hello can be judged by its first fragment.
    """
    try:
        parameters_end = _SESSION_ID_AT + 1 + body[_SESSION_ID_AT]
        cookie_end = parameters_end + 1 + body[parameters_end]
    except IndexError:
        cookie_end = len(body) + 1
    if cookie_end > len(body):
        raise MalformedMessage("a ClientHello ends before its cookie does")
    return body[:parameters_end], body[parameters_end + 1 : cookie_end]


def parse_client_hello(body: bytes) -> ClientHello:
    reader = Reader(body)
    hello = ClientHello(
        reader.number(2),
        reader.take(RANDOM_LENGTH),
        reader.vector(1),
        reader.vector(1),
        reader.numbers(),
        reader.vector(1),
        {},
    )
    hello.extensions = _parse_extensions(reader)
    return hello


def client_hello(hello: ClientHello) -> bytes:
    suites = b"".join(suite.to_bytes(2, "big") for suite in hello.cipher_suites)
    return (
        hello.version.to_bytes(2, "big")
        + hello.random
        + vector(1, hello.session_id)
        + vector(1, hello.cookie)
        + vector(2, suites)
        + vector(1, hello.compression_methods)
        + _extensions(hello.extensions)
    )


def parse_server_hello(body: bytes) -> ServerHello:
    reader = Reader(body)
    version, random, session_id, suite = (
        reader.number(2),
        reader.take(RANDOM_LENGTH),
        reader.vector(1),
        reader.number(2),
    )
    if reader.number(1):
        raise MalformedMessage("compression was chosen")
    return ServerHello(version, random, session_id, suite, _parse_extensions(reader))


def server_hello(hello: ServerHello) -> bytes:
    return (
        hello.version.to_bytes(2, "big")
        + hello.random
        + vector(1, hello.session_id)
        + hello.cipher_suite.to_bytes(2, "big")
        + b"\0"
        + _extensions(hello.extensions)
    )


def hello_verify_request(cookie: bytes) -> bytes:
    """Always of version 1.0, whatever is agreed later (RFC 6347 section 4.2.1)."""
    return DTLS_1_0.to_bytes(2, "big") + vector(1, cookie)


def parse_hello_verify_request(body: bytes) -> bytes:
    reader = Reader(body)
    reader.take(2)
    cookie = reader.vector(1)
    reader.end()
    return cookie


def certificate(chain: Sequence[bytes]) -> bytes:
    return vector(3, b"".join(vector(3, item) for item in chain))


def parse_certificate(body: bytes) -> list[bytes]:
    """The DER certificates, the leaf first. Raises HandshakeError above the limits of this file."""
    if len(body) > CERTIFICATE_LIST_LIMIT:
        raise too_large(f"{len(body)} bytes of certificates")
    outer = Reader(body)
    inner = Reader(outer.vector(3))
    outer.end()
    chain = []
    while inner.left:
        chain.append(inner.vector(3))
    if len(chain) > CERTIFICATE_COUNT_LIMIT:
        raise too_large(f"{len(chain)} certificates")
    return chain


CERTIFICATE_REQUEST = (
    vector(1, bytes([ECDSA_SIGN])) + vector(2, ECDSA_SECP256R1_SHA256.to_bytes(2, "big")) + vector(2, b"")
)
"""ECDSA with P-256 and SHA-256, no list of authorities: one would tell strangers who our users' issuers are."""


def ecdh_parameters(point: bytes) -> bytes:
    """The signed part of ServerKeyExchange: curve and public key (RFC 8422 section 5.4)."""
    return bytes([NAMED_CURVE]) + SECP256R1.to_bytes(2, "big") + vector(1, point)


def signature(value: bytes) -> bytes:
    """DigitallySigned with its algorithm (RFC 5246 section 4.7)."""
    return ECDSA_SECP256R1_SHA256.to_bytes(2, "big") + vector(2, value)


def read_signature(reader: Reader) -> bytes:
    """The signature that ends a message. Raises HandshakeError for another algorithm than ours."""
    if reader.number(2) != ECDSA_SECP256R1_SHA256:
        raise MalformedMessage("a signature that is not ecdsa_secp256r1_sha256")
    value = reader.vector(2)
    reader.end()
    return value


def parse_ecdh_server_key_exchange(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Signed parameters, public point, signature."""
    reader = Reader(body)
    if reader.number(1) != NAMED_CURVE or reader.number(2) != SECP256R1:
        raise MalformedMessage("a group that was not offered")
    point = reader.vector(1)
    return ecdh_parameters(point), point, read_signature(reader)


def parse_alert(payload: bytes) -> tuple[int, int] | None:
    """Level and description; None for anything that is no alert."""
    if len(payload) != 2 or payload[0] not in (AlertLevel.WARNING, AlertLevel.FATAL):
        return None
    return payload[0], payload[1]


def alert_name(description: int) -> str:
    """The registry's name in lower case, or the number."""
    try:
        return AlertDescription(description).name.lower()
    except ValueError:
        return f"alert {description}"


def _parse_extensions(reader: Reader) -> dict[int, bytes]:
    extensions: dict[int, bytes] = {}
    if not reader.left:
        return extensions
    block = reader.vector(2)
    reader.end()
    at, end = 0, len(block)
    while at < end:
        if end - at < _EXTENSION.size:
            raise MalformedMessage("the header of an extension is cut off")
        kind, length = _EXTENSION.unpack_from(block, at)
        start = at + _EXTENSION.size
        at = start + length
        if at > end:
            raise MalformedMessage(f"extension {kind} is cut off")
        if kind in extensions:
            raise MalformedMessage(f"extension {kind} twice")
        extensions[kind] = block[start:at]
    return extensions


def _extensions(extensions: Mapping[int, bytes]) -> bytes:
    if not extensions:
        return b""
    return vector(2, b"".join([_EXTENSION.pack(kind, len(data)) + data for kind, data in extensions.items()]))


def require_version(version: int) -> None:
    """Raises HandshakeError unless the peer speaks DTLS 1.2 (version numbers count down)."""
    if version > DTLS_1_2 or version < 0xFE00:
        raise HandshakeError(
            AlertDescription.PROTOCOL_VERSION,
            FailureReason.PROTOCOL_VERSION,
            f"the peer's version is {version:04x}, older than 1.2",
        )
