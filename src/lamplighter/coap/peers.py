"""What the endpoint remembers of each peer, and how much of it in all.

Two directions never meet: ``received`` is keyed by the message IDs the peer chose, ``sent`` by ours. The vendor's client
answers our request 1051 with its own confirmable message 1051, and both are right (RFC 7252 section 4.4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from random import Random

from lamplighter.coap.blockwise import Block
from lamplighter.coap.exchange import Delivery, Exchange
from lamplighter.coap.observe import Observation

#: The order of peers by last use is kept to this many seconds, so that a busy peer is not moved for each message.
COARSE_SECONDS = 10.0
#: Peers looked at in one sweep: a tick stays far below 5 ms.
_SWEEP = 500


class Incoming:
    """One message received, remembered against its repetition (RFC 7252 section 4.5)."""

    __slots__ = ("acknowledged", "answer", "answered", "block1", "block2", "expires", "mid", "token", "type")

    def __init__(self, type: int, mid: int, token: bytes, expires: float) -> None:
        self.type = type
        self.mid = mid
        self.token = token
        self.expires = expires
        self.answer: bytes | None = None  # the datagram that a repetition gets; None: still being worked on
        self.acknowledged = False  # by an empty ACK: the answer comes separately
        self.answered = False
        self.block1: Block | None = None  # of the last block of the request's body, repeated in the answer
        self.block2: Block | None = None  # the part of the answer that is asked for


class Transmission:
    """A confirmable message under way, until it is acknowledged."""

    __slots__ = ("data", "due", "left", "mid", "owner", "peer", "sent", "timeout")

    def __init__(
        self, peer: Peer, mid: int, data: bytes, owner: Exchange | Delivery, timeout: float, retransmissions: int
    ) -> None:
        self.peer = peer
        self.mid = mid
        self.data = data
        self.owner = owner
        self.timeout = timeout  # seconds until the next repetition
        self.left = retransmissions
        self.sent = 0  # repetitions so far
        self.due: float | None = None


class Peer:
    """One peer, whatever identifies it: an address, a session."""

    __slots__ = (
        "address",
        "exchanges",
        "next_mid",
        "observations",
        "outstanding",
        "received",
        "seen",
        "sent",
        "szx",
        "waiting",
    )

    def __init__(self, address: Hashable, mid: int, szx: int, now: float) -> None:
        self.address = address
        self.next_mid = mid
        self.szx = szx  # the peer's own block size, as far as it has shown it
        self.seen = now
        self.received: dict[int, Incoming] = {}
        self.sent: dict[int, Transmission] = {}
        self.exchanges: dict[bytes, Exchange] = {}  # by the token now on the wire
        self.observations: dict[bytes, Observation] = {}
        self.waiting: deque[Exchange] | None = None  # for their turn (NSTART)
        self.outstanding = 0

    def take_mid(self) -> int:
        """A message ID that is not under way (RFC 7252 section 4.4)."""
        mid = self.next_mid
        while mid in self.sent:
            mid = (mid + 1) & 0xFFFF
        self.next_mid = (mid + 1) & 0xFFFF
        return mid

    @property
    def is_bare(self) -> bool:
        """Nothing is kept but what a fresh record would have."""
        return not (self.received or self.sent or self.exchanges or self.observations or self.waiting)


class Peers:
    """All peers; those heard of lately are also in an order of last use, for clearing."""

    def __init__(self, random: Random, lifetime: float, szx: int, *, per_peer: int, total: int) -> None:
        self._random = random
        self._lifetime = lifetime
        self._szx = szx
        self._per_peer = per_peer
        self._total = total
        self.all: dict[Hashable, Peer] = {}
        self._active: dict[Hashable, Peer] = {}
        self.remembered = 0  # messages in all ``received``

    def __len__(self) -> int:
        return len(self.all)

    def get(self, address: Hashable) -> Peer | None:
        return self.all.get(address)

    def touch(self, address: Hashable, now: float) -> Peer:
        """The peer's record, made when there is none, noted as in use."""
        peer = self.all.get(address)
        if peer is None:
            peer = self.all[address] = Peer(address, self._random.getrandbits(16), self._szx, now)
            self._active[address] = peer
        elif now - peer.seen > COARSE_SECONDS:
            peer.seen = now
            self._active.pop(address, None)
            self._active[address] = peer
        return peer

    def remember(self, peer: Peer, incoming: Incoming) -> None:
        """Keep a message against repetition; the peer's oldest, then the longest silent peer's, make room."""
        received = peer.received
        size = len(received)
        received[incoming.mid] = incoming
        if len(received) == size:
            return
        if size >= self._per_peer:
            del received[next(iter(received))]
            return
        self.remembered += 1
        if self.remembered > self._total:
            self._make_room()

    def unremember(self, peer: Peer, mid: int) -> None:
        if peer.received.pop(mid, None) is not None:
            self.remembered -= 1

    def forget(self, address: Hashable) -> Peer | None:
        peer = self.all.pop(address, None)
        if peer is not None:
            self._active.pop(address, None)
            self.remembered -= len(peer.received)
            peer.received.clear()
        return peer

    def next_sweep(self) -> float | None:
        """When the longest silent peer's messages need no longer be remembered."""
        for peer in self._active.values():
            return peer.seen + self._lifetime + COARSE_SECONDS
        return None

    def sweep(self, now: float) -> None:
        """Clear peers that have been silent for the lifetime of an exchange, some at a time."""
        for _ in range(_SWEEP):
            when = self.next_sweep()
            if when is None or when > now:
                return
            self._clear(next(iter(self._active)))

    def _make_room(self) -> None:
        while self.remembered > self._total and self._active:
            self._clear(next(iter(self._active)))

    def _clear(self, address: Hashable) -> None:
        peer = self._active.pop(address)
        self.remembered -= len(peer.received)
        peer.received.clear()
        if peer.is_bare:
            del self.all[address]
        else:
            # Looked at again only after it has been used: touch() puts it back.
            peer.seen = float("-inf")
