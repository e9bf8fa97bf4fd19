"""Messages on their way out: confirmable ones until they are acknowledged (RFC 7252 section 4.2), the others at once.

Whoever has not proved to be where its datagrams come from gets no more than a multiple of the bytes it sent: an attacker who
writes a victim's address into its datagrams gains nothing (RFC 7252 section 11.3). Empty messages are too short to count.
"""

from __future__ import annotations

from collections.abc import Hashable

from lamplighter.coap.exchange import Delivery, Exchange
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Type
from lamplighter.coap.parameters import Parameters, Randomness
from lamplighter.coap.peers import Incoming, Peer, Transmission
from lamplighter.coap.timers import Timers

_CON, _RST = int(Type.CON), int(Type.RST)


class Sender:
    """``outgoing`` is what must leave now; ``timers`` say when to repeat."""

    def __init__(self, random: Randomness, parameters: Parameters) -> None:
        self.random = random
        self.parameters = parameters
        self.timers: Timers[Transmission | Exchange] = Timers()
        self.outgoing: list[tuple[bytes, Hashable]] = []
        self.withheld = 0  # datagrams not sent to peers that had no credit

    def send(self, record: Peer, data: bytes) -> None:
        """Put a datagram out, if the peer may have it."""
        if record.credit is not None:
            if len(data) > record.credit:
                self.withheld += 1
                return
            record.credit -= len(data)
        self.outgoing.append((data, record.address))

    def may_probe(self, record: Peer, now: float) -> bool:
        """Whether a message may go that need not be acknowledged: the peer spoke since the last, or time enough has passed."""
        return now >= record.quiet_until

    def probe(self, record: Peer, mid: int, data: bytes, owner: Exchange | Delivery, now: float) -> None:
        """Send without asking for an acknowledgement."""
        record.probe = mid, owner
        if not record.stream:
            record.quiet_until = now + len(data) / self.parameters.probing_rate
        self.send(record, data)

    def deliver(self, record: Peer, message: Message, delivery: Delivery, now: float) -> None:
        """Send an answer or notification that must be acknowledged."""
        message.type, message.mid = _CON, record.take_mid()
        self.confirmable(record, message.mid, message.encode(), delivery, self.parameters, now)

    def confirmable(
        self, record: Peer, mid: int, data: bytes, owner: Exchange | Delivery, parameters: Parameters, now: float
    ) -> None:
        """Send, and repeat after a time drawn as section 4.2 says."""
        least = parameters.ack_timeout
        timeout = least * (1 + self.random.random() * (parameters.ack_random_factor - 1))
        transmission = Transmission(record, mid, data, owner, timeout, parameters.max_retransmit)
        record.sent[mid] = transmission
        self.timers.arm(transmission, now + timeout)
        self.send(record, data)

    def repeat(self, transmission: Transmission, now: float) -> bool:
        """Send again after twice the time; False when it was the last time."""
        if not transmission.left:
            self.stop(transmission)
            return False
        transmission.left -= 1
        transmission.sent += 1
        transmission.timeout *= 2
        self.timers.arm(transmission, now + transmission.timeout)
        self.send(transmission.peer, transmission.data)
        return True

    def stop(self, transmission: Transmission) -> None:
        transmission.due = None
        transmission.peer.sent.pop(transmission.mid, None)

    def answer_empty(self, record: Peer, incoming: Incoming, type: int) -> None:
        """Acknowledge or reset a message received; a non-confirmable one is only ever reset."""
        incoming.answered = True
        if incoming.type == _CON:
            incoming.answer = self.empty(type, incoming.mid, record.address)
        elif type == _RST:
            self.empty(_RST, incoming.mid, record.address)

    def empty(self, type: int, mid: int, peer: Hashable) -> bytes:
        """Send an empty message and give its datagram."""
        data = bytes((0x40 | type << 4, 0, mid >> 8, mid & 0xFF))
        self.outgoing.append((data, peer))
        return data
