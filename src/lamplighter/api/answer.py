"""From a value or an error to the status, headers and body of an HTTP answer."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from lamplighter.api.operation import Answer, Operation
from lamplighter.api.stream import Stream
from lamplighter.errors import Error

Header = tuple[bytes, bytes]

_ENCODER = msgspec.json.Encoder()
JSON_TYPE: Header = (b"content-type", b"application/json")
_PROBLEM_TYPE: Header = (b"content-type", b"application/problem+json")
_TEXT_TYPE: Header = (b"content-type", b"text/plain; charset=utf-8")
PROBLEM = "application/problem+json"
_PASSING: tuple[Header, ...] = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))
"""What goes on is for now: nobody keeps it, and nginx passes on each piece as it comes (proxy_buffering)."""


def encode(value: Any, operation: Operation) -> tuple[int, list[Header], bytes | Stream]:
    """What a handler returned: nothing, an Answer, a Stream, or a value for JSON."""
    if value is None:
        return operation.status, [], b""
    if isinstance(value, (Answer, Stream)):
        headers = [(name.lower().encode(), text.encode("latin-1")) for name, text in value.headers.items()]
        if isinstance(value, Stream):
            return operation.status, [(b"content-type", value.media_type.encode()), *_PASSING, *headers], value
        if value.body or value.media_type != "application/json":
            headers.append((b"content-type", value.media_type.encode()))
        return value.status or operation.status, headers, value.body
    return operation.status, [JSON_TYPE], _ENCODER.encode(value)


def encode_error(
    error: Error, request_id: str, operation: Operation | None, accept: str | None
) -> tuple[int, list[Header], bytes]:
    """An error as the API documents it: the JSON object, a /v2 word, or problem details where the client asks for them."""
    headers: list[Header] = [
        (b"link", b"</docs/errors#" + error.name.encode() + b'>; rel="help"'),
        *((name.lower().encode(), text.encode("latin-1", "replace")) for name, text in error.headers.items()),
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after))).encode()))
    word = plain_word(error, operation)
    if word is not None:
        return error.status, [_TEXT_TYPE, *headers], word.encode()
    fields = [{"name": fault.name, "message": fault.message} for fault in error.fields]
    if accept is not None and PROBLEM in accept:
        body = {
            "type": f"/docs/errors#{error.name}",
            "title": (type(error).__doc__ or "").strip().partition("\n")[0],
            "status": error.status,
            "detail": error.public_message,
            "instance": f"/v3/errors/{request_id}",
            "error_type": error.type,
            "fields": fields,
            "request_id": request_id,
        }
        return error.status, [_PROBLEM_TYPE, *headers], _ENCODER.encode(body)
    body = {
        "object": "error",
        "code": error.status,
        "type": error.type,
        "message": error.public_message,
        "fields": fields,
        "request_id": request_id,
    }
    return error.status, [JSON_TYPE, *headers], _ENCODER.encode(body)


def plain_word(error: Error, operation: Operation | None) -> str | None:
    """The bare word of a /v2 operation for this error, where its contract has one.

    Faulty parameters answer their words joined by commas when each of them has one; otherwise the JSON object.
    """
    if operation is None or not operation.words:
        return None
    if error.fields and operation.fault_words:
        words = [operation.fault_words.get(fault.name.partition(".")[0]) for fault in error.fields]
        return ",".join(dict.fromkeys(word for word in words if word)) if all(words) else None
    return error.plain_word if error.plain_word in operation.words and not error.fields else None
