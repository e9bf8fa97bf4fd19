"""What the endpoint remembers of each peer, and how much of it in all.

Two directions never meet: ``received`` is keyed by the message IDs the peer chose, ``sent`` by ours. The vendor's client
answers our request 1051 with its own confirmable message 1051, and both are right (RFC 7252 section 4.4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from itertools import islice

from lamplighter.coap.blockwise import BERT, OVERHEAD, Block, szx_for
from lamplighter.coap.exchange import Delivery, Exchange
from lamplighter.coap.limits import Limits, NetworkOf, Quota
from lamplighter.coap.observe import Observation
from lamplighter.coap.parameters import Randomness

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
        "credit",
        "exchanges",
        "max_message",
        "max_szx",
        "network",
        "next_mid",
        "observations",
        "outstanding",
        "probe",
        "quiet_until",
        "received",
        "room",
        "seen",
        "sent",
        "stream",
        "szx",
        "waiting",
    )

    def __init__(self, address: Hashable, network: Hashable, mid: int, now: float) -> None:
        self.address = address
        self.network = network
        self.next_mid = mid
        self.max_message = 0  # bytes of the largest datagram it takes
        self.max_szx = 0
        self.szx = 0  # the peer's own block size, as far as it has shown it
        self.room = 0  # bytes of a body that goes in one message where that is more than a block: over a stream
        self.stream = False  # whether the transport below keeps order and loses nothing (RFC 8323 section 7)
        self.credit: int | None = None  # bytes that may be sent until it proves to be where it says; None: it has
        self.probe: tuple[int, Exchange | Delivery] | None = None  # the last non-confirmable message: it may be reset
        self.quiet_until = float("-inf")  # when another non-confirmable message may go, if the peer stays silent
        self.seen = now
        self.received: dict[int, Incoming] = {}
        self.sent: dict[int, Transmission] = {}
        self.exchanges: dict[bytes, Exchange] = {}  # by the token now on the wire
        self.observations: dict[bytes, Observation] = {}
        self.waiting: deque[Exchange] | None = None  # for their turn (NSTART)
        self.outstanding = 0

    def limit(self, max_message: int, szx: int, *, room: int = 0) -> None:
        """What one message may be at most, and the block size to begin with."""
        self.max_message = max_message
        self.max_szx = BERT if szx == BERT else szx_for(max_message - OVERHEAD)
        self.szx = min(szx, self.max_szx)
        self.room = room

    @property
    def whole(self) -> int:
        """Bytes of the largest body that goes in one message."""
        return max(self.room, 16 << min(self.szx, 6))

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

    def __init__(
        self,
        random: Randomness,
        lifetime: float,
        *,
        introduce: Callable[[Peer], None],
        network_of: NetworkOf,
        limits: Limits,
    ) -> None:
        """``introduce`` is called with each new record: it says what is known of that peer."""
        self._random = random
        self._lifetime = lifetime
        self._introduce = introduce
        self._network_of = network_of
        self._limits = limits
        self._quota = Quota(limits.messages)
        self._observations = Quota(limits.observations)
        self.all: dict[Hashable, Peer] = {}
        self._active: dict[Hashable, Peer] = {}

    @property
    def remembered(self) -> int:
        """Messages in all ``received``."""
        return self._quota.used

    def __len__(self) -> int:
        return len(self.all)

    def get(self, address: Hashable) -> Peer | None:
        return self.all.get(address)

    def touch(self, address: Hashable, now: float) -> Peer:
        """The peer's record, made when there is none, noted as in use."""
        peer = self.all.get(address)
        if peer is None:
            peer = self.all[address] = Peer(address, self._network_of(address), self._random.getrandbits(16), now)
            self._introduce(peer)
            self._active[address] = peer
        elif now - peer.seen > COARSE_SECONDS:
            peer.seen = now
            self._active.pop(address, None)
            self._active[address] = peer
        return peer

    def remember(self, peer: Peer, incoming: Incoming) -> bool:
        """Keep a message against repetition; the peer's own oldest, then the longest silent peer's, make room.

        False when its network has too many: the message must not be served, or a repetition of it would be served again.
        """
        received = peer.received
        if incoming.mid in received:
            del received[incoming.mid]  # of another request long ago: the new one is the youngest
        elif len(received) >= self._limits.messages_per_peer:
            del received[next(iter(received))]
        elif not self._quota.take(peer.network):
            if not self._quota.is_full:
                return False
            self._make_room(peer)
            if not self._quota.take(peer.network):
                return False
        received[incoming.mid] = incoming
        return True

    def unremember(self, peer: Peer, mid: int) -> None:
        if peer.received.pop(mid, None) is not None:
            self._quota.give_back(peer.network)

    def forget(self, address: Hashable) -> Peer | None:
        peer = self.all.pop(address, None)
        if peer is not None:
            self._active.pop(address, None)
            self._drop_received(peer)
            self.drop_observations(peer)
        return peer

    def observe(self, peer: Peer, observation: Observation) -> bool:
        """Keep an observation, in the place of one with the same token; False when there is no room."""
        if observation.token not in peer.observations:
            if len(peer.observations) >= self._limits.observations_per_peer or not self._observations.take(
                peer.network
            ):
                return False
        peer.observations[observation.token] = observation
        return True

    def drop_observation(self, peer: Peer, token: bytes) -> Observation | None:
        observation = peer.observations.pop(token, None)
        if observation is not None:
            self._observations.give_back(peer.network)
        return observation

    def drop_observations(self, peer: Peer) -> None:
        self._observations.give_back(peer.network, len(peer.observations))
        peer.observations.clear()

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

    def _make_room(self, but: Peer) -> None:
        """What the longest silent peers sent is forgotten, until something was."""
        used = self._quota.used
        for address in list(islice(self._active, _SWEEP)):
            if self._quota.used < used:
                return
            if address != but.address:
                self._clear(address)

    def _drop_received(self, peer: Peer) -> None:
        self._quota.give_back(peer.network, len(peer.received))
        peer.received.clear()

    def _clear(self, address: Hashable) -> None:
        peer = self._active.pop(address)
        self._drop_received(peer)
        if peer.is_bare:
            del self.all[address]
        else:
            # Looked at again only after it has been used: touch() puts it back.
            peer.seen = float("-inf")
