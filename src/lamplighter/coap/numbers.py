"""The registries of CoAP: message types, codes, option numbers, content formats, signalling.

Sources: RFC 7252 section 12, RFC 7641, RFC 7959, RFC 8132, RFC 8323 section 5, RFC 8516, RFC 9175 and IANA's "CoRE
Parameters"; OMA LwM2M 1.0 to 1.2 for the content formats above 1541.
"""

from __future__ import annotations

from enum import IntEnum


class Type(IntEnum):
    """Message type, RFC 7252 section 3."""

    CON = 0  # must be acknowledged
    NON = 1  # never acknowledged
    ACK = 2
    RST = 3


def code(text: str) -> int:
    """``"4.04"`` as the number of one byte: three bits of class, five of detail."""
    class_, _, detail = text.partition(".")
    return int(class_) << 5 | int(detail)


class Code(IntEnum):
    """Method and response codes; 0.00 is the empty message."""

    EMPTY = 0
    GET = 1
    POST = 2
    PUT = 3
    DELETE = 4
    FETCH = 5  # RFC 8132
    PATCH = 6
    IPATCH = 7
    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F  # RFC 7959: send the next block
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88  # RFC 7959: blocks are missing
    CONFLICT = 0x89  # RFC 8132
    PRECONDITION_FAILED = 0x8C
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    UNPROCESSABLE_ENTITY = 0x96  # RFC 8132
    TOO_MANY_REQUESTS = 0x9D  # RFC 8516
    INTERNAL_SERVER_ERROR = 0xA0
    NOT_IMPLEMENTED = 0xA1
    BAD_GATEWAY = 0xA2
    SERVICE_UNAVAILABLE = 0xA3
    GATEWAY_TIMEOUT = 0xA4
    PROXYING_NOT_SUPPORTED = 0xA5


class Signal(IntEnum):
    """Signalling codes of reliable transports, RFC 8323 section 5."""

    CSM = 0xE1  # capabilities and settings
    PING = 0xE2
    PONG = 0xE3
    RELEASE = 0xE4
    ABORT = 0xE5


class SignalOption(IntEnum):
    """Options of signalling messages; a number means something only together with its code (RFC 8323 section 5)."""

    MAX_MESSAGE_SIZE = 2  # CSM
    BLOCK_WISE_TRANSFER = 4  # CSM
    CUSTODY = 2  # PING and PONG
    ALTERNATIVE_ADDRESS = 2  # RELEASE
    HOLD_OFF = 4  # RELEASE, seconds
    BAD_CSM_OPTION = 2  # ABORT


class Option(IntEnum):
    """Option numbers. An odd number is critical: who does not know it must refuse the message (RFC 7252 section 5.4.1)."""

    IF_MATCH = 1
    URI_HOST = 3
    ETAG = 4
    IF_NONE_MATCH = 5
    OBSERVE = 6
    URI_PORT = 7
    LOCATION_PATH = 8
    OSCORE = 9
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    HOP_LIMIT = 16
    ACCEPT = 17
    LOCATION_QUERY = 20
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60
    ECHO = 252
    NO_RESPONSE = 258
    REQUEST_TAG = 292


#: The critical options that this engine or the layers above it understand, with the lengths a value may have (RFC 7252 table
#: 4, RFC 7959 table 1). A request with another option or length is answered 4.02. If-Match and If-None-Match are not among
#: them: no resource of ours is conditional, and who ignores a condition does what was not asked for.
UNDERSTOOD_CRITICAL = {
    Option.URI_HOST: (1, 255),
    Option.URI_PORT: (0, 2),
    Option.URI_PATH: (0, 255),
    Option.URI_QUERY: (0, 255),
    Option.ACCEPT: (0, 2),
    Option.BLOCK2: (0, 3),
    Option.BLOCK1: (0, 3),
    Option.PROXY_URI: (1, 1034),
    Option.PROXY_SCHEME: (1, 255),
}

#: Options that may come more than once; another one that does is unknown from the second on (RFC 7252 section 5.4.5).
REPEATABLE = frozenset(
    {Option.IF_MATCH, Option.ETAG, Option.LOCATION_PATH, Option.URI_PATH, Option.URI_QUERY, Option.LOCATION_QUERY}
    | {Option.REQUEST_TAG}
)


class ContentFormat(IntEnum):
    """Content-Format and Accept values."""

    TEXT = 0
    LINK_FORMAT = 40
    XML = 41
    OCTET_STREAM = 42
    JSON = 50
    CBOR = 60
    LWM2M_TLV_VENDOR = 99  # the Mbed device client's early TLV number
    SENML_JSON = 110
    SENML_CBOR = 112
    SENML_ETCH_JSON = 320
    SENML_ETCH_CBOR = 322
    LWM2M_TEXT_OLD = 1541  # numbers of the LwM2M 1.0 candidate
    LWM2M_TLV_OLD = 1542
    LWM2M_JSON_OLD = 1543
    LWM2M_OPAQUE_OLD = 1544
    LWM2M_TLV = 11542
    LWM2M_JSON = 11543
    LWM2M_CBOR = 11544  # LwM2M 1.2: never for a 1.0 or 1.1 client


def format_code(value: int) -> str:
    """``132`` as ``4.04``."""
    return f"{value >> 5}.{value & 31:02}"


def is_request(value: int) -> bool:
    """Class 0 without the empty message."""
    return 0 < value < 32


def is_response(value: int) -> bool:
    """Classes 2, 4 and 5."""
    return 64 <= value < 192


def is_success(value: int) -> bool:
    """Class 2."""
    return 64 <= value < 96
