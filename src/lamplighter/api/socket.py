"""The server's end of a WebSocket, and the ways to authenticate its handshake."""

from __future__ import annotations

from lamplighter.api.caller import CredentialKind, kind_of
from lamplighter.api.request import Request, Send


class Socket:
    """The server's end of a WebSocket, as a service sees it."""

    def __init__(self, request: Request, send: Send) -> None:
        self.authorization = credential_of_handshake(request)
        """The credential of the handshake, to be checked again while the socket is open."""
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
            return None
        text: str | bytes | None = message.get("text")
        return text if text is not None else message.get("bytes", b"")

    async def close(self, code: int, reason: str = "") -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


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
