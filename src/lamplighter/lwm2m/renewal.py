"""Object 35011 of the vendor's client, by which a server has it renew a certificate (wire facts section 2.4).

``POST /35011/0/27002`` carries the certificate's name in elements of type, length (two bytes each) and value. Its answer comes
when the device is done: a number as text. Names and numbers are those of the client's certificate-enrollment-client.
"""

from __future__ import annotations

from enum import IntEnum

from lamplighter.lwm2m.path import Path

RENEWAL = Path(35011, 0, 27002)
NAME = 1
OPTIONAL = 0x8000
"""Added to the type of an element that may be passed over."""


class RenewalStatus(IntEnum):
    """How a renewal ended."""

    SUCCESS = 0
    ERROR = 0x500
    INVALID_PARAMETER = 0x501
    INSUFFICIENT_BUFFER = 0x502
    OUT_OF_MEMORY = 0x503
    ITEM_NOT_FOUND = 0x504
    DEVICE_BUSY = 0x505
    BAD_INPUT_FROM_SERVER = 0x506
    EST_ERROR = 0x507
    STORAGE_ERROR = 0x508
    RENEWAL_ITEM_VALIDATION_ERROR = 0x509
    BACKUP_ITEM_ERROR = 0x50A
    ORIGINAL_ITEM_ERROR = 0x50B
    RESTORE_BACKUP_ERROR = 0x50C
    RENEWAL_STATUS_ERROR = 0x50D
    FORBIDDEN_REQUEST = 0x50E
    ITEM_IS_EMPTY = 0x50F
    NOT_INITIALIZED = 0x510
    INIT_FAILED = 0x511


def renewal_payload(certificate_name: str) -> bytes:
    """What asks for the renewal of that certificate."""
    value = certificate_name.encode() + b"\0"
    return NAME.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def renewal_status(payload: bytes) -> int | None:
    """The number that the device answered; None: it is none."""
    text = payload.decode("latin-1").strip("\0 ")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
