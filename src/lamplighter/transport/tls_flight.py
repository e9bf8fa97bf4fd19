"""What a TLS 1.2 client says in the clear before its keys are in force: whether it offers the extended master secret, and
under which name it has a pre-shared key.

OpenSSL asks for the key in the middle of a call, and cannot wait for a database. So the client's bytes are looked at before
OpenSSL gets them, and held back at the ClientKeyExchange until the key is there. Nothing is decided here: OpenSSL reads the same
bytes itself, and a key is given out only for the very identity that OpenSSL names.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of handshake taken from a client, certificates included (gateway rule 2.10).
FLIGHT_LIMIT = 16 << 10
_HANDSHAKE, _CLIENT_HELLO, _CLIENT_KEY_EXCHANGE = 22, 1, 16
_EXTENDED_MASTER_SECRET = 23
_RECORD_HEAD, _MESSAGE_HEAD = 5, 4


class FlightTooLong(Exception):
    """More handshake than any honest client needs."""


@dataclass(frozen=True, slots=True)
class HelloSeen:
    """A ClientHello."""

    extended_master_secret: bool


@dataclass(frozen=True, slots=True)
class IdentitySeen:
    """A ClientKeyExchange that names a pre-shared key (RFC 4279 section 2)."""

    identity: bytes


Seen = HelloSeen | IdentitySeen


class ClientFlight:
    """Takes bytes with ``feed``; gives what is of interest in them. After the first ChangeCipherSpec it looks at nothing more."""

    def __init__(self) -> None:
        self._records = bytearray()
        self._messages = bytearray()
        self._length = 0
        self._over = False

    def feed(self, data: bytes) -> list[Seen]:
        """Raises FlightTooLong. What cannot be understood is left for OpenSSL to complain about."""
        if self._over:
            return []
        self._length += len(data)
        if self._length > FLIGHT_LIMIT:
            raise FlightTooLong(f"more than {FLIGHT_LIMIT} bytes of handshake")
        self._records += data
        records = self._records
        while len(records) >= _RECORD_HEAD:
            end = _RECORD_HEAD + int.from_bytes(records[3:5], "big")
            if records[0] != _HANDSHAKE:
                self._over = True
                break
            if len(records) < end:
                break
            self._messages += records[_RECORD_HEAD:end]
            del records[:end]
        return [seen for message in self._complete() if (seen := _look(message)) is not None]

    def _complete(self) -> list[bytes]:
        found = []
        messages = self._messages
        while len(messages) >= _MESSAGE_HEAD:
            end = _MESSAGE_HEAD + int.from_bytes(messages[1:4], "big")
            if len(messages) < end:
                break
            found.append(bytes(messages[:end]))
            del messages[:end]
        return found


def _look(message: bytes) -> Seen | None:
    body = message[_MESSAGE_HEAD:]
    if message[0] == _CLIENT_HELLO:
        return HelloSeen(_EXTENDED_MASTER_SECRET in _extensions(body))
    if message[0] == _CLIENT_KEY_EXCHANGE and len(body) > 2:
        length = int.from_bytes(body[:2], "big")
        # That of ECDHE begins with one byte of length, and a point.
        if length == len(body) - 2:
            return IdentitySeen(body[2:])
    return None


def _extensions(hello: bytes) -> set[int]:
    """The extensions of a ClientHello (RFC 5246 section 7.4.1.2); none for one that cannot be read."""
    place = 2 + 32
    for size in (1, 2, 1):  # session ID, cipher suites, compression methods
        place += size + int.from_bytes(hello[place : place + size], "big")
    place += 2
    found = set()
    while place + 4 <= len(hello):
        found.add(int.from_bytes(hello[place : place + 2], "big"))
        place += 4 + int.from_bytes(hello[place + 2 : place + 4], "big")
    return found
