"""Async responses and notifications as the contract draws them (AsyncIDResponse, NotificationData)."""

from __future__ import annotations

import base64
from enum import Enum
from typing import Any

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.services.connect.formats import media_type_of
from lamplighter.services.connect.resources import path_of

LONGEST_AGE = 3 * 86400
"""Seconds: the effective cap of ``max-age``."""


class Undelivered(Enum):
    """Why a command ended without the device; status and word of the contract."""

    EXPIRED = (429, "REQUEST_EXPIRED")
    REMOVED = (429, "DEVICE_REMOVED_REGISTRATION")
    BLOCKED = (429, "DEVICE_BLOCKED")
    UNKNOWN = (504, "TIMEOUT")


def status_of(code: int) -> int:
    """HTTP's status for a CoAP response code: 2.xx is 200, the others are class and detail.

    4.29 is 400: a 429 is always the server's own.
    """
    if code >> 5 == 2:
        return 200
    return 400 if code == Code.TOO_MANY_REQUESTS else (code >> 5) * 100 + (code & 31)


def answered(async_id: str, answer: Message, status: int | None = None) -> dict[str, Any]:
    """The device has answered. ``status`` stands in the place of the answer's own."""
    status = status_of(answer.code) if status is None else status
    # The payload of an error is a diagnostic text (RFC 7252 section 5.5.2), no representation.
    return {"id": async_id, "status": status, **_value(answer, answer.payload if status == 200 else b"")}


def failed(async_id: str, status: int, error: str | None) -> dict[str, Any]:
    """The device has not answered."""
    item: dict[str, Any] = {"id": async_id, "status": status}
    if error is not None:
        item["error"] = error
    return {**item, "payload": "", "ct": "", "max-age": "0"}


def given(async_id: str, payload: bytes, content_format: int, max_age: int = 0) -> dict[str, Any]:
    """The server knows the value already."""
    return {"id": async_id, "status": 200, **encoded(payload, content_format, max_age)}


def request_of(id_: str, method: str, uri: str) -> dict[str, str]:
    """What the event of a command's end says of the command."""
    return {"id": id_, "method": method, "path": path_of(uri.partition("?")[0])}


def notification(device_id: str, path: str, message: Message) -> dict[str, Any]:
    return {"ep": device_id, "path": path, **_value(message, message.payload)}


def encoded(payload: bytes, content_format: int | None, max_age: int) -> dict[str, str]:
    return {
        "payload": base64.b64encode(payload).decode(),
        "ct": media_type_of(content_format),
        "max-age": str(min(max_age, LONGEST_AGE)),
    }


def _value(message: Message, payload: bytes) -> dict[str, str]:
    return encoded(payload, message.content_format, message.max_age if payload else 0)
