"""A CoAP endpoint for many peers, both roles at once, without I/O: RFC 7252 section 4 and 5, RFC 7641, RFC 7959.

The face is aioquic's: datagrams and the time go in, datagrams and events come out. Use::

    endpoint.receive_datagram(data, peer, now)
    while (event := endpoint.next_event()) is not None: ...   # respond(), accept_notification(), ...
    for data, peer in endpoint.datagrams_to_send(now): ...
    endpoint.get_timer()                                      # when to call handle_timer()

A peer is anything hashable. ``now`` is seconds of any clock that never goes back. This file is longer than most because
the message layer and the request layer share every record they touch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from random import Random

from lamplighter.coap import events
from lamplighter.coap.blockwise import (
    MAX_BODY,
    OVERHEAD,
    Block,
    BlockRefused,
    Downloads,
    Uploads,
    cut,
    decode_block,
    key_of,
    szx_for,
)
from lamplighter.coap.events import AnswerSent, Event, NotificationReceived, RequestReceived, ResponseReceived
from lamplighter.coap.exchange import Delivery, Exchange, Failure
from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import UNDERSTOOD_CRITICAL, Code, Option, Type, is_success
from lamplighter.coap.observe import Observation
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.peers import Incoming, Peer, Peers, Transmission
from lamplighter.coap.timers import Timers

#: Bytes of a token of ours: a counter of 48 bits never repeats in a session (RFC 9175 section 4.2).
TOKEN_LENGTH = 6
#: Messages remembered of one peer, and of all, against their repetition.
REMEMBERED_PER_PEER = 16
REMEMBERED = 100_000
#: A GET's answer longer than this is made again for a repetition instead of being kept (RFC 7252 section 4.5 allows it).
KEPT_ANSWER = 256
#: Requests of ours that may wait for their turn with one peer.
MAX_WAITING = 64
#: Block size taken for a peer that has not shown its own: the vendor's client takes 512 bytes.
DEFAULT_BLOCK_SIZE = 512

_CON, _NON, _ACK, _RST = int(Type.CON), int(Type.NON), int(Type.ACK), int(Type.RST)
_PATH, _QUERY = int(Option.URI_PATH), int(Option.URI_QUERY)


class TooManyRequests(Exception):
    """That many requests already wait for their turn with this peer."""


class Endpoint:
    """Not safe for several threads: one endpoint belongs to one loop.

    ``first_token`` continues a counter kept elsewhere, so that tokens of a session that outlives the process never repeat;
    ``max_message`` is the longest datagram the peers take, in bytes (1152: the vendor's client and RFC 7252 section 4.6).
    """

    def __init__(
        self,
        random: Random,
        parameters: Parameters | None = None,
        *,
        max_message: int = 1152,
        block_size: int = DEFAULT_BLOCK_SIZE,
        max_body: int = MAX_BODY,
        first_token: int | None = None,
        remembered_per_peer: int = REMEMBERED_PER_PEER,
        remembered: int = REMEMBERED,
    ) -> None:
        self._random = random
        self._parameters = parameters = parameters or Parameters()
        self._lifetime = parameters.exchange_lifetime
        self._non_lifetime = parameters.non_lifetime
        self._max_message = max_message
        self._max_body = max_body
        self._max_szx = szx_for(max_message - OVERHEAD)
        self._token = random.getrandbits(8 * TOKEN_LENGTH) if first_token is None else first_token
        szx = min(self._max_szx, szx_for(block_size))
        self._peers = Peers(random, self._lifetime, szx, per_peer=remembered_per_peer, total=remembered)
        self._uploads = Uploads(self._lifetime, max_body=max_body)
        self._downloads = Downloads(self._lifetime)
        self._timers: Timers[Transmission | Exchange] = Timers()
        self._events: deque[Event] = deque()
        self._outgoing: list[tuple[bytes, Hashable]] = []
        self._leaving: list[RequestReceived] = []

    # The face: datagrams, time, events

    def receive_datagram(self, data: bytes, peer: Hashable, now: float) -> None:
        """Take a datagram. What is no CoAP is dropped, a malformed confirmable message is reset (section 4.2)."""
        try:
            message = decode(data)
        except FormatError:
            if len(data) >= 4 and data[0] & 0xF0 == 0x40:
                self._send_empty(_RST, data[2] << 8 | data[3], peer)
            return
        record = self._peers.touch(peer, now)
        code = message.code
        if message.type >= _ACK:
            self._receive_answer(record, message, now)
        elif code == 0 or 32 <= code < 64 or code >= 192:
            # An empty confirmable message is a ping; reserved classes are refused in the same way.
            if message.type == _CON:
                self._send_empty(_RST, message.mid, peer)
        else:
            known = record.received.get(message.mid)
            if known is not None and known.expires > now and known.token == message.token:
                if known.answer is not None and known.type == _CON:
                    self._outgoing.append((known.answer, peer))
                return
            lifetime = self._non_lifetime if message.type else self._lifetime
            incoming = Incoming(message.type, message.mid, message.token, now + lifetime)
            self._peers.remember(record, incoming)
            if code < 32:
                self._receive_request(record, message, incoming, now)
            else:
                self._receive_response(record, message, incoming, now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        """Everything that must leave now. Ask for events again afterwards: answers that left may have one."""
        if self._leaving:
            self._events.extend(map(AnswerSent, self._leaving))
            self._leaving.clear()
        outgoing = self._outgoing
        self._outgoing = []
        return outgoing

    def get_timer(self) -> float | None:
        """When to call ``handle_timer``, or None while there is nothing to wait for."""
        times = (self._timers.next(), self._peers.next_sweep(), self._uploads.shelf.next_expiry())
        return min((when for when in (*times, self._downloads.shelf.next_expiry()) if when is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Repeat and give up what is due, clear what is old."""
        while (item := self._timers.pop_due(now)) is not None:
            if isinstance(item, Transmission):
                self._repeat(item, now)
            else:
                self._settle(item, events.RequestTimedOut(item, item.retransmissions), now)
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
        incoming = request.incoming
        if incoming.answered:
            raise ValueError("the request was answered before")
        incoming.answered = True
        record = self._peers.get(request.peer)
        if record is None:
            return
        if incoming.block1 is not None or incoming.block2 is not None or len(response.payload) > 16 << record.szx:
            response = self._cut_answer(record, request, response, now)
        response.token = incoming.token
        if incoming.acknowledged and incoming.type == _CON:
            self._deliver(record, response, Delivery(record.address, incoming.token, tell=False), now)
        else:
            if incoming.type == _CON:
                response.type, response.mid = _ACK, incoming.mid
            else:
                response.type, response.mid = _NON, record.take_mid()
            data = response.encode()
            self._outgoing.append((data, record.address))
            if len(data) > KEPT_ANSWER and request.message.code == Code.GET:
                self._peers.unremember(record, incoming.mid)
            else:
                incoming.answer = data
        if tell_when_sent:
            self._leaving.append(request)

    def acknowledge(self, request: RequestReceived) -> None:
        """Send an empty ACK now; ``respond`` then sends a separate, confirmable response (section 5.2.2)."""
        incoming = request.incoming
        if incoming.type == _CON and not incoming.acknowledged and not incoming.answered:
            incoming.acknowledged = True
            incoming.answer = self._send_empty(_ACK, incoming.mid, request.peer)

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
        record = self._peers.touch(peer, now)
        delivery = Delivery(peer, token, tell=tell)
        type = notification.type
        if len(notification.payload) > 16 << record.szx:
            if request is None:
                self._downloads.shelf.forget(peer)  # an older state there must not continue this one
            else:
                self._downloads.keep(peer, key_of(request), notification, now)
            notification = cut(notification, Block(0, True, record.szx))
        notification.token = token
        if type == _NON:
            notification.type, notification.mid = _NON, record.take_mid()
            self._outgoing.append((notification.encode(), peer))
        else:
            self._deliver(record, notification, delivery, now)
        return delivery

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
    ) -> Exchange:
        """Send a confirmable request, when it is its turn (NSTART); bodies go and come block by block as needed.

        The exchange ends with exactly one of ResponseReceived, RequestTimedOut, RequestReset, RequestFailed.
        With Observe 0, and a response that carries Observe, notifications follow under the exchange's token.
        Raises TooManyRequests, and ValueError for a token in use.
        """
        record = self._peers.touch(peer, now)
        if record.waiting is not None and len(record.waiting) >= MAX_WAITING:
            raise TooManyRequests(f"{MAX_WAITING} requests wait for their turn with this peer")
        token = self.take_token() if token is None else token
        if token in record.exchanges:
            raise ValueError("the token is in use")
        szx = record.szx if block_size is None else min(self._max_szx, szx_for(block_size))
        exchange = Exchange(peer, token, message, parameters or self._parameters, szx, self._max_body)
        record.exchanges[token] = exchange
        self._submit(record, exchange, now)
        return exchange

    def abandon(self, exchange: Exchange, now: float) -> None:
        """Stop repeating and waiting; the exchange ends with RequestFailed. Nothing happens when it has ended."""
        record = self._peers.get(exchange.peer)
        if record is not None and record.exchanges.get(exchange.wire_token) is exchange:
            self._settle(exchange, events.RequestFailed(exchange, Failure.ABANDONED), now)

    def take_token(self) -> bytes:
        """A token never given before by this endpoint."""
        self._token = (self._token + 1) % (1 << 8 * TOKEN_LENGTH)
        return self._token.to_bytes(TOKEN_LENGTH, "big")

    def set_block_size(self, peer: Hashable, size: int, now: float) -> None:
        """The largest block this peer takes, in bytes, where the transport or an earlier session knows it."""
        self._peers.touch(peer, now).szx = min(self._max_szx, szx_for(size))

    # Observing

    def adopt_observation(self, peer: Hashable, token: bytes, request: Message | None, now: float) -> None:
        """Take notifications with that token: the device observes by itself, or the observation is older than this process.

        ``request`` is the GET that makes or would make it, without Observe; without it long notifications fail.
        """
        self._peers.touch(peer, now).observations[token] = Observation(token, request)

    def accept_notification(self, event: NotificationReceived) -> None:
        """Acknowledge: call it once the value is safe."""
        self._settle_notification(event, _ACK)

    def reject_notification(self, event: NotificationReceived) -> None:
        """Reset: the peer drops the observation (RFC 7641 section 3.6), and so do we."""
        self._settle_notification(event, _RST)
        record = self._peers.get(event.peer)
        if record is not None:
            record.observations.pop(event.token, None)

    def cancel_observation(self, peer: Hashable, token: bytes, now: float) -> Exchange | None:
        """Stop an observation; the peer is told by a GET with Observe 1 under the same token where the request is known."""
        record = self._peers.get(peer)
        observation = record.observations.pop(token, None) if record is not None else None
        if observation is None or observation.request is None:
            return None
        request = observation.request
        message = Message(request.code, request.without(Option.OBSERVE), request.payload)
        return self.request(peer, message.add(Option.OBSERVE, 1), now, token=token)

    def reset_freshness(self, peer: Hashable) -> None:
        """The peer has registered anew, perhaps after a reboot: any number of a notification is fresh."""
        record = self._peers.get(peer)
        for observation in record.observations.values() if record is not None else ():
            observation.reset_freshness()

    def forget_observations(self, peer: Hashable) -> None:
        """Drop all observations of a peer without telling it."""
        record = self._peers.get(peer)
        if record is not None:
            record.observations.clear()

    def forget(self, peer: Hashable, now: float) -> None:
        """The peer's session is gone: drop everything of it; its open exchanges fail."""
        record = self._peers.forget(peer)
        self._uploads.shelf.forget(peer)
        self._downloads.shelf.forget(peer)
        if record is None:
            return
        for transmission in record.sent.values():
            transmission.due = None
        for exchange in record.exchanges.values():
            exchange.due = None
            self._events.append(events.RequestFailed(exchange, Failure.FORGOTTEN))

    # Requests received

    def _receive_request(self, record: Peer, message: Message, incoming: Incoming, now: float) -> None:
        request = RequestReceived(record.address, message, incoming)
        for number, value in message.options:
            if not number & 1 or number == _PATH or number == _QUERY:
                continue
            if number not in UNDERSTOOD_CRITICAL:
                self.respond(request, Message(Code.BAD_OPTION), now)
                return
            if number == Option.BLOCK1 or number == Option.BLOCK2:
                try:
                    block = decode_block(value)
                except FormatError:
                    self.respond(request, Message(Code.BAD_OPTION), now)
                    return
                if number == Option.BLOCK1:
                    incoming.block1 = block
                else:
                    incoming.block2 = block
                record.szx = min(block.szx, self._max_szx)
        if (incoming.block1 is None and incoming.block2 is None) or self._take_blocks(record, request, now):
            self._events.append(request)

    def _take_blocks(self, record: Peer, request: RequestReceived, now: float) -> bool:
        """The block-wise part of a request; True when the caller should see it."""
        incoming, message = request.incoming, request.message
        if incoming.block1 is not None:
            try:
                body = self._uploads.receive(record.address, message, incoming.block1, now)
            except BlockRefused as refused:
                self.respond(request, Message(refused.code, refused.options), now)
                return False
            if body is None:
                self.respond(request, Message(Code.CONTINUE), now)
                return False
            message.payload = body
        elif incoming.block2 is not None and incoming.block2.num:
            part = self._downloads.block(record.address, key_of(message), incoming.block2, now)
            if part is not None:
                incoming.block2 = None  # it is cut already
                self.respond(request, part, now)
                return False
            if message.code != Code.GET and message.code != Code.FETCH:
                # The answer to an action is gone, and the action must not be done again for it.
                self.respond(request, Message(Code.REQUEST_ENTITY_INCOMPLETE), now)
                return False
        return True

    def _cut_answer(self, record: Peer, request: RequestReceived, response: Message, now: float) -> Message:
        """Put Block1 and Block2 into an answer, and keep a long one for its later blocks."""
        incoming = request.incoming
        wanted = incoming.block2
        if response.option(Option.BLOCK2) is None and is_success(response.code) and response.code != Code.CONTINUE:
            szx = min(record.szx if wanted is None else wanted.szx, self._max_szx)
            size = 16 << szx
            if len(response.payload) > size or (wanted is not None and wanted.num):
                self._downloads.keep(record.address, key_of(request.message), response, now)
                # A smaller size than asked for begins at the same byte.
                num = 0 if wanted is None else wanted.offset >> (szx + 4)
                response = cut(response, Block(num, False, szx))
            elif wanted is not None:
                response.options.append((Option.BLOCK2, Block(0, False, szx).encode()))
        if incoming.block1 is not None:
            block = incoming.block1
            echoed = Block(block.num, response.code == Code.CONTINUE, min(block.szx, self._max_szx))
            response.options.append((Option.BLOCK1, echoed.encode()))
        return response

    # Responses and acknowledgements received

    def _receive_answer(self, record: Peer, message: Message, now: float) -> None:
        """An ACK or a RST: it concerns a message of ours with the same ID (section 4.2)."""
        transmission = record.sent.get(message.mid)
        if transmission is None or (message.code and message.type == _RST):
            return
        owner = transmission.owner
        if isinstance(owner, Delivery):
            self._stop(transmission)
            if owner.tell:
                told = events.DeliveryReset if message.type == _RST else events.DeliveryAcknowledged
                self._events.append(told(owner))
        elif message.type == _RST:
            self._settle(owner, events.RequestReset(owner), now)
        elif message.code == 0:
            self._stop(transmission)
            owner.acknowledged = True
            self._timers.arm(owner, now + owner.parameters.separate_response_wait)
            self._end_turn(record, owner, now)
        elif 64 <= message.code < 192 and message.token == owner.wire_token:
            self._take_response(record, owner, message, now)

    def _receive_response(self, record: Peer, message: Message, incoming: Incoming, now: float) -> None:
        """A separate response or a notification, confirmable or not."""
        exchange = record.exchanges.get(message.token)
        if exchange is not None and exchange.request.observe == 1 and message.observe is not None:
            self._answer_empty(record, incoming, _ACK)  # a notification that crossed our cancelling
            return
        if exchange is not None and exchange.mid is not None:
            self._answer_empty(record, incoming, _ACK)
            self._take_response(record, exchange, message, now)
            return
        observation = record.observations.get(message.token)
        if observation is None:
            if message.type == _CON or message.option(Option.OBSERVE) is not None:
                self._answer_empty(record, incoming, _RST)
            return
        number = message.observe
        if number is not None and not observation.accepts(number, now):
            self._answer_empty(record, incoming, _ACK)
            return
        if number is None or not is_success(message.code):
            del record.observations[message.token]
        self._take_notification(record, observation, message, incoming, now)

    def _take_notification(
        self, record: Peer, observation: Observation, message: Message, incoming: Incoming, now: float
    ) -> None:
        if observation.request is None or message.option(Option.BLOCK2) is None:
            self._events.append(NotificationReceived(record.address, message.token, message, incoming))
            return
        # The first block alone is nothing to keep, and the peer may wait for its ACK before it serves the others.
        source = observation.request
        request = Message(source.code, source.without(Option.OBSERVE), source.payload)
        exchange = Exchange(record.address, self.take_token(), request, self._parameters, record.szx, self._max_body)
        exchange.notification_of = message.token
        if exchange.take_first(message):
            self._answer_empty(record, incoming, _ACK)
            record.exchanges[exchange.wire_token] = exchange
            self._submit(record, exchange, now)
        elif exchange.response is None:
            self._answer_empty(record, incoming, _ACK)
        else:
            self._events.append(NotificationReceived(record.address, message.token, exchange.response, incoming))

    def _take_response(self, record: Peer, exchange: Exchange, message: Message, now: float) -> None:
        self._halt(record, exchange)
        if not exchange.take(message):
            if exchange.failure is not None:
                self._settle(exchange, events.RequestFailed(exchange, exchange.failure), now)
            else:
                self._complete(record, exchange, now)
            return
        record.szx = min(exchange.szx, self._max_szx)
        if exchange.observes and exchange.wire_token == exchange.token:
            # The token stays with the observation: the later blocks are fetched under another.
            self._observe(record, exchange, message, now)
            del record.exchanges[exchange.wire_token]
            exchange.wire_token = self.take_token()
            record.exchanges[exchange.wire_token] = exchange
        if exchange.holds_turn:
            self._transmit(record, exchange, now)
        else:
            self._submit(record, exchange, now)

    def _complete(self, record: Peer, exchange: Exchange, now: float) -> None:
        response = exchange.response
        assert response is not None
        if exchange.notification_of is not None:
            response.token = exchange.notification_of
            told: Event = NotificationReceived(record.address, exchange.notification_of, response, None)
        else:
            if exchange.observes and exchange.wire_token == exchange.token:
                self._observe(record, exchange, response, now)
            told = ResponseReceived(exchange, response)
        self._settle(exchange, told, now)

    def _observe(self, record: Peer, exchange: Exchange, response: Message, now: float) -> None:
        number = response.observe
        if number is not None and is_success(response.code):
            observation = record.observations[exchange.token] = Observation(exchange.token, exchange.request)
            observation.accepts(number, now)

    def _settle_notification(self, event: NotificationReceived, type: int) -> None:
        record = self._peers.get(event.peer)
        if record is not None and event.incoming is not None and not event.incoming.answered:
            self._answer_empty(record, event.incoming, type)

    # Sending

    def _submit(self, record: Peer, exchange: Exchange, now: float) -> None:
        """Send when fewer than NSTART are outstanding, else queue."""
        if record.outstanding >= exchange.parameters.nstart:
            if record.waiting is None:
                record.waiting = deque()
            record.waiting.append(exchange)
            return
        exchange.holds_turn = True
        record.outstanding += 1
        self._transmit(record, exchange, now)

    def _transmit(self, record: Peer, exchange: Exchange, now: float) -> None:
        message = exchange.next_message()
        exchange.mid = message.mid = record.take_mid()
        exchange.acknowledged = False
        exchange.retransmissions = 0
        data = message.encode()
        while len(data) > self._max_message and exchange.szx and message.payload:
            # Long options leave less room than a full block needs.
            exchange.limit_block(exchange.szx - 1)
            message = exchange.next_message()
            message.mid = exchange.mid
            data = message.encode()
        self._send_confirmable(record, message.mid, data, exchange, exchange.parameters, now)

    def _deliver(self, record: Peer, message: Message, delivery: Delivery, now: float) -> None:
        message.type, message.mid = _CON, record.take_mid()
        self._send_confirmable(record, message.mid, message.encode(), delivery, self._parameters, now)

    def _send_confirmable(
        self, record: Peer, mid: int, data: bytes, owner: Exchange | Delivery, parameters: Parameters, now: float
    ) -> None:
        least = parameters.ack_timeout
        timeout = least * (1 + self._random.random() * (parameters.ack_random_factor - 1))
        transmission = Transmission(record, mid, data, owner, timeout, parameters.max_retransmit)
        record.sent[mid] = transmission
        self._timers.arm(transmission, now + timeout)
        self._outgoing.append((data, record.address))

    def _repeat(self, transmission: Transmission, now: float) -> None:
        owner = transmission.owner
        if transmission.left:
            transmission.left -= 1
            transmission.sent += 1
            transmission.timeout *= 2
            if isinstance(owner, Exchange):
                owner.retransmissions = transmission.sent
            self._timers.arm(transmission, now + transmission.timeout)
            self._outgoing.append((transmission.data, transmission.peer.address))
        elif isinstance(owner, Exchange):
            self._settle(owner, events.RequestTimedOut(owner, owner.retransmissions), now)
        else:
            self._stop(transmission)
            if owner.tell:
                self._events.append(events.DeliveryTimedOut(owner))

    def _stop(self, transmission: Transmission) -> None:
        transmission.due = None
        transmission.peer.sent.pop(transmission.mid, None)

    def _halt(self, record: Peer, exchange: Exchange) -> None:
        """Stop what is under way for an exchange: its repetition, its wait."""
        exchange.due = None
        if exchange.mid is not None:
            transmission = record.sent.get(exchange.mid)
            if transmission is not None and transmission.owner is exchange:
                self._stop(transmission)
            exchange.mid = None

    def _settle(self, exchange: Exchange, event: Event, now: float) -> None:
        """The exchange is over: tell it and let the next one have its turn."""
        self._events.append(event)
        record = self._peers.get(exchange.peer)
        if record is None:
            return
        self._halt(record, exchange)
        record.exchanges.pop(exchange.wire_token, None)
        if record.waiting and exchange in record.waiting:
            record.waiting.remove(exchange)
        self._end_turn(record, exchange, now)

    def _end_turn(self, record: Peer, exchange: Exchange, now: float) -> None:
        if not exchange.holds_turn:
            return
        exchange.holds_turn = False
        record.outstanding -= 1
        if record.waiting:
            self._submit(record, record.waiting.popleft(), now)

    def _answer_empty(self, record: Peer, incoming: Incoming, type: int) -> None:
        """Acknowledge or reset a message received; a non-confirmable one is only ever reset."""
        incoming.answered = True
        if incoming.type == _CON:
            incoming.answer = self._send_empty(type, incoming.mid, record.address)
        elif type == _RST:
            self._send_empty(_RST, incoming.mid, record.address)

    def _send_empty(self, type: int, mid: int, peer: Hashable) -> bytes:
        data = bytes((0x40 | type << 4, 0, mid >> 8, mid & 0xFF))
        self._outgoing.append((data, peer))
        return data
