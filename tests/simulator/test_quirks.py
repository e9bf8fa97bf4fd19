"""The vendor's quirks, datagram by datagram (wire facts section 1)."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.simulator.quirks import Quirks

POST = Message(Code.POST, [(Option.URI_PATH, b"1")], b"", b"\x01\x02\x03\x04", Type.CON, 1051)
ANSWER = Message(Code.CHANGED, [], b"", POST.token, Type.CON, 7)


def empty(kind: Type, mid: int) -> bytes:
    return Message(Code.EMPTY, type=kind, mid=mid).encode()


def test_an_empty_acknowledgement_has_an_option_byte_and_a_reset_has_not() -> None:
    quirks = Quirks()
    assert quirks.outgoing(empty(Type.ACK, 0x1234)) == bytes.fromhex("60001234c0")
    assert quirks.outgoing(empty(Type.RST, 0x1234)) == bytes.fromhex("70001234")


def test_a_separate_answer_borrows_the_message_id_until_it_is_acknowledged() -> None:
    quirks = Quirks()
    quirks.separate(POST)
    for _ in range(2):  # sent again, it is the same
        assert decode(quirks.outgoing(ANSWER.encode())).mid == 1051
    assert quirks.incoming(empty(Type.ACK, 1051)) == (empty(Type.ACK, 7), None)
    assert quirks.incoming(empty(Type.ACK, 1051)) == (empty(Type.ACK, 1051), None)
    assert quirks.outgoing(ANSWER.encode()) == ANSWER.encode()


def test_other_messages_keep_their_ids() -> None:
    quirks = Quirks()
    quirks.separate(POST)
    other = Message(Code.CONTENT, [], b"", b"\x09\x09", Type.CON, 8).encode()
    own = Message(Code.POST, [], b"", POST.token, Type.CON, 9).encode()
    assert quirks.outgoing(other) == other and quirks.outgoing(own) == own
    quirks.clear()
    assert quirks.outgoing(ANSWER.encode()) == ANSWER.encode()


@pytest.mark.parametrize(("size", "refused"), [(512, False), (513, True)])
def test_a_payload_above_a_block_is_refused_with_its_size(size: int, refused: bool) -> None:
    data = Message(Code.PUT, [(Option.URI_PATH, b"5000")], b"x" * size, b"\x07", Type.CON, 99).encode()
    taken, answer = Quirks().incoming(data)
    assert (taken is None) == refused
    if refused:
        assert answer is not None
        message = decode(answer)
        assert (message.type, message.code, message.mid) == (Type.ACK, Code.REQUEST_ENTITY_TOO_LARGE, 99)
        assert message.token == b"\x07" and message.option(Option.BLOCK1) == b"\x0d"


@pytest.mark.parametrize(
    "data",
    [
        Message(Code.CONTENT, [], b"x" * 600, b"\x07", Type.ACK, 99).encode(),
        b"\x40" + bytes(600),
        b"\xff" * 600,
    ],
    ids=["an answer", "no message", "noise"],
)
def test_what_is_no_large_request_goes_through(data: bytes) -> None:
    assert Quirks().incoming(data) == (data, None)
    large = Message(Code.PUT, [], b"x" * 600, b"\x07", Type.CON, 99).encode()
    assert Quirks(block_size=None).incoming(large) == (large, None)
