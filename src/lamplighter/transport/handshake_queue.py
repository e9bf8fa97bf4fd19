"""Datagrams of handshakes wait while many arrive, so that records of sessions do not: who is connected keeps its pace.

What goes on with a handshake comes before what begins one: a storm of beginners must not keep any from finishing. A device
sends its ClientHello again after a second or more (RFC 6347 section 4.2.4); one that waited longer is not worth an answer.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

_CHANGE_CIPHER_SPEC, _HANDSHAKE = b"\x14", b"\x16"
_CLIENT_HELLO = 1
_MESSAGE_TYPE = 13
"""Where the type of the first handshake message is in a datagram: behind the header of the record."""
LONGEST = 1000
"""Datagrams that wait, of either kind."""
STALE = 2.0
"""Seconds after which a ClientHello that waited is dropped (gateway rule 2.3)."""


class HandshakeQueue:
    """``dropped``: datagrams that were given up."""

    def __init__(self) -> None:
        self.dropped = 0
        self._hellos: deque[tuple[bytes, Any, float]] = deque()
        self._flights: deque[tuple[bytes, Any]] = deque()
        self._waiting: Counter[Any] = Counter()
        """Addresses of flights: what else comes from there must not overtake them."""

    def __len__(self) -> int:
        return len(self._hellos) + len(self._flights)

    def wants(self, data: bytes, address: Any) -> bool:
        """Whether a datagram belongs here, or comes behind one that does."""
        return is_handshake(data) or address in self._waiting

    def add(self, data: bytes, address: Any, now: float) -> None:
        """Keep a datagram; above the limit it is dropped, as the network would."""
        begins = data[:1] == _HANDSHAKE and len(data) > _MESSAGE_TYPE and data[_MESSAGE_TYPE] == _CLIENT_HELLO
        if begins and len(self._hellos) < LONGEST:
            self._hellos.append((data, address, now))
        elif not begins and len(self._flights) < LONGEST:
            self._flights.append((data, address))
            self._waiting[address] += 1
        else:
            self.dropped += 1

    def pop(self, now: float) -> tuple[bytes, Any] | None:
        """The next datagram and where it is from; None when nothing waits."""
        if self._flights:
            data, address = self._flights.popleft()
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]
            return data, address
        while self._hellos:
            data, address, since = self._hellos.popleft()
            if now - since <= STALE:
                return data, address
            self.dropped += 1
        return None


def is_handshake(data: bytes) -> bool:
    """Whether a datagram begins with a record of a handshake."""
    return data[:1] in (_CHANGE_CIPHER_SPEC, _HANDSHAKE)
