"""The server's half of an endpoint: requests received, blocks put together, answers cut and sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from lamplighter.coap.blockwise import (
    BERT,
    Block,
    BlockRefused,
    Downloads,
    Uploads,
    block_size,
    cut,
    decode_block,
    key_of,
    step_of,
    szx_for,
)
from lamplighter.coap.events import Event, RequestReceived
from lamplighter.coap.exchange import Delivery
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import UNDERSTOOD_CRITICAL, Code, Option, Type, format_code, is_success
from lamplighter.coap.peers import Incoming, Peer, Peers
from lamplighter.coap.refusals import Refusal, Refusals
from lamplighter.coap.sender import Sender

#: The answer to a GET or FETCH longer than this is made again for a repetition instead of being kept (RFC 7252 section 4.5
#: allows it).
KEPT_ANSWER = 256

_CON, _NON, _ACK = int(Type.CON), int(Type.NON), int(Type.ACK)
_LAST_METHOD = int(Code.IPATCH)
_PATH, _QUERY = int(Option.URI_PATH), int(Option.URI_QUERY)
_LENGTHS: dict[int, tuple[int, int]] = {int(number): lengths for number, lengths in UNDERSTOOD_CRITICAL.items()}
_NEVER = (1, 0)
#: Whatever the peer's block is, a body of these bytes fits it: asked first, as it is quicker.
_SMALLEST_BLOCK = 16
#: Bytes that Block1, Block2, Size2 and the payload marker take in an answer.
_BLOCKS = 16
#: The same of an error, which has no Block2.
_BLOCK1 = 6


class Responder:
    """What the endpoint does for requests of its peers."""

    def __init__(
        self,
        sender: Sender,
        peers: Peers,
        events: deque[Event],
        uploads: Uploads,
        downloads: Downloads,
        refusals: Refusals,
    ) -> None:
        self._sender = sender
        self._peers = peers
        self._events = events
        self._uploads = uploads
        self._downloads = downloads
        self._refusals = refusals
        self.leaving: list[RequestReceived] = []  # answered, to be told when the answer has left

    def respond(self, request: RequestReceived, response: Message, now: float, tell_when_sent: bool) -> None:
        """As ``Endpoint.respond``."""
        incoming = request.incoming
        if incoming.answered:
            raise ValueError("the request was answered before")
        incoming.answered = True
        record = self._peers.get(request.peer)
        if record is None:
            return
        if record.credit is not None and response.payload:
            response = self._cut_to_credit(record, request, response, record.credit, now)
        elif (
            incoming.block1 is not None
            or incoming.block2 is not None
            or (len(response.payload) > _SMALLEST_BLOCK and len(response.payload) > record.whole)
        ):
            response = self._cut_answer(record, request, response, now)
        response.token = incoming.token
        if incoming.acknowledged and incoming.type == _CON:
            self._sender.deliver(record, response, Delivery(record.address, incoming.token, tell=False), now)
        else:
            if incoming.type == _CON:
                response.type, response.mid = _ACK, incoming.mid
            else:
                response.type, response.mid = _NON, record.take_mid()
            data = response.encode()
            if record.credit is None:  # said here too: this is the way of almost every answer
                self._sender.outgoing.append((data, record.address))
            else:
                self._sender.send(record, data)
            if len(data) > KEPT_ANSWER and request.message.code in (Code.GET, Code.FETCH):
                self._peers.unremember(record, incoming.mid)
            else:
                incoming.answer = data
        if tell_when_sent:
            self.leaving.append(request)

    def acknowledge(self, request: RequestReceived) -> None:
        """As ``Endpoint.acknowledge``."""
        incoming = request.incoming
        if incoming.type == _CON and not incoming.acknowledged and not incoming.answered:
            incoming.acknowledged = True
            incoming.answer = self._sender.empty(_ACK, incoming.mid, request.peer)

    def notify(
        self,
        peer: Hashable,
        token: bytes,
        notification: Message,
        now: float,
        *,
        request: Message | None,
        tell: bool,
    ) -> Delivery:
        """As ``Endpoint.notify``."""
        record = self._peers.touch(peer, now)
        delivery = Delivery(peer, token, tell=tell)
        type = notification.type
        if len(notification.payload) > record.whole:
            if request is None:
                self._downloads.shelf.forget(peer)  # an older state there must not continue this one
            else:
                self._downloads.keep(peer, key_of(request), notification, now)
            notification = cut(notification, Block(0, True, record.szx), record.room)
        notification.token = token
        # A peer that says nothing gets no second message it need not acknowledge (PROBING_RATE, RFC 7252 section 4.7).
        if type == _NON and self._sender.may_probe(record, now):
            notification.type, notification.mid = _NON, record.take_mid()
            self._sender.probe(record, notification.mid, notification.encode(), delivery, now)
        else:
            self._sender.deliver(record, notification, delivery, now)
        return delivery

    def receive(self, record: Peer, message: Message, incoming: Incoming, now: float) -> None:
        request = RequestReceived(record.address, message, incoming)
        if message.code > _LAST_METHOD:
            self._refuse(record, request, Code.METHOD_NOT_ALLOWED, Refusal.RESERVED, format_code(message.code), now)
            return
        previous = 0
        for number, value in message.options:
            if not number & 1:
                continue
            if number == _PATH or number == _QUERY:
                if len(value) > 255:
                    self._refuse_option(record, request, number, now)
                    return
                continue
            least, most = _LENGTHS.get(number, _NEVER)
            if number == previous or not least <= len(value) <= most:
                self._refuse_option(record, request, number, now)
                return
            previous = number
            if number == Option.BLOCK1 or number == Option.BLOCK2:
                try:
                    block = decode_block(value, bert=record.max_szx == BERT)
                except FormatError:
                    self._refuse_option(record, request, number, now)
                    return
                if number == Option.BLOCK1:
                    incoming.block1 = block
                else:
                    incoming.block2 = block
                record.szx = min(block.szx, record.max_szx)
        if (incoming.block1 is None and incoming.block2 is None) or self._take_blocks(record, request, now):
            self._events.append(request)

    def _refuse_option(self, record: Peer, request: RequestReceived, number: int, now: float) -> None:
        self._refuse(record, request, Code.BAD_OPTION, Refusal.OPTION, f"option {number}", now)

    def _refuse(
        self, record: Peer, request: RequestReceived, code: Code, reason: Refusal, detail: str, now: float
    ) -> None:
        """Answer with an error. A non-confirmable request with a critical option is dropped (RFC 7252 section 5.4.1)."""
        self._refusals.add(reason, record.address, detail)
        if request.incoming.type == _NON and not record.stream and reason is Refusal.OPTION:
            request.incoming.answered = True
        else:
            self.respond(request, Message(code), now, False)

    def _take_blocks(self, record: Peer, request: RequestReceived, now: float) -> bool:
        """The block-wise part of a request; True when the caller should see it."""
        incoming, message = request.incoming, request.message
        if incoming.block1 is not None:
            try:
                body = self._uploads.receive(record.address, message, incoming.block1, now)
            except BlockRefused as refused:
                self._refusals.add(Refusal.BLOCK, record.address, format_code(refused.code))
                self.respond(request, Message(refused.code, refused.options), now, False)
                return False
            if body is None:
                self.respond(request, Message(Code.CONTINUE), now, False)
                return False
            message.payload = body
        elif incoming.block2 is not None and incoming.block2.num:
            answer = self._downloads.get(record.address, key_of(message), now)
            if answer is not None:
                self.respond(request, answer, now, False)
                return False
            if message.code != Code.GET and message.code != Code.FETCH:
                # The answer to an action is gone, and the action must not be done again for it.
                self._refuse(record, request, Code.REQUEST_ENTITY_INCOMPLETE, Refusal.BLOCK, "4.08", now)
                return False
        return True

    def _cut_to_credit(
        self, record: Peer, request: RequestReceived, response: Message, credit: int, now: float
    ) -> Message:
        """An answer as short as the peer's credit: smaller blocks, which it must ask for one by one, or no diagnostic text."""
        good = is_success(response.code)
        bare = Message(response.code, response.options, b"", request.incoming.token).encode()
        spare = credit - len(bare) - (_BLOCKS if good else _BLOCK1)
        if len(response.payload) > spare and not good:
            response.payload = b""
        return self._cut_answer(record, request, response, now, most=szx_for(max(spare, 0)))

    def _cut_answer(
        self, record: Peer, request: RequestReceived, response: Message, now: float, most: int = BERT
    ) -> Message:
        """Put Block1 and Block2 into an answer, and keep a long one for its later blocks."""
        incoming = request.incoming
        wanted = incoming.block2
        if response.option(Option.BLOCK2) is None and is_success(response.code) and response.code != Code.CONTINUE:
            szx = min(record.szx if wanted is None else wanted.szx, record.max_szx, most)
            whole = record.whole if wanted is None and most == BERT else step_of(szx, record.room)
            if len(response.payload) > whole or (wanted is not None and wanted.num):
                self._downloads.keep(record.address, key_of(request.message), response, now)
                # A smaller size than asked for begins at the same byte.
                num = 0 if wanted is None else wanted.offset // block_size(szx)
                response = cut(response, Block(num, False, szx), record.room)
            elif wanted is not None:
                response.options.append((Option.BLOCK2, Block(0, False, szx).encode()))
        if incoming.block1 is not None:
            block = incoming.block1
            echoed = Block(block.num, response.code == Code.CONTINUE, min(block.szx, record.max_szx))
            response.options.append((Option.BLOCK1, echoed.encode()))
        return response
