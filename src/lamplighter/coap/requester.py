"""The client's half of an endpoint: requests sent in turn, responses and notifications received."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from lamplighter.coap import events
from lamplighter.coap.blockwise import szx_for
from lamplighter.coap.events import Event, NotificationReceived, ResponseReceived
from lamplighter.coap.exchange import Delivery, Exchange, Failure
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Option, Type, is_success
from lamplighter.coap.observe import Observation
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.peers import Incoming, Peer, Peers, Transmission
from lamplighter.coap.sender import Sender

#: Bytes of a token of ours: a counter of 48 bits never repeats in a session (RFC 9175 section 4.2).
TOKEN_LENGTH = 6
#: Requests of ours that may wait for their turn with one peer.
MAX_WAITING = 64

_CON, _ACK, _RST = int(Type.CON), int(Type.ACK), int(Type.RST)


class TooManyRequests(Exception):
    """That many requests already wait for their turn with this peer."""


class Requester:
    """What the endpoint does with requests of its own."""

    def __init__(
        self,
        sender: Sender,
        peers: Peers,
        events: deque[Event],
        *,
        first_token: int | None,
        max_message: int,
        max_szx: int,
        max_body: int,
    ) -> None:
        self._sender = sender
        self._peers = peers
        self._events = events
        self._max_message = max_message
        self._max_szx = max_szx
        self._max_body = max_body
        self._token = sender.random.getrandbits(8 * TOKEN_LENGTH) if first_token is None else first_token

    def request(
        self,
        peer: Hashable,
        message: Message,
        now: float,
        *,
        token: bytes | None,
        block_size: int | None,
        parameters: Parameters | None,
    ) -> Exchange:
        """As ``Endpoint.request``."""
        record = self._peers.touch(peer, now)
        if record.waiting is not None and len(record.waiting) >= MAX_WAITING:
            raise TooManyRequests(f"{MAX_WAITING} requests wait for their turn with this peer")
        token = self.take_token() if token is None else token
        if token in record.exchanges:
            raise ValueError("the token is in use")
        szx = record.szx if block_size is None else min(self._max_szx, szx_for(block_size))
        exchange = Exchange(peer, token, message, parameters or self._sender.parameters, szx, self._max_body)
        record.exchanges[token] = exchange
        self._submit(record, exchange, now)
        return exchange

    def abandon(self, exchange: Exchange, now: float) -> None:
        """As ``Endpoint.abandon``."""
        record = self._peers.get(exchange.peer)
        if record is not None and record.exchanges.get(exchange.wire_token) is exchange:
            self._settle(exchange, events.RequestFailed(exchange, Failure.ABANDONED), now)

    def take_token(self) -> bytes:
        """As ``Endpoint.take_token``."""
        self._token = (self._token + 1) % (1 << 8 * TOKEN_LENGTH)
        return self._token.to_bytes(TOKEN_LENGTH, "big")

    def cancel_observation(self, peer: Hashable, token: bytes, now: float) -> Exchange | None:
        """As ``Endpoint.cancel_observation``."""
        record = self._peers.get(peer)
        observation = record.observations.pop(token, None) if record is not None else None
        if observation is None or observation.request is None:
            return None
        request = observation.request
        message = Message(request.code, request.without(Option.OBSERVE), request.payload)
        return self.request(peer, message.add(Option.OBSERVE, 1), now, token=token, block_size=None, parameters=None)

    def time_out(self, item: Transmission | Exchange, now: float) -> None:
        """Something is due: a repetition, the end of all repetitions, or the end of waiting for a separate response."""
        if isinstance(item, Exchange):
            self._settle(item, events.RequestTimedOut(item, item.retransmissions), now)
            return
        owner = item.owner
        if self._sender.repeat(item, now):
            if isinstance(owner, Exchange):
                owner.retransmissions = item.sent
        elif isinstance(owner, Exchange):
            self._settle(owner, events.RequestTimedOut(owner, owner.retransmissions), now)
        elif owner.tell:
            self._events.append(events.DeliveryTimedOut(owner))

    def fail_all(self, record: Peer, reason: Failure) -> None:
        """The peer is gone: its exchanges end, its messages are not repeated."""
        for transmission in record.sent.values():
            transmission.due = None
        for exchange in record.exchanges.values():
            exchange.due = None
            self._events.append(events.RequestFailed(exchange, reason))

    def receive_answer(self, record: Peer, message: Message, now: float) -> None:
        """An ACK or a RST: it concerns a message of ours with the same ID (section 4.2)."""
        transmission = record.sent.get(message.mid)
        if transmission is None or (message.code and message.type == _RST):
            return
        owner = transmission.owner
        if isinstance(owner, Delivery):
            self._sender.stop(transmission)
            if owner.tell:
                told = events.DeliveryReset if message.type == _RST else events.DeliveryAcknowledged
                self._events.append(told(owner))
        elif message.type == _RST:
            self._settle(owner, events.RequestReset(owner), now)
        elif message.code == 0:
            self._sender.stop(transmission)
            owner.acknowledged = True
            self._sender.timers.arm(owner, now + owner.parameters.separate_response_wait)
            self._end_turn(record, owner, now)
        elif 64 <= message.code < 192 and message.token == owner.wire_token:
            self._take_response(record, owner, message, now)

    def receive_response(self, record: Peer, message: Message, incoming: Incoming, now: float) -> None:
        """A separate response or a notification, confirmable or not."""
        exchange = record.exchanges.get(message.token)
        if exchange is not None and exchange.request.observe == 1 and message.observe is not None:
            self._sender.answer_empty(record, incoming, _ACK)  # a notification that crossed our cancelling
            return
        if exchange is not None and exchange.mid is not None:
            self._sender.answer_empty(record, incoming, _ACK)
            self._take_response(record, exchange, message, now)
            return
        observation = record.observations.get(message.token)
        if observation is None:
            if message.type == _CON or message.option(Option.OBSERVE) is not None:
                self._sender.answer_empty(record, incoming, _RST)
            return
        number = message.observe
        if number is not None and not observation.accepts(number, now):
            self._sender.answer_empty(record, incoming, _ACK)
            return
        if number is None or not is_success(message.code):
            del record.observations[message.token]
        self._drop_fetch(record, message.token, now)
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
        exchange = Exchange(
            record.address, self.take_token(), request, self._sender.parameters, record.szx, self._max_body
        )
        exchange.notification_of = message.token
        if exchange.take_first(message):
            self._sender.answer_empty(record, incoming, _ACK)
            record.exchanges[exchange.wire_token] = exchange
            self._submit(record, exchange, now)
        elif exchange.response is None:
            self._sender.answer_empty(record, incoming, _ACK)
        else:
            self._events.append(NotificationReceived(record.address, message.token, exchange.response, incoming))

    def _drop_fetch(self, record: Peer, token: bytes, now: float) -> None:
        """A newer notification came: the rest of the one before would be of another state."""
        for exchange in [found for found in record.exchanges.values() if found.notification_of == token]:
            self._release(record, exchange, now)

    def _take_response(self, record: Peer, exchange: Exchange, message: Message, now: float) -> None:
        self._halt(record, exchange)
        szx = exchange.szx
        if not exchange.take(message):
            if exchange.failure is not None:
                self._settle(exchange, events.RequestFailed(exchange, exchange.failure), now)
            else:
                self._complete(record, exchange, now)
            return
        if exchange.szx < szx:
            record.szx = exchange.szx  # the peer made it smaller: its buffer is what it is
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
        self._sender.confirmable(record, message.mid, data, exchange, exchange.parameters, now)

    def _halt(self, record: Peer, exchange: Exchange) -> None:
        """Stop what is under way for an exchange: its repetition, its wait."""
        exchange.due = None
        if exchange.mid is not None:
            transmission = record.sent.get(exchange.mid)
            if transmission is not None and transmission.owner is exchange:
                self._sender.stop(transmission)
            exchange.mid = None

    def _settle(self, exchange: Exchange, event: Event, now: float) -> None:
        """The exchange is over: tell it and let the next one have its turn."""
        self._events.append(event)
        record = self._peers.get(exchange.peer)
        if record is None:
            return
        self._release(record, exchange, now)

    def _release(self, record: Peer, exchange: Exchange, now: float) -> None:
        """Nothing more is sent or awaited for it."""
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
