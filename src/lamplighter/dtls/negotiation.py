"""What a server agrees to in its hello: suite, extensions, limits. Reads a ClientHello, decides, says why not."""

from __future__ import annotations

from dataclasses import dataclass

from .ciphers import CipherSuite
from .configuration import ServerConfig
from .failures import FailureReason, HandshakeError, MalformedMessage
from .handshake import ClientHello, require_version
from .numbers import (
    ECDSA_SECP256R1_SHA256,
    EMPTY_RENEGOTIATION_INFO_SCSV,
    MAX_FRAGMENT_LENGTHS,
    SECP256R1,
    UNCOMPRESSED,
    AlertDescription,
    ExtensionType,
)
from .reader import Reader, vector
from .records import PLAINTEXT_LIMIT

PEER_CID_LIMIT = 26
"""Bytes of a client's connection ID that fit the room set aside in a datagram; with a longer one there is none."""
RECORD_SIZE_LEAST = 64
"""Bytes; less is an illegal parameter (RFC 8449 section 4)."""


@dataclass(slots=True)
class Agreement:
    """The outcome."""

    cipher: CipherSuite
    extended_master_secret: bool
    cid: bytes
    """What the client shall put into its records; empty for none."""
    peer_cid: bytes
    """What the client wants in ours; empty for none."""
    draft_cid: bool
    fragment_limit: int
    """Bytes of plaintext in a record that the client takes."""
    extensions: dict[int, bytes]
    """For ServerHello: nothing in it that the client did not offer."""


def negotiate(hello: ClientHello, config: ServerConfig) -> Agreement:
    """Raises HandshakeError when nothing can be agreed."""
    require_version(hello.version)
    if 0 not in hello.compression_methods:
        raise MalformedMessage("no null compression")
    cipher = _choose(hello, config)
    offered = hello.extensions
    answer: dict[int, bytes] = {}

    if ExtensionType.RENEGOTIATION_INFO in offered:
        if offered[ExtensionType.RENEGOTIATION_INFO] != b"\0":
            raise HandshakeError(
                AlertDescription.HANDSHAKE_FAILURE, FailureReason.MALFORMED, "renegotiation_info is not empty"
            )
        answer[ExtensionType.RENEGOTIATION_INFO] = b"\0"
    elif EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites:
        answer[ExtensionType.RENEGOTIATION_INFO] = b"\0"

    extended = ExtensionType.EXTENDED_MASTER_SECRET in offered
    if extended:
        answer[ExtensionType.EXTENDED_MASTER_SECRET] = b""
    elif config.extended_master_secret == "required":
        raise HandshakeError(
            AlertDescription.HANDSHAKE_FAILURE,
            FailureReason.EXTENDED_MASTER_SECRET_MISSING,
            "no extended_master_secret in ClientHello",
        )
    if not cipher.psk and ExtensionType.EC_POINT_FORMATS in offered:
        answer[ExtensionType.EC_POINT_FORMATS] = vector(1, bytes([UNCOMPRESSED]))

    cid, peer_cid, draft = _connection_ids(offered, config)
    if cid:
        answer[ExtensionType.CONNECTION_ID_DRAFT if draft else ExtensionType.CONNECTION_ID] = vector(1, cid)
    limit = _fragment_limit(offered, answer)
    if peer_cid:
        limit -= 1  # the content type moves into the plaintext (RFC 9146 section 4)
    return Agreement(cipher, extended, cid, peer_cid, draft, limit, answer)


def _choose(hello: ClientHello, config: ServerConfig) -> CipherSuite:
    known = [config.suites[number] for number in hello.cipher_suites if number in config.suites]
    usable = [suite for suite in known if suite.psk or _signs_as_we_do(hello)]
    if usable:
        first = usable[0]
        # mbed TLS takes the hash of the suite for its signature too, whatever the server asked for, and sorts SHA-384 first.
        return next((suite for suite in usable if suite.psk == first.psk and suite.digest == "sha256"), first)
    names = ", ".join(f"{number:04x}" for number in hello.cipher_suites[:20])
    raise HandshakeError(AlertDescription.HANDSHAKE_FAILURE, FailureReason.NO_SHARED_CIPHER, f"offered: {names}")


def _signs_as_we_do(hello: ClientHello) -> bool:
    """P-256 and ECDSA with SHA-256; without a list of algorithms it would be SHA-1."""
    return _offers(hello, ExtensionType.SUPPORTED_GROUPS, SECP256R1, absent=True) and _offers(
        hello, ExtensionType.SIGNATURE_ALGORITHMS, ECDSA_SECP256R1_SHA256, absent=False
    )


def _offers(hello: ClientHello, extension: ExtensionType, value: int, *, absent: bool) -> bool:
    """Whether a list extension holds the value; ``absent`` when there is no such extension."""
    data = hello.extensions.get(extension)
    return absent if data is None else value in Reader(data).numbers()


def _connection_ids(offered: dict[int, bytes], config: ServerConfig) -> tuple[bytes, bytes, bool]:
    """Ours, the client's, and whether the draft's form is spoken. 54 comes first; 53 is never answered: its MAC differs."""
    for extension in (ExtensionType.CONNECTION_ID, ExtensionType.CONNECTION_ID_DRAFT):
        data = offered.get(extension)
        if data is None or not config.cid_length:
            continue
        reader = Reader(data)
        peer_cid = reader.vector(1)
        reader.end()
        if len(peer_cid) <= PEER_CID_LIMIT:
            return config.connection_ids.make(), peer_cid, extension == ExtensionType.CONNECTION_ID_DRAFT
    return b"", b"", False


def _fragment_limit(offered: dict[int, bytes], answer: dict[int, bytes]) -> int:
    """record_size_limit beats max_fragment_length (RFC 8449 section 5)."""
    data = offered.get(ExtensionType.RECORD_SIZE_LIMIT)
    if data is not None:
        limit = int.from_bytes(data, "big")
        if len(data) != 2 or limit < RECORD_SIZE_LEAST:
            raise HandshakeError(AlertDescription.ILLEGAL_PARAMETER, FailureReason.MALFORMED, "record_size_limit")
        answer[ExtensionType.RECORD_SIZE_LIMIT] = PLAINTEXT_LIMIT.to_bytes(2, "big")
        return min(limit, PLAINTEXT_LIMIT)
    data = offered.get(ExtensionType.MAX_FRAGMENT_LENGTH)
    if data is not None:
        if len(data) != 1 or data[0] not in MAX_FRAGMENT_LENGTHS:
            raise HandshakeError(AlertDescription.ILLEGAL_PARAMETER, FailureReason.MALFORMED, "max_fragment_length")
        answer[ExtensionType.MAX_FRAGMENT_LENGTH] = data
        return MAX_FRAGMENT_LENGTHS[data[0]]
    return PLAINTEXT_LIMIT
