"""Messages against the rules, as broken firmware sends them: nothing a server may fall over, or answer with harm."""

from __future__ import annotations

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from lamplighter.simulator.draws import Draws


class Mischief:
    """``draw`` gives the next datagram, from the seed."""

    def __init__(self, random: Draws) -> None:
        self._random = random

    def draw(self) -> bytes:
        kinds = (
            self._noise,
            self._cut_short,
            self._reserved_code,
            self._unknown_option,
            self._unasked_acknowledgement,
            self._unasked_notification,
            self._wild_block,
            self._broken_update,
            self._long_token,
        )
        return self._random.choice(kinds)()

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, 64))

    def _cut_short(self) -> bytes:
        whole = self._message(Code.POST, "rd").add(Option.URI_QUERY, "lt=60").encode()
        return whole[: self._random.randint(1, len(whole) - 1)]

    def _reserved_code(self) -> bytes:
        return self._message(1 << 5 | self._random.randrange(32), "rd").encode()

    def _unknown_option(self) -> bytes:
        return self._message(Code.GET, "rd").add(9_999, b"critical").encode()

    def _unasked_acknowledgement(self) -> bytes:
        return Message(Code.EMPTY, type=self._random.choice((Type.ACK, Type.RST)), mid=self._mid()).encode()

    def _unasked_notification(self) -> bytes:
        message = Message(Code.CONTENT, [], b"23.5", self._random.randbytes(2), Type.CON, self._mid())
        return message.add(Option.OBSERVE, 7).encode()

    def _wild_block(self) -> bytes:
        """The last block of a body whose first nobody sent."""
        return self._message(Code.POST, "dp", b"x" * 16).add(Option.BLOCK1, 1000 << 4).encode()

    def _broken_update(self) -> bytes:
        message = self._message(Code.POST, "rd", b'</3/0/0>;v="no end,')
        return message.add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT).encode()

    def _long_token(self) -> bytes:
        return bytes((0x4F, Code.GET)) + self._mid().to_bytes(2, "big") + self._random.randbytes(15)

    def _message(self, code: int, path: str, payload: bytes = b"") -> Message:
        return Message(code, path_options((path,)), payload, self._random.randbytes(4), Type.CON, self._mid())

    def _mid(self) -> int:
        return self._random.randrange(0x10000)
