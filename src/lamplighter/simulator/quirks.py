"""What the vendor's client does to CoAP, datagram by datagram: wire facts section 1."""

from __future__ import annotations

from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import Code, Option, Type

#: The largest payload taken in one message: Block1 0/1/512 asks for less.
BLOCK_SIZE = 512
_HINT = 5 | 8
_ACK_HEAD = bytes((0x40 | Type.ACK << 4, 0))
#: Content-Format 0, left over in a header that was zeroed.
_OPTION_BYTE = b"\xc0"


class Quirks:
    """Between the endpoint and the session. ``block_size`` None: bodies of any size are taken."""

    def __init__(self, *, block_size: int | None = BLOCK_SIZE) -> None:
        self._block_size = block_size
        self._posts: dict[bytes, int] = {}
        self._borrowed: dict[int, int] = {}

    def separate(self, request: Message) -> None:
        """The response to this request goes out with the request's own Message ID, as a message of the client's."""
        self._posts[request.token] = request.mid

    def outgoing(self, data: bytes) -> bytes:
        if len(data) == 4 and data[:2] == _ACK_HEAD:
            return data + _OPTION_BYTE
        if self._posts and data[0] & 0x30 == 0 and data[1] >= 0x40:
            mid = self._posts.get(data[4 : 4 + (data[0] & 15)])
            if mid is not None:
                self._borrowed[mid] = int.from_bytes(data[2:4], "big")
                return data[:2] + mid.to_bytes(2, "big") + data[4:]
        return data

    def incoming(self, data: bytes) -> tuple[bytes | None, bytes | None]:
        """What the endpoint sees, and what is answered at once."""
        if len(data) >= 4 and data[0] & 0x20 and self._borrowed:
            borrowed = int.from_bytes(data[2:4], "big")
            own = self._borrowed.pop(borrowed, None)
            if own is not None:
                self._posts = {token: mid for token, mid in self._posts.items() if mid != borrowed}
                return data[:2] + own.to_bytes(2, "big") + data[4:], None
        if self._block_size is not None and len(data) > self._block_size:
            hint = self._too_large(data, self._block_size)
            if hint is not None:
                return None, hint
        return data, None

    def clear(self) -> None:
        """A restart: nothing is known of any message."""
        self._posts.clear()
        self._borrowed.clear()

    def _too_large(self, data: bytes, most: int) -> bytes | None:
        try:
            message = decode(data)
        except FormatError:
            return None
        if not 0 < message.code < 0x20 or message.type != Type.CON or len(message.payload) <= most:
            return None
        answer = Message(Code.REQUEST_ENTITY_TOO_LARGE, [], b"", message.token, Type.ACK, message.mid)
        return answer.add(Option.BLOCK1, _HINT).encode()
