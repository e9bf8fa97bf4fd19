"""What we have asked of a peer or told it, until it is settled.

An Exchange is one request as its caller sees it: on the wire it may be many, block by block (RFC 7959). It knows the next
message to send and what a response means; when to send, repeat and give up is the endpoint's.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum

from lamplighter.coap.blockwise import BERT, MAX_BODY, Block, block_of, block_size, step_of
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, Option, is_success
from lamplighter.coap.parameters import Parameters


class Failure(Enum):
    """Why an exchange ended without a response, a reset or a time-out."""

    FORGOTTEN = "the peer was forgotten, its session is gone"
    ABANDONED = "the caller gave it up"
    BODY_TOO_LARGE = "the response's body is larger than is taken"
    BLOCKS_INCONSISTENT = "the blocks of the response do not fit together"
    CRITICAL_OPTION = "the response has a critical option that is not understood"


class Exchange:
    """One request of ours to a peer. Compared by identity; use it as a key to find what it was for."""

    __slots__ = (
        "_body",
        "_downloading",
        "_first",
        "_max_body",
        "_offset",
        "_passes",
        "_restarted",
        "_room",
        "_szx",
        "_wants_block2",
        "acknowledged",
        "due",
        "failure",
        "holds_turn",
        "mid",
        "notification_of",
        "parameters",
        "peer",
        "request",
        "response",
        "retransmissions",
        "token",
        "wire_token",
    )

    def __init__(
        self,
        peer: Hashable,
        token: bytes,
        request: Message,
        parameters: Parameters,
        szx: int,
        max_body: int = MAX_BODY,
        *,
        room: int = 0,
        wants_block2: bool = False,
        one_block: bool = False,
    ) -> None:
        """``room``: bytes of a body that one message may carry where that is more than a block, over a reliable transport.

        ``wants_block2``: say in the first request already how large the blocks of the response may be (RFC 7959 section 2.4).
        ``one_block``: the caller fetches block by block, the first as well.
        """
        self.peer = peer
        self.token = token  # the request's; an observation keeps it
        self.wire_token = token  # of the message now under way
        self.request = request
        self.parameters = parameters
        self.response: Message | None = None
        self.failure: Failure | None = None
        self.acknowledged = False  # an empty ACK came: a separate response is awaited
        self.retransmissions = 0  # of the message now under way
        self.due: float | None = None  # when to stop waiting for a separate response
        self.holds_turn = False  # counts towards NSTART
        self.mid: int | None = None  # of the message now under way
        self.notification_of: bytes | None = None  # this fetches the rest of a notification with that token
        self._szx = szx
        self._room = room
        self._wants_block2 = wants_block2
        self._max_body = max_body
        self._offset = 0  # bytes of the request's body that the peer has taken
        self._restarted = False
        self._first: Message | None = None  # the response's first block: its code and options are the whole's
        self._body = bytearray()
        self._downloading = False
        # A caller that manages blocks itself gets and sends exactly what it wrote.
        block2 = block_of(request, Option.BLOCK2, bert=True)
        later = block2 is not None and block2.num > 0
        self._passes = one_block or later or request.option(Option.BLOCK1) is not None

    @property
    def observes(self) -> bool:
        return self.request.observe == 0

    def limit_block(self, szx: int) -> None:
        """Use blocks of at most that size exponent from here on. Harmless at any block: offsets are in bytes."""
        self._szx = min(self._szx, szx)

    @property
    def szx(self) -> int:
        return self._szx

    @property
    def uploads(self) -> bool:
        """Whether the request's body goes block by block, as far as is known now."""
        return not self._passes and not self._downloading and len(self.request.payload) > max(self._step, self._room)

    @property
    def _step(self) -> int:
        return step_of(self._szx, self._room)

    def next_message(self) -> Message:
        """What to send now: the request, its next Block1, or the request for the next Block2."""
        request = self.request
        if self._downloading:
            block = Block(len(self._body) // block_size(self._szx), False, self._szx)
            options = request.without(Option.BLOCK1, Option.BLOCK2, Option.SIZE1, Option.OBSERVE)
            options.append((Option.BLOCK2, block.encode()))
            # What a FETCH asks for is in its body (RFC 8132 section 2.1): a device that keeps no state needs it again.
            body = request.payload if request.code == Code.FETCH and len(request.payload) <= self._step else b""
            return Message(request.code, options, body, self.wire_token)
        options = list(request.options)
        if self._passes or (self._offset == 0 and not self.uploads):
            if self._wants_block2 and not self._passes and request.option(Option.BLOCK2) is None:
                options.append((Option.BLOCK2, Block(0, False, self._szx).encode()))
            return Message(request.code, options, request.payload, self.wire_token)
        end = self._offset + self._step
        block = Block(self._offset // block_size(self._szx), end < len(request.payload), self._szx)
        message = Message(request.code, options, request.payload[self._offset : end], self.wire_token)
        message.options.append((Option.BLOCK1, block.encode()))
        return message.add(Option.SIZE1, len(request.payload)) if self._offset == 0 else message

    def take_first(self, notification: Message) -> bool:
        """Take the first block of a long notification; True when its rest must be fetched."""
        try:
            return self._take_block(notification)
        except FormatError:
            return self._fail(Failure.BLOCKS_INCONSISTENT)

    def take(self, response: Message) -> bool:
        """Take a response in. True: send ``next_message()``. False: settled, ``response`` or ``failure`` says how."""
        if self._passes:
            self.response = response
            return False
        try:
            if not self._downloading and len(self.request.payload) > 16:
                block = block_of(response, Option.BLOCK1, bert=self._szx == BERT)
                if self._continues_upload(response, block):
                    return True
                if self.failure is not None:
                    return False
            return self._take_block(response)
        except FormatError:
            return self._fail(Failure.BLOCKS_INCONSISTENT)

    def _continues_upload(self, response: Message, block: Block | None) -> bool:
        length = len(self.request.payload)
        step = self._step
        if response.code == Code.CONTINUE and self._offset + step < length:
            # The same token serves every block, so a late answer to another block must not pass for this one's.
            if block is None or block.num != self._offset // block_size(self._szx):
                return self._fail(Failure.BLOCKS_INCONSISTENT)
            self._offset += step
            self.limit_block(block.szx)
            return True
        if response.code == Code.REQUEST_ENTITY_TOO_LARGE and block is not None:
            # Section 2.9.3: a smaller size in it asks for smaller blocks; otherwise the body is too large altogether.
            if block.size < max(step, self._room) and length > block.size:
                self._room = 0
                self.limit_block(block.szx)
                self._offset = 0
                return True
        if response.code == Code.REQUEST_ENTITY_INCOMPLETE and self._offset and not self._restarted:
            self._restarted = True
            self._offset = 0
            return True
        return False

    def _take_block(self, response: Message) -> bool:
        block = block_of(response, Option.BLOCK2, bert=self._szx == BERT)
        if block is None or not is_success(response.code) or not (self._downloading or block.num or block.more):
            self.response = response
            return False
        if self._first is None:
            self._first = response
        elif response.etag != self._first.etag:
            return self._restart_download()
        self._downloading = True
        if block.offset != len(self._body) or (block.more and not block.is_filled_by(response.payload)):
            return self._fail(Failure.BLOCKS_INCONSISTENT)
        self._body += response.payload
        if max(len(self._body), response.uint(Option.SIZE2) or 0) > self._max_body:
            return self._fail(Failure.BODY_TOO_LARGE)
        if block.more:
            self.limit_block(block.szx)
            return True
        options = self._first.without(Option.BLOCK1, Option.BLOCK2)
        self.response = Message(
            self._first.code, options, bytes(self._body), self.token, self._first.type, self._first.mid
        )
        return False

    def _restart_download(self) -> bool:
        """The representation changed while it was fetched (section 2.4): once more from the start, then no more."""
        if self._restarted:
            return self._fail(Failure.BLOCKS_INCONSISTENT)
        self._restarted = True
        self._first = None
        self._body.clear()
        return True

    def _fail(self, failure: Failure) -> bool:
        self.failure = failure
        return False


class Delivery:
    """An answer or notification of ours that must be acknowledged: sent again until it is."""

    __slots__ = ("peer", "tell", "token")

    def __init__(self, peer: Hashable, token: bytes, *, tell: bool) -> None:
        self.peer = peer
        self.token = token
        self.tell = tell  # say in an event how it ended
