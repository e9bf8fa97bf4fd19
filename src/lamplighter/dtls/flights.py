"""What one side of a handshake says: its flights, their numbers, and the transcript (RFC 6347 sections 4.2.2 to 4.2.4)."""

from __future__ import annotations

from collections.abc import Iterable

from .handshake import HEADER_LENGTH, fragment_header, message
from .numbers import DTLS_1_2, AlertDescription, AlertLevel, ContentType, HandshakeType
from .records import PLAINTEXT_LIMIT, plaintext_record
from .sessions import Session

RECORD_ROOM = 65
"""Bytes set aside in a datagram for a record's header, nonce, tag and connection ID of up to 27 bytes."""


class Flights:
    """Numbers messages and records, and keeps the last flight: it may have to be sent again."""

    __slots__ = ("_entries", "_mtu", "fragment_limit", "next_record", "next_sequence", "session", "transcript")

    def __init__(self, mtu: int, *, sequence: int = 0, record: int = 0) -> None:
        """``sequence``, ``record``: message_seq of the first message, sequence number of the first record of epoch 0."""
        self.transcript = bytearray()
        """The messages of both sides, each in one fragment."""
        self.fragment_limit = PLAINTEXT_LIMIT
        """Bytes of plaintext in a record that the peer takes."""
        self.session: Session | None = None
        """From the moment its keys exist: records of epoch 1 are its own."""
        self.next_sequence = sequence
        self.next_record = record
        self._mtu = mtu
        self._entries: list[tuple[ContentType, int, bytes]] = []
        """Content type, epoch, and the payload: for handshake messages the whole message."""

    def begin(self) -> None:
        """A new flight: the one before has arrived."""
        self._entries.clear()

    def say(self, kind: HandshakeType, body: bytes, epoch: int = 0) -> None:
        whole = message(kind, self.next_sequence, body)
        self.next_sequence += 1
        self.transcript += whole
        self._entries.append((ContentType.HANDSHAKE, epoch, whole))

    def change_cipher_spec(self) -> None:
        self._entries.append((ContentType.CHANGE_CIPHER_SPEC, 0, b"\1"))

    def datagrams(self) -> list[bytes]:
        """The flight in datagrams and records that keep to the limits; in new records each time, as replay windows want."""
        mtu, limit = self._mtu, min(self.fragment_limit, self._mtu - RECORD_ROOM)
        datagrams = [b""]
        for kind, epoch, payload in self._entries:
            for piece in _pieces(kind, payload, limit):
                record = self._record(kind, epoch, piece)
                if datagrams[-1] and len(datagrams[-1]) + len(record) > mtu:
                    datagrams.append(b"")
                datagrams[-1] += record
        return datagrams

    def final(self, verify_data: bytes) -> FinalFlight:
        """A server's last: it is not a part of the transcript, and outlives the handshake."""
        assert self.session is not None
        finished = message(HandshakeType.FINISHED, self.next_sequence, verify_data)
        return FinalFlight(self.session, finished, self.next_record)

    def alert(self, description: AlertDescription) -> bytes:
        """A fatal alert in epoch 0."""
        return self._record(ContentType.ALERT, 0, bytes((AlertLevel.FATAL, description)))

    def _record(self, content_type: ContentType, epoch: int, payload: bytes) -> bytes:
        if epoch:
            assert self.session is not None
            return self.session.writer.protect(content_type, payload)
        record = plaintext_record(content_type, DTLS_1_2, self.next_record, payload)
        self.next_record += 1
        return record


class FinalFlight:
    """ChangeCipherSpec and Finished of a server: small, because it is kept a while after each handshake."""

    __slots__ = ("_finished", "_record", "_session")

    def __init__(self, session: Session, finished: bytes, record: int) -> None:
        """``record``: the next sequence number of epoch 0."""
        self._session = session
        self._finished = finished
        self._record = record

    def datagram(self) -> bytes:
        """The flight in new records. Raises SequenceExhausted."""
        change = plaintext_record(ContentType.CHANGE_CIPHER_SPEC, DTLS_1_2, self._record, b"\1")
        self._record += 1
        return change + self._session.writer.protect(ContentType.HANDSHAKE, self._finished)


def _pieces(kind: ContentType, payload: bytes, limit: int) -> Iterable[bytes]:
    if kind != ContentType.HANDSHAKE or len(payload) <= limit:
        return [payload]
    body = payload[HEADER_LENGTH:]
    sequence = int.from_bytes(payload[4:6], "big")
    step = limit - HEADER_LENGTH
    return [
        fragment_header(payload[0], len(body), sequence, at, len(body[at : at + step])) + body[at : at + step]
        for at in range(0, len(body), step)
    ]
