"""What is read in a client's datagrams before OpenSSL gets them, and how OpenSSL's bytes become datagrams again."""

from __future__ import annotations

from collections.abc import Iterator

from OpenSSL import SSL

from lamplighter.dtls.failures import HandshakeError
from lamplighter.dtls.handshake import parse_fragments
from lamplighter.dtls.numbers import ContentType, HandshakeType
from lamplighter.dtls.records import HEADER, HEADER_LENGTH


def hello_of(data: bytes) -> tuple[int, bytes, bool] | None:
    """message_seq and body of a ClientHello at the start of a datagram, and whether the body is whole."""
    length = HEADER.unpack_from(data)[3]
    try:
        fragments = parse_fragments(data[HEADER_LENGTH : HEADER_LENGTH + length])
    except HandshakeError:
        return None
    if not fragments or fragments[0].type != HandshakeType.CLIENT_HELLO or fragments[0].offset:
        return None
    first = fragments[0]
    return first.sequence, first.body, len(first.body) == first.length


def identity_in(data: bytes) -> bytes | None:
    """The identity of a ClientKeyExchange in epoch 0 that names a pre-shared key (RFC 4279 section 2)."""
    at = 0
    while len(data) - at >= HEADER_LENGTH:
        kind, _, number, length = HEADER.unpack_from(data, at)
        payload = data[at + HEADER_LENGTH : at + HEADER_LENGTH + length]
        at += HEADER_LENGTH + length
        if kind != ContentType.HANDSHAKE or number >> 48:
            continue
        try:
            fragments = parse_fragments(payload)
        except HandshakeError:
            return None
        for each in fragments:
            if each.type == HandshakeType.CLIENT_KEY_EXCHANGE and len(each.body) == each.length >= 2:
                # That of ECDHE begins with one byte of length, and a point.
                if int.from_bytes(each.body[:2], "big") == len(each.body) - 2:
                    return each.body[2:]
    return None


def protected_part(data: bytes) -> bytes:
    """A datagram from its first record of a later epoch on: where a peer says its last flight again, that is its Finished."""
    at = 0
    while len(data) - at >= HEADER_LENGTH:
        _, _, number, length = HEADER.unpack_from(data, at)
        if number >> 48:
            return data[at:]
        at += HEADER_LENGTH + length
    return b""


def renumbered(datagram: bytes, numbers: Iterator[int]) -> bytes:
    """The same records, those of epoch 0 with the next numbers.

    OpenSSL counts from 1 whatever number our HelloVerifyRequest had, and a flight said again is made of the same records: a peer
    that has seen a number drops what comes with it. Nothing protects the numbers of epoch 0.
    """
    made = bytearray(datagram)
    at = 0
    while at < len(made):
        kind, version, number, length = HEADER.unpack_from(made, at)
        if not number >> 48:
            HEADER.pack_into(made, at, kind, version, next(numbers), length)
        at += HEADER_LENGTH + length
    return bytes(made)


def datagrams(connection: SSL.Connection, mtu: int) -> list[bytes]:
    """What OpenSSL wrote, whole records together up to the mtu: its memory has lost where datagrams ended."""
    written = b""
    try:
        while True:
            written += connection.bio_read(1 << 16)
    except SSL.WantReadError:
        pass
    found: list[bytes] = []
    at = 0
    while at < len(written):
        end = at + HEADER_LENGTH + HEADER.unpack_from(written, at)[3]
        record = written[at:end]
        if found and len(found[-1]) + len(record) <= mtu:
            found[-1] += record
        else:
            found.append(record)
        at = end
    return found
