"""One HTTP/1.1 connection: uvicorn's, with bounds on what a stranger may send and our answers to what cannot be parsed."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from lamplighter.errors import Error, requests

HEAD_LIMIT = 64 * 1024
"""Bytes of request line and headers. nginx takes 32 KiB, Apache 8 KiB a line: filters of a thousand ids need more."""

SLOWEST = 16 * 1024
"""Bytes a second that a body must arrive at, on top of the time for the head."""


class Refuse(Protocol):
    """Makes the answer for what never became a request."""

    def __call__(self, error: Error, address: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]: ...


class HttpConnection(HttpToolsProtocol):
    """uvicorn's connection with a deadline for each request and a limit for its head.

    Content-Length beside Transfer-Encoding, bare line feeds, doubled or malformed lengths are refused by the parser
    (llhttp in its strict mode), so that no proxy and we can disagree about where a request ends.
    """

    def __init__(self, refuse: Refuse, timeout: float, config: Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._refuse = refuse
        self._timeout = timeout
        self._deadline: float | None = None
        """When the request under way must have come, in the loop's seconds."""
        self._timer: asyncio.TimerHandle | None = None
        self._chunk = 0
        self._before = 0
        """Bytes that came with the end of the last request: part of the next head may be among them."""
        self._head = 0
        self._in_head = True
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm(self._timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._in_head:
            if self._deadline is None:
                self._arm(self._timeout)
            self._head += len(data)
        self._chunk = len(data)
        super().data_received(data)
        if self._in_head and self._head > HEAD_LIMIT and not self._refused:
            self.refuse(requests.HeadTooLarge(limit=HEAD_LIMIT))

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._before + self._head > HEAD_LIMIT and self._head_size() > HEAD_LIMIT:
            self.refuse(requests.HeadTooLarge(limit=HEAD_LIMIT))
            return
        super().on_headers_complete()
        self._arm(self._timeout + self._body_size() / SLOWEST)

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._disarm()
        self._head = 0
        self._before = self._chunk
        self._in_head = True
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._disarm()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self.refuse(requests.MalformedHttp())

    def refuse(self, error: Error) -> None:
        """Answer what cannot become a request, and close."""
        self._disarm()
        if self._refused or self.transport is None or self.transport.is_closing():
            return
        self._refused = True
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            status, headers, body = self._refuse(error, self.client[0] if self.client else "")
            lines = [STATUS_LINE[status], *(name + b": " + value + b"\r\n" for name, value in headers)]
            lines += [b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body), body]
            self.transport.write(b"".join(lines))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _head_size(self) -> int:
        return sum(len(name) + len(value) for name, value in self.headers) + len(self.url)

    def _body_size(self) -> int:
        """The size that the head says the body has; 0 when it says none."""
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0

    def _arm(self, seconds: float) -> None:
        """Set the deadline. One timer serves all requests of the connection: it looks again when it was too early."""
        self._deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._look)

    def _disarm(self) -> None:
        self._deadline = None

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._look)
        else:
            self._too_slow()

    def _too_slow(self) -> None:
        if self._head == 0 and self._in_head:  # nothing was ever asked: no answer is owed
            self.transport.close()
        else:
            self.refuse(requests.RequestNotFinished(seconds=self._timeout))


def configuration(app: Any) -> Config:
    """uvicorn's settings for these connections; its logging, life span and headers are ours."""
    config = Config(
        app,
        http=HttpConnection,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        ws_max_size=64 * 1024,
        ws_ping_interval=30.0,
        ws_ping_timeout=30.0,
    )
    config.load()
    return config
