"""A CoAP endpoint for streams, without I/O: RFC 8323, and the two framings of the vendor's client on the same port.

The face is that of ``endpoint``; ``receive_datagram`` takes what was read (one TLS record, or bytes of TCP) and
``datagrams_to_send`` gives what to write, each item in a write of its own. Beside it::

    endpoint.connected(peer, now, records=True)      # before anything is received
    endpoint.streams_to_close()                      # once what was to send has been written
    endpoint.forget(peer, now)                       # the connection is gone

Which framing it is shows in the first bytes; until then nothing is sent. RFC 8323 has no message layer: what the endpoint below
sends confirmably counts as acknowledged once it is handed to the stream, and what arrives is to it non-confirmable.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from lamplighter.coap.blockwise import BERT, MAX_SZX, OVERHEAD
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import NotificationReceived
from lamplighter.coap.framing import FrameReader, Framing, datagram_of, detect, frame_of, prefixed
from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import Signal, SignalOption, Type, format_code
from lamplighter.coap.peers import Peer
from lamplighter.coap.refusals import Refusal

#: Bytes of the largest message taken over a stream, and of the largest sent to a peer that takes more.
MAX_STREAM_MESSAGE = 64 << 10
#: What a peer takes that has said nothing else, in bytes (RFC 8323 section 5.3.1).
DEFAULT_MESSAGE = 1152

_CON, _ACK, _RST = int(Type.CON), int(Type.ACK), int(Type.RST)


class _Stream:
    """One connection."""

    __slots__ = ("beginning", "blocks", "closing", "held", "max_message", "mid", "reader", "ready", "records")

    def __init__(self, records: bool) -> None:
        self.records = records
        self.beginning = b""  # while the framing is not known
        self.reader: FrameReader | None = None
        self.held: list[bytes] = []  # to be sent when it is known
        self.ready = False  # the peer's CSM has come
        self.closing = False
        self.mid = 0
        self.max_message = DEFAULT_MESSAGE
        self.blocks = False  # it takes bodies block by block

    @property
    def bert(self) -> bool:
        """Whether a message may carry several blocks (section 5.3.2)."""
        return self.blocks and self.max_message > DEFAULT_MESSAGE

    @property
    def framing(self) -> Framing | None:
        return None if self.reader is None else self.reader.framing


class StreamEndpoint(Endpoint):
    """Not safe for several threads. Takes the options of ``Endpoint``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._streams: dict[Hashable, _Stream] = {}
        self._written: list[tuple[bytes, Hashable]] = []
        self._to_close: list[tuple[Hashable, str]] = []
        self._unwanted: list[NotificationReceived] = []

    def connected(self, peer: Hashable, now: float, *, records: bool, framing: Framing | None = None) -> None:
        """There is a connection. ``records``: what is handed in keeps the sender's boundaries, as TLS does.

        ``framing``: where it is known, by ALPN or because this side opened the connection and chooses it.
        """
        self._streams[peer] = stream = _Stream(records)
        if framing is not None:
            self._begin(stream, peer, framing)

    def receive_datagram(self, data: bytes, peer: Hashable, now: float) -> None:
        """Take what was read. A stream that breaks its framing is to be closed; RFC 8323 has an Abort for it."""
        stream = self._streams.get(peer)
        if stream is None or stream.closing:
            return
        try:
            self._read(stream, data, peer, now)
        except FormatError as error:
            self._fail(stream, peer, Refusal.FRAMING, str(error))

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        """What to write now, each item in one write: over TLS it is a record."""
        unwanted, self._unwanted = self._unwanted, []
        for event in unwanted:
            self.cancel_observation(event.peer, event.token, now)
        while datagrams := super().datagrams_to_send(now):
            for data, peer in datagrams:
                self._write(data, peer, now)
        written, self._written = self._written, []
        return written

    def streams_to_close(self) -> list[tuple[Hashable, str]]:
        """Connections to be closed, with the reason, now that everything was written."""
        closing, self._to_close = self._to_close, []
        return closing

    def framing_of(self, peer: Hashable) -> Framing | None:
        """How that peer cuts its stream into messages; None while it has not shown it."""
        stream = self._streams.get(peer)
        return None if stream is None else stream.framing

    def reject_notification(self, event: NotificationReceived) -> None:
        """RFC 8323 knows no Reset: the peer is asked to stop instead, where the observation's request is known (section 7.4)."""
        if self.framing_of(event.peer) is Framing.RFC8323:
            self._unwanted.append(event)
        else:
            super().reject_notification(event)

    def forget(self, peer: Hashable, now: float) -> None:
        """The connection is gone: drop everything of it; open exchanges fail."""
        self._streams.pop(peer, None)
        super().forget(peer, now)

    def _introduce(self, record: Peer) -> None:
        super()._introduce(record)
        stream = self._streams.get(record.address)
        record.stream = True
        if stream is not None and stream.framing is Framing.RFC8323:
            self._limit(record, stream)

    def _limit(self, record: Peer, stream: _Stream) -> None:
        largest = min(stream.max_message, MAX_STREAM_MESSAGE)
        record.limit(largest, BERT if stream.bert else MAX_SZX, room=largest - OVERHEAD)

    # Reading

    def _read(self, stream: _Stream, data: bytes, peer: Hashable, now: float) -> None:
        if stream.reader is None:
            data = stream.beginning + data
            framing = detect(data, records=stream.records)
            if framing is None:
                stream.beginning = data
                return
            stream.beginning = b""
            self._begin(stream, peer, framing)
        reader = stream.reader
        assert reader is not None
        if reader.framing is Framing.RECORD:
            super().receive_datagram(data, peer, now)
            return
        reader.feed(data)
        while not stream.closing and (frame := reader.next()) is not None:
            if reader.framing is Framing.PREFIX:
                super().receive_datagram(frame, peer, now)
            else:
                self._take_frame(stream, frame, peer, now)

    def _begin(self, stream: _Stream, peer: Hashable, framing: Framing) -> None:
        """The framing is known: what waited for it can go, a CSM before it where there is one."""
        stream.reader = FrameReader(framing, MAX_STREAM_MESSAGE)
        if framing is Framing.RFC8323:
            csm = Message(Signal.CSM).add(SignalOption.MAX_MESSAGE_SIZE, MAX_STREAM_MESSAGE)
            self._signal(peer, csm.add(SignalOption.BLOCK_WISE_TRANSFER, b""))
        held, stream.held = stream.held, []
        self._sender.outgoing[:0] = [(data, peer) for data in held]

    def _take_frame(self, stream: _Stream, frame: bytes, peer: Hashable, now: float) -> None:
        stream.mid = (stream.mid + 1) & 0xFFFF
        datagram = datagram_of(frame, stream.mid)
        code = datagram[1]
        if code >> 5 == 7:
            self._take_signal(stream, decode(datagram), peer, now)
        elif not stream.ready:
            raise FormatError("a message came before the CSM")
        elif code:  # an empty one says nothing here (section 3.4)
            malformed = self.refusals.counts[Refusal.MALFORMED]
            super().receive_datagram(datagram, peer, now)
            if self.refusals.counts[Refusal.MALFORMED] > malformed:
                self._fail(stream, peer, Refusal.FRAMING, "a message that is no CoAP")

    def _take_signal(self, stream: _Stream, message: Message, peer: Hashable, now: float) -> None:
        critical = [number for number, _ in message.options if number & 1]
        if critical:  # of those there are, none is critical
            self._fail(stream, peer, Refusal.SIGNAL, f"option {critical[0]} is not understood", critical[0])
            return
        match message.code:
            case Signal.CSM:
                self._take_capabilities(stream, message, peer, now)
            case Signal.PING:
                self._signal(peer, Message(Signal.PONG, token=message.token))
            case Signal.PONG:
                if len(message.token) == 2:
                    super().receive_datagram(bytes((0x40 | _RST << 4, 0)) + message.token, peer, now)
            case Signal.RELEASE:
                self._close(stream, peer, "the peer releases the connection")
            case Signal.ABORT:
                said = message.payload.decode(errors="replace")[:100]
                self._close(stream, peer, f"the peer aborts the connection: {said}")
            case _:
                self._fail(stream, peer, Refusal.SIGNAL, f"{format_code(message.code)} is not understood")

    def _take_capabilities(self, stream: _Stream, message: Message, peer: Hashable, now: float) -> None:
        """Settings of one CSM are added to those before it (section 5.3)."""
        stream.ready = True
        size = message.uint(SignalOption.MAX_MESSAGE_SIZE)
        if size is not None:
            stream.max_message = size
        if message.option(SignalOption.BLOCK_WISE_TRANSFER) is not None:
            stream.blocks = True
        self._limit(self._peers.touch(peer, now), stream)

    # Writing

    def _write(self, data: bytes, peer: Hashable, now: float) -> None:
        stream = self._streams.get(peer)
        if stream is None or stream.closing:
            return
        match stream.framing:
            case None:
                stream.held.append(data)
            case Framing.RECORD:
                self._written.append((data, peer))
            case Framing.PREFIX:
                self._written.append((prefixed(data), peer))
            case Framing.RFC8323 if data[1]:
                self._written.append((frame_of(data), peer))
                if data[0] >> 4 & 3 == _CON:
                    super().receive_datagram(bytes((0x40 | _ACK << 4, 0)) + data[2:4], peer, now)
            case Framing.RFC8323 if data[0] >> 4 & 3 == _CON:
                self._signal(peer, Message(Signal.PING, token=data[2:4]))

    def _signal(self, peer: Hashable, message: Message) -> None:
        self._written.append((frame_of(message.encode()), peer))

    # Ending

    def _fail(self, stream: _Stream, peer: Hashable, reason: Refusal, detail: str, option: int | None = None) -> None:
        """The peer broke the rules. It is told with an Abort if it can understand one (section 5.6)."""
        self.refusals.add(reason, peer, detail)
        if stream.framing is Framing.RFC8323:
            abort = Message(Signal.ABORT, payload=detail.encode())
            self._signal(peer, abort if option is None else abort.add(SignalOption.BAD_CSM_OPTION, option))
        self._close(stream, peer, detail)

    def _close(self, stream: _Stream, peer: Hashable, reason: str) -> None:
        stream.closing = True
        self._to_close.append((peer, reason))


__all__ = ["Framing", "StreamEndpoint"]
