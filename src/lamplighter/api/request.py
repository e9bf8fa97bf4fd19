"""An incoming HTTP request, as read from its ASGI scope."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from lamplighter.api.caller import Caller
from lamplighter.api.operation import Operation

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_UNCLEAN = re.compile(r"[^\x21-\x7e]")


class Request:
    """The parts that checks and operations look at."""

    __slots__ = (
        "address",
        "caller",
        "details",
        "headers",
        "method",
        "operation",
        "provoked",
        "query",
        "raw_path",
        "receive",
        "request_id",
        "scheme",
        "scope",
        "time",
    )

    def __init__(self, scope: Scope, receive: Receive, request_id: str, time: int) -> None:
        self.scope = scope
        self.receive = receive
        self.request_id = request_id
        self.time = time
        self.method: str = scope.get("method", "GET")
        raw = scope.get("raw_path") or scope["path"].encode()
        self.raw_path: str = raw.decode("latin-1").partition("?")[0]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])  # of doubled headers the last counts
        self.scheme: str = scope["scheme"]
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        # What the checks find out on their way, for the log and the kept errors.
        self.operation: Operation | None = None
        self.caller: Caller | None = None
        self.details: dict[str, Any] = {}
        self.provoked = False

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None

    @property
    def client_request_id(self) -> str | None:
        """The client's own X-Request-ID, bounded and cleaned: kept beside ours, never used as ours."""
        value = self.header(b"x-request-id")
        return _UNCLEAN.sub("", value)[:128] or None if value else None

    @property
    def content_type(self) -> str:
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()


_CREDENTIAL = re.compile(r"(ak_[12]|rt_)[A-Za-z0-9+/_=~.-]{20,}")


def shown(text: str) -> str:
    """Text of the client's as it may stand in a message or a log: printable, bounded, and without a key put there by mistake."""
    text = text[:400]
    if not text.isprintable():
        text = "".join([each if each.isprintable() else "?" for each in text])
    return _CREDENTIAL.sub("[hidden]", text)[:200]
