"""The server's end of a WebSocket, and the ways to authenticate its handshake."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lamplighter.api.caller import CredentialKind, kind_of
from lamplighter.api.request import Request, Send

SOON, LATE = 0.005, 0.25
"""Seconds between two looks for a pong, at first and of a peer that takes its time."""


class Socket:
    """The server's end of a WebSocket, as a service sees it."""

    def __init__(self, request: Request, send: Send) -> None:
        self.authorization = credential_of_handshake(request)
        """The credential of the handshake, to be checked again while the socket is open."""
        self.close_code: int | None = None
        """With which the peer closed, once ``receive`` gave None; 1005 and 1006: it just went (RFC 6455 section 7.4.1)."""
        self._request = request
        self._send = send
        offered = request.scope.get("subprotocols") or []
        self._subprotocol = "wss" if "wss" in (each.strip() for each in offered) else None

    async def accept(self) -> None:
        await self._request.receive()
        headers = [(b"x-request-id", self._request.request_id.encode())]
        await self._send({"type": "websocket.accept", "subprotocol": self._subprotocol, "headers": headers})

    async def send(self, text: str) -> None:
        """Send one text frame. Raises ConnectionError when the peer has gone."""
        await self._send({"type": "websocket.send", "text": text})

    async def receive(self) -> str | bytes | None:
        """The next message of the peer; None when it has closed."""
        message = await self._request.receive()
        if message["type"] != "websocket.receive":
            self.close_code = message.get("code")
            return None
        text: str | bytes | None = message.get("text")
        return text if text is not None else message.get("bytes", b"")

    async def reached(self) -> bool:
        """Wait until the peer has answered a ping that left after all that was sent before this call: it has that now.

        False: the connection has ended. A peer that never answers is closed by the server's own time-out.

        ASGI has no pings, so this sends the server's own ahead of its time, and looks for the end of it.
        """
        server = getattr(self._send, "__self__", None)
        if not isinstance(server, WebSocketsSansIOProtocol):
            raise TypeError("whether a peer was reached is known of uvicorn's connections only")
        await _pong(server)  # one that is under way left too early
        if not _is_open(server):
            return False
        if server.ping_timer is not None:
            server.ping_timer.cancel()
        server.send_keepalive_ping()
        await _pong(server)
        return _is_open(server)

    async def close(self, code: int, reason: str = "") -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


async def _pong(server: WebSocketsSansIOProtocol) -> None:
    """Wait until the ping under way, if there is one, is answered or the connection has ended."""
    ping, delay = server.pending_ping_payload, SOON
    while ping is not None and server.pending_ping_payload == ping and _is_open(server):
        await asyncio.sleep(delay)
        delay = min(LATE, 2 * delay)


def _is_open(server: WebSocketsSansIOProtocol) -> bool:
    return not (server.disconnected or server.close_sent or server.transport.is_closing())


def credential_of_handshake(request: Request) -> str | None:
    """The Authorization header, or the key among the subprotocols as browsers must send it: ``pelion_<key>``."""
    header = request.header(b"authorization")
    if header is not None:
        return header
    for offered in request.scope.get("subprotocols") or []:
        if (text := offered.strip()).startswith("pelion_"):
            key = text.removeprefix("pelion_")
            return f"Bearer {key}" if kind_of(key) in CredentialKind else None
    return None
