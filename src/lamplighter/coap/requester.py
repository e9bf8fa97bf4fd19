"""The client's half of an endpoint: requests sent in turn, responses and notifications received."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from lamplighter.coap import events
from lamplighter.coap.blockwise import key_of, szx_for
from lamplighter.coap.events import Event, NotificationReceived, ResponseReceived
from lamplighter.coap.exchange import Delivery, Exchange, Failure
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import UNDERSTOOD_CRITICAL, Code, Option, Type, is_success
from lamplighter.coap.observe import Observation
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.peers import Incoming, Peer, Peers, Transmission
from lamplighter.coap.refusals import Refusal, Refusals
from lamplighter.coap.sender import Sender

#: Bytes of a token of ours: a counter of 48 bits never repeats in a session (RFC 9175 section 4.2).
TOKEN_LENGTH = 6
#: A peer that takes smaller messages than these is told so in the first request: its answers must fit too. Bytes.
ORDINARY_MESSAGE = 1152

_CON, _NON, _ACK, _RST = int(Type.CON), int(Type.NON), int(Type.ACK), int(Type.RST)
_CRITICAL = frozenset(int(number) for number in UNDERSTOOD_CRITICAL)


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
        refusals: Refusals,
        first_token: int | None,
        max_waiting: int,
        max_body: int,
    ) -> None:
        self._sender = sender
        self._peers = peers
        self._events = events
        self._refusals = refusals
        self._max_waiting = max_waiting
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
        one_block: bool = False,
    ) -> Exchange:
        """As ``Endpoint.request``."""
        record = self._peers.touch(peer, now)
        if record.waiting is not None and len(record.waiting) >= self._max_waiting:
            raise TooManyRequests(f"{self._max_waiting} requests wait for their turn with this peer")
        token = self.take_token() if token is None else token
        if token in record.exchanges:
            raise ValueError("the token is in use")
        exchange = self._exchange(record, token, message, parameters, block_size, one_block)
        if exchange.uploads:
            self._tag(record, exchange)
        record.exchanges[token] = exchange
        self._submit(record, exchange, now)
        return exchange

    def _exchange(
        self,
        record: Peer,
        token: bytes,
        message: Message,
        parameters: Parameters | None = None,
        block_size: int | None = None,
        one_block: bool = False,
    ) -> Exchange:
        return Exchange(
            record.address,
            token,
            message,
            parameters or self._sender.parameters,
            record.szx if block_size is None else min(record.max_szx, szx_for(block_size)),
            self._max_body,
            room=record.room if block_size is None else 0,
            wants_block2=record.max_message < ORDINARY_MESSAGE and message.code in (Code.GET, Code.FETCH),
            one_block=one_block,
        )

    def _tag(self, record: Peer, exchange: Exchange) -> None:
        """Tell two bodies apart that are on their way to one resource at once (RFC 9175 section 3.3), and only then:
        old parsers on devices refuse a message with an option they do not know, elective or not."""
        key = key_of(exchange.request)
        if any(other.uploads and key_of(other.request) == key for other in record.exchanges.values()):
            request = exchange.request
            options = [*request.options, (Option.REQUEST_TAG, exchange.token)]
            exchange.request = Message(request.code, options, request.payload, type=request.type)

    def abandon(self, exchange: Exchange, now: float) -> None:
        """As ``Endpoint.abandon``."""
        record = self._peers.get(exchange.peer)
        if record is not None and record.exchanges.get(exchange.wire_token) is exchange:
            self._settle(exchange, events.RequestFailed(exchange, Failure.ABANDONED), now)

    def take_token(self) -> bytes:
        """As ``Endpoint.take_token``."""
        self._token = (self._token + 1) % (1 << 8 * TOKEN_LENGTH)
        return self._token.to_bytes(TOKEN_LENGTH, "big")

    def cancel_observation(self, peer: Hashable, token: bytes, now: float, tell: bool) -> Exchange | None:
        """As ``Endpoint.cancel_observation``."""
        record = self._peers.get(peer)
        observation = self._peers.drop_observation(record, token) if record is not None else None
        if observation is None or observation.request is None or not tell:
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
        if message.code and message.type == _RST:
            return  # a Reset says nothing but that
        transmission = record.sent.get(message.mid)
        if transmission is None:
            if message.type == _RST:
                self._reset_probe(record, message.mid, now)
            return
        owner = transmission.owner
        record.credit = None  # it has our message ID: it is where it says
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
            if self._is_understood(record, message):
                self._take_response(record, owner, message, now)
            else:
                self._settle(owner, events.RequestFailed(owner, Failure.CRITICAL_OPTION), now)
        else:
            self._refusals.add(Refusal.UNEXPECTED, record.address, "an acknowledgement with another token")

    def _reset_probe(self, record: Peer, mid: int, now: float) -> None:
        """The peer may reject a message that it need not have acknowledged: the last of them."""
        if record.probe is None or record.probe[0] != mid:
            return
        owner = record.probe[1]
        record.probe = None
        if isinstance(owner, Delivery):
            if owner.tell:
                self._events.append(events.DeliveryReset(owner))
        elif record.exchanges.get(owner.wire_token) is owner:
            self._settle(owner, events.RequestReset(owner), now)

    def receive_response(self, record: Peer, message: Message, incoming: Incoming, now: float) -> None:
        """A separate response or a notification, confirmable or not."""
        exchange = record.exchanges.get(message.token)
        if not self._is_understood(record, message):
            self._sender.answer_empty(record, incoming, _RST)
            if exchange is not None and exchange.mid is not None:
                self._settle(exchange, events.RequestFailed(exchange, Failure.CRITICAL_OPTION), now)
            return
        if exchange is not None and exchange.request.observe == 1 and message.observe is not None:
            self._sender.answer_empty(record, incoming, _ACK)  # a notification that crossed our cancelling
            return
        if exchange is not None and exchange.mid is not None:
            record.credit = None  # it has our token
            self._sender.answer_empty(record, incoming, _ACK)
            self._take_response(record, exchange, message, now)
            return
        observation = record.observations.get(message.token)
        if observation is None:
            self._refusals.add(Refusal.UNEXPECTED, record.address, "a response to nothing asked")
            if message.type == _CON or message.option(Option.OBSERVE) is not None:
                self._sender.answer_empty(record, incoming, _RST)
            return
        number = message.observe
        if number is not None and not record.stream and not observation.accepts(number, now):
            self._sender.answer_empty(record, incoming, _ACK)
            return
        if number is None or not is_success(message.code):
            self._peers.drop_observation(record, message.token)
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
        exchange = self._exchange(record, self.take_token(), request)
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

    def _is_understood(self, record: Peer, message: Message) -> bool:
        """Whether every critical option of a response is known (RFC 7252 section 5.4.1)."""
        for number, _ in message.options:
            if number & 1 and number not in _CRITICAL:
                self._refusals.add(Refusal.OPTION, record.address, f"option {number} in a response")
                return False
        return True

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
            observation = Observation(exchange.token, exchange.request)
            observation.accepts(number, now)
            self.adopt(record, observation)

    def adopt(self, record: Peer, observation: Observation) -> None:
        """Take notifications with that token from now on. Without room they are reset when they come."""
        if not self._peers.observe(record, observation):
            self._refusals.add(Refusal.CROWDED, record.address, "too many observations")

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
        while len(data) > record.max_message and exchange.szx and message.payload:
            # Long options leave less room than a full block needs.
            exchange.limit_block(exchange.szx - 1)
            message = exchange.next_message()
            message.mid = exchange.mid
            data = message.encode()
        # A peer that says nothing is asked so that it must answer (PROBING_RATE, RFC 7252 section 4.7).
        if exchange.request.type == _NON and self._sender.may_probe(record, now):
            message.type = _NON
            self._sender.probe(record, message.mid, message.encode(), exchange, now)
            self._sender.timers.arm(exchange, now + exchange.parameters.max_transmit_wait)
        else:
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
