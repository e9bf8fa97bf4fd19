"""A CoAP endpoint for many peers, both roles at once, without I/O: RFC 7252 section 4 and 5, RFC 7641, RFC 7959.

The face is aioquic's: datagrams and the time go in, datagrams and events come out. Use::

    endpoint.receive_datagram(data, peer, now)
    while (event := endpoint.next_event()) is not None: ...   # respond(), accept_notification(), ...
    for data, peer in endpoint.datagrams_to_send(now): ...
    endpoint.get_timer()                                      # when to call handle_timer()

A peer is anything hashable. ``now`` is seconds of any clock that never goes back. The halves
are ``responder`` (server) and ``requester`` (client); both send through ``sender`` and know peers from ``peers``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from lamplighter.coap.blockwise import MAX_BODY, Downloads, Shelf, Uploads, szx_for
from lamplighter.coap.events import AnswerSent, Event, NotificationReceived, RequestReceived
from lamplighter.coap.exchange import Delivery, Exchange, Failure
from lamplighter.coap.limits import Limits, NetworkOf, Quota, no_network
from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import Code, Type
from lamplighter.coap.observe import Observation
from lamplighter.coap.parameters import Parameters, Randomness
from lamplighter.coap.peers import COARSE_SECONDS, Incoming, Peer, Peers
from lamplighter.coap.refusals import Refusal, Refusals
from lamplighter.coap.requester import TOKEN_LENGTH, Requester, TooManyRequests
from lamplighter.coap.responder import Responder
from lamplighter.coap.sender import Sender

#: The longest datagram a peer takes, in bytes, where nothing else is known (RFC 7252 section 4.6; the vendor's client's buffer).
MAX_MESSAGE = 1152
#: Bytes that a peer without a session may be sent for each byte it sent, until it has answered a message of ours.
AMPLIFICATION = 3
#: Block size taken for a peer that has not shown its own: the vendor's client takes 512 bytes.
DEFAULT_BLOCK_SIZE = 512

_CON, _ACK, _RST = int(Type.CON), int(Type.ACK), int(Type.RST)
_SILENT = float("-inf")


class Endpoint:
    """Not safe for several threads: one endpoint belongs to one loop.

    ``first_token``: where the 48-bit counter of tokens begins. Tokens must not repeat within a session (RFC 9175 section 4.2),
    so whoever lets sessions outlive the process hands in a number above all given before, an incarnation in the upper bits.
    ``max_message``: bytes of the longest datagram a peer takes, asked once for each new peer.
    ``verified``: whether peers have proved by other means, such as a session, to be where their datagrams come from.
    ``network_of``: the network of a peer, which gets half of each limit at the most; None where all count alike.
    """

    def __init__(
        self,
        random: Randomness,
        parameters: Parameters | None = None,
        *,
        max_message: Callable[[Any], int] = lambda peer: MAX_MESSAGE,
        block_size: int = DEFAULT_BLOCK_SIZE,
        max_body: int = MAX_BODY,
        first_token: int | None = None,
        verified: bool = True,
        network_of: NetworkOf = no_network,
        limits: Limits | None = None,
    ) -> None:
        parameters = parameters or Parameters()
        self._lifetime = parameters.exchange_lifetime
        self._non_lifetime = parameters.non_lifetime
        self.refusals = Refusals()
        """What was not served, by reason."""
        limits = limits or Limits()
        self._events: deque[Event] = deque()
        self._sender = Sender(random, parameters)
        self._max_message = max_message
        self._szx = szx_for(block_size)
        self._first_credit = None if verified else 0
        self._peers = Peers(random, self._lifetime, introduce=self._introduce, network_of=network_of, limits=limits)
        self._records = self._peers.all
        self._uploads = Uploads(self._shelf(limits, network_of), max_body)
        self._downloads = Downloads(self._shelf(limits, network_of))
        self._responder = Responder(
            self._sender, self._peers, self._events, self._uploads, self._downloads, self.refusals
        )
        self._requester = Requester(
            self._sender,
            self._peers,
            self._events,
            refusals=self.refusals,
            first_token=first_token,
            max_waiting=limits.requests_per_peer,
            max_body=max_body,
        )

    @property
    def withheld(self) -> int:
        """Datagrams not sent to peers that had not proved to be where they say."""
        return self._sender.withheld

    @property
    def peers(self) -> int:
        """Peers of which something is remembered."""
        return len(self._peers)

    def _introduce(self, record: Peer) -> None:
        """Note what is known of a peer that has just been heard of."""
        record.limit(self._max_message(record.address), self._szx)
        record.credit = self._first_credit

    def _shelf(self, limits: Limits, network_of: NetworkOf) -> Shelf[Any]:
        return Shelf(
            self._lifetime, per_peer=limits.bodies_per_peer, quota=Quota(limits.body_bytes), network_of=network_of
        )

    # The face: datagrams, time, events

    def receive_datagram(self, data: bytes, peer: Hashable, now: float) -> None:
        """Take a datagram. What is no CoAP is dropped, a malformed confirmable message is reset (section 4.2)."""
        try:
            message = decode(data)
        except FormatError as error:
            self.refusals.add(Refusal.MALFORMED, peer, str(error))
            if len(data) >= 4 and data[0] & 0xF0 == 0x40:
                self._sender.empty(_RST, data[2] << 8 | data[3], peer)
            return
        code = message.code
        record = self._records.get(peer)
        if record is None or now - record.seen > COARSE_SECONDS:
            if record is None and not (message.type < _ACK and (0 < code < 32 or 64 <= code < 192)):
                self._receive_from_stranger(message, peer)
                return
            record = self._peers.touch(peer, now)
        record.quiet_until = _SILENT
        if record.credit is not None:
            record.credit += AMPLIFICATION * len(data)
        if message.type >= _ACK:
            self._requester.receive_answer(record, message, now)
        elif 0 < code < 32 or 64 <= code < 192:
            known = record.received.get(message.mid)
            if known is not None and known.expires > now and known.token == message.token:
                if known.answer is not None and known.type == _CON:
                    self._sender.send(record, known.answer)
                return
            lifetime = self._non_lifetime if message.type else self._lifetime
            incoming = Incoming(message.type, message.mid, message.token, now + lifetime)
            if not self._peers.remember(record, incoming):
                self.refusals.add(Refusal.CROWDED, peer, "too many messages")
            elif code < 32:
                self._responder.receive(record, message, incoming, now)
            else:
                self._requester.receive_response(record, message, incoming, now)
        else:
            self._receive_from_stranger(message, peer)

    def _receive_from_stranger(self, message: Message, peer: Hashable) -> None:
        """A message that concerns nothing that is kept: a ping, which is answered, a reserved class, an unasked ACK or RST.

        It makes no record: whoever sends a million of them from as many addresses leaves no trace.
        """
        if message.code:
            self.refusals.add(Refusal.RESERVED, peer, "a reserved code")
        elif message.type != _CON:
            self.refusals.add(Refusal.UNEXPECTED, peer, "an acknowledgement or reset of nothing")
        if message.type == _CON:
            self._sender.empty(_RST, message.mid, peer)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        """Everything that must leave now. Ask for events again afterwards: answers that left may have one."""
        leaving = self._responder.leaving
        if leaving:
            self._events.extend(map(AnswerSent, leaving))
            leaving.clear()
        outgoing = self._sender.outgoing
        self._sender.outgoing = []
        return outgoing

    def get_timer(self) -> float | None:
        """When to call ``handle_timer``, or None while there is nothing to wait for."""
        times = (self._sender.timers.next(), self._peers.next_sweep(), self._uploads.shelf.next_expiry())
        return min((when for when in (*times, self._downloads.shelf.next_expiry()) if when is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Repeat and give up what is due, clear what is old."""
        while (item := self._sender.timers.pop_due(now)) is not None:
            self._requester.time_out(item, now)
        self._peers.sweep(now)
        self._uploads.shelf.expire(now)
        self._downloads.shelf.expire(now)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # Answering

    def respond(self, request: RequestReceived, response: Message, now: float, *, tell_when_sent: bool = False) -> None:
        """Answer a request: piggybacked, or separately once ``acknowledge`` was called. The message is then the endpoint's.

        A body longer than the peer's block is cut, the rest served by itself, unless the response has its own Block2.
        Nothing happens when the peer was forgotten meanwhile. Raises ValueError when it was answered before.
        """
        self._responder.respond(request, response, now, tell_when_sent)

    def acknowledge(self, request: RequestReceived) -> None:
        """Send an empty ACK now; ``respond`` then sends a separate, confirmable response (section 5.2.2)."""
        self._responder.acknowledge(request)

    def notify(
        self,
        peer: Hashable,
        token: bytes,
        notification: Message,
        now: float,
        *,
        request: Message | None = None,
        tell: bool = True,
    ) -> Delivery:
        """Send a notification to an observer: confirmable unless the message's type is NON (RFC 7641 section 4.5).

        ``request`` is the GET that made the observation; with it the later blocks of a long notification are served by
        themselves. ``tell`` asks for one of DeliveryAcknowledged, DeliveryReset, DeliveryTimedOut.
        """
        return self._responder.notify(peer, token, notification, now, request=request, tell=tell)

    # Asking

    def request(
        self,
        peer: Hashable,
        message: Message,
        now: float,
        *,
        token: bytes | None = None,
        block_size: int | None = None,
        parameters: Parameters | None = None,
        one_block: bool = False,
    ) -> Exchange:
        """Send a request, when it is its turn (NSTART); bodies go and come block by block as needed.

        ``one_block``: the caller asks for one block after the other, by Block2, and gets each as it comes.

        The exchange ends with exactly one of ResponseReceived, RequestTimedOut, RequestReset, RequestFailed.
        With Observe 0, and a response that carries Observe, notifications follow under the exchange's token.
        A message of type NON is not repeated (section 4.3), unless the peer has said nothing since the last such message.
        Raises TooManyRequests, and ValueError for a token in use.
        """
        return self._requester.request(
            peer, message, now, token=token, block_size=block_size, parameters=parameters, one_block=one_block
        )

    def ping(self, peer: Hashable, now: float) -> Delivery:
        """Ask whether the peer is there (RFC 7252 section 4.3): DeliveryReset says yes, DeliveryTimedOut no."""
        record = self._peers.touch(peer, now)
        delivery = Delivery(peer, b"", tell=True)
        self._sender.deliver(record, Message(Code.EMPTY), delivery, now)
        return delivery

    def abandon(self, exchange: Exchange, now: float) -> None:
        """Stop repeating and waiting; the exchange ends with RequestFailed. Nothing happens when it has ended."""
        self._requester.abandon(exchange, now)

    def take_token(self) -> bytes:
        """A token never given before by this endpoint."""
        return self._requester.take_token()

    def set_block_size(self, peer: Hashable, size: int, now: float) -> None:
        """The largest block this peer takes, in bytes, where the transport or an earlier session knows it."""
        record = self._peers.touch(peer, now)
        record.szx = min(record.max_szx, szx_for(size))

    # Observing

    def adopt_observation(self, peer: Hashable, token: bytes, request: Message | None, now: float) -> None:
        """Take notifications with that token: the device observes by itself, or the observation is older than this process.

        ``request`` is the GET that makes or would make it, without Observe; without it long notifications fail.
        """
        self._requester.adopt(self._peers.touch(peer, now), Observation(token, request))

    def accept_notification(self, event: NotificationReceived) -> None:
        """Acknowledge: call it once the value is safe."""
        self._settle_notification(event, _ACK)

    def reject_notification(self, event: NotificationReceived) -> None:
        """Reset: the peer drops the observation (RFC 7641 section 3.6), and so do we."""
        self._settle_notification(event, _RST)
        record = self._peers.get(event.peer)
        if record is not None:
            self._peers.drop_observation(record, event.token)

    def postpone_notification(self, event: NotificationReceived) -> None:
        """It cannot be kept now: forget that it came, so that it is new when the peer repeats it."""
        record = self._peers.get(event.peer)
        if record is None or event.incoming is None or event.incoming.answered:
            return
        self._peers.unremember(record, event.incoming.mid)
        observation = record.observations.get(event.token)
        if observation is not None and event.message.observe is not None:
            observation.take_back(event.message.observe)

    def cancel_observation(self, peer: Hashable, token: bytes, now: float, *, tell: bool = True) -> Exchange | None:
        """Stop an observation. The peer is told by a request with Observe 1 under the same token, where it is to be told and
        the request is known; otherwise its next notification is reset.
        """
        return self._requester.cancel_observation(peer, token, now, tell)

    def reset_freshness(self, peer: Hashable) -> None:
        """The peer has registered anew, perhaps after a reboot: any number of a notification is fresh."""
        record = self._peers.get(peer)
        for observation in record.observations.values() if record is not None else ():
            observation.reset_freshness()

    def forget_observations(self, peer: Hashable) -> None:
        """Drop all observations of a peer without telling it."""
        record = self._peers.get(peer)
        if record is not None:
            self._peers.drop_observations(record)

    def forget(self, peer: Hashable, now: float) -> None:
        """The peer's session is gone: drop everything of it; its open exchanges fail."""
        record = self._peers.forget(peer)
        self._uploads.shelf.forget(peer)
        self._downloads.shelf.forget(peer)
        if record is not None:
            self._requester.fail_all(record, Failure.FORGOTTEN)

    def _settle_notification(self, event: NotificationReceived, type: int) -> None:
        record = self._peers.get(event.peer)
        if record is not None and event.incoming is not None and not event.incoming.answered:
            self._sender.answer_empty(record, event.incoming, type)


__all__ = ["TOKEN_LENGTH", "Endpoint", "TooManyRequests"]
