"""The numbers of DTLS 1.2, as the IANA registries name them (RFC 6347, RFC 5246 and their extensions)."""

from __future__ import annotations

from enum import IntEnum

DTLS_1_0 = 0xFEFF
DTLS_1_2 = 0xFEFD

EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
"""A cipher suite value that stands for an empty renegotiation_info (RFC 5746 section 3.3)."""

SECP256R1 = 23
ECDSA_SECP256R1_SHA256 = 0x0403
UNCOMPRESSED = 0
NAMED_CURVE = 3
ECDSA_SIGN = 64
"""The client certificate type that CertificateRequest asks for (RFC 8422 section 5.5)."""


class ContentType(IntEnum):
    """What a record carries (RFC 5246 section 6.2.1; 25 from RFC 9146 section 8)."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23
    TLS12_CID = 25


class HandshakeType(IntEnum):
    """Handshake messages (RFC 5246 section 7.4, RFC 6347 section 4.2.2)."""

    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_VERIFY_REQUEST = 3
    CERTIFICATE = 11
    SERVER_KEY_EXCHANGE = 12
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20


class ExtensionType(IntEnum):
    """Hello extensions this engine reads or writes."""

    MAX_FRAGMENT_LENGTH = 1  # RFC 6066
    SUPPORTED_GROUPS = 10  # RFC 8422
    EC_POINT_FORMATS = 11  # RFC 8422
    SIGNATURE_ALGORITHMS = 13  # RFC 5246
    EXTENDED_MASTER_SECRET = 23  # RFC 7627
    RECORD_SIZE_LIMIT = 28  # RFC 8449
    CONNECTION_ID = 54  # RFC 9146
    CONNECTION_ID_DRAFT = 254  # draft-ietf-tls-dtls-connection-id-05, as mbed TLS 2.28 numbers it
    RENEGOTIATION_INFO = 0xFF01  # RFC 5746


class AlertLevel(IntEnum):
    WARNING = 1
    FATAL = 2


class AlertDescription(IntEnum):
    """Alerts (RFC 5246 section 7.2; 115 from RFC 4279)."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    NO_RENEGOTIATION = 100
    UNSUPPORTED_EXTENSION = 110
    UNKNOWN_PSK_IDENTITY = 115


MAX_FRAGMENT_LENGTHS = {1: 512, 2: 1024, 3: 2048, 4: 4096}
"""Codes of max_fragment_length and the bytes they stand for (RFC 6066 section 4)."""
