"""The server's half of an endpoint: requests received, blocks put together, answers cut and sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from lamplighter.coap.blockwise import Block, BlockRefused, Downloads, Uploads, cut, decode_block, key_of
from lamplighter.coap.events import Event, RequestReceived
from lamplighter.coap.exchange import Delivery
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import UNDERSTOOD_CRITICAL, Code, Option, Type, is_success
from lamplighter.coap.peers import Incoming, Peer, Peers
from lamplighter.coap.sender import Sender

#: A GET's answer longer than this is made again for a repetition instead of being kept (RFC 7252 section 4.5 allows it).
KEPT_ANSWER = 256

_CON, _NON, _ACK = int(Type.CON), int(Type.NON), int(Type.ACK)
_PATH, _QUERY = int(Option.URI_PATH), int(Option.URI_QUERY)


class Responder:
    """What the endpoint does for requests of its peers."""

    def __init__(
        self, sender: Sender, peers: Peers, events: deque[Event], uploads: Uploads, downloads: Downloads, max_szx: int
    ) -> None:
        self._sender = sender
        self._peers = peers
        self._events = events
        self._uploads = uploads
        self._downloads = downloads
        self._max_szx = max_szx
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
        if incoming.block1 is not None or incoming.block2 is not None or len(response.payload) > 16 << record.szx:
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
            self._sender.outgoing.append((data, record.address))
            if len(data) > KEPT_ANSWER and request.message.code == Code.GET:
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
        if len(notification.payload) > 16 << record.szx:
            if request is None:
                self._downloads.shelf.forget(peer)  # an older state there must not continue this one
            else:
                self._downloads.keep(peer, key_of(request), notification, now)
            notification = cut(notification, Block(0, True, record.szx))
        notification.token = token
        if type == _NON:
            notification.type, notification.mid = _NON, record.take_mid()
            self._sender.outgoing.append((notification.encode(), peer))
        else:
            self._sender.deliver(record, notification, delivery, now)
        return delivery

    def receive(self, record: Peer, message: Message, incoming: Incoming, now: float) -> None:
        request = RequestReceived(record.address, message, incoming)
        for number, value in message.options:
            if not number & 1 or number == _PATH or number == _QUERY:
                continue
            if number not in UNDERSTOOD_CRITICAL:
                self.respond(request, Message(Code.BAD_OPTION), now, False)
                return
            if number == Option.BLOCK1 or number == Option.BLOCK2:
                try:
                    block = decode_block(value)
                except FormatError:
                    self.respond(request, Message(Code.BAD_OPTION), now, False)
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
                self.respond(request, Message(refused.code, refused.options), now, False)
                return False
            if body is None:
                self.respond(request, Message(Code.CONTINUE), now, False)
                return False
            message.payload = body
        elif incoming.block2 is not None and incoming.block2.num:
            part = self._downloads.block(record.address, key_of(message), incoming.block2, now)
            if part is not None:
                incoming.block2 = None  # it is cut already
                self.respond(request, part, now, False)
                return False
            if message.code != Code.GET and message.code != Code.FETCH:
                # The answer to an action is gone, and the action must not be done again for it.
                self.respond(request, Message(Code.REQUEST_ENTITY_INCOMPLETE), now, False)
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
