from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.dtls.failures import HandshakeError
from lamplighter.dtls.fragments import AHEAD_LIMIT, HANDSHAKE_LIMIT, RANGES_LIMIT, Reassembler
from lamplighter.dtls.handshake import Fragment, parse_fragments

BODY = bytes(range(256)) * 4


@settings(deadline=None)
@given(st.data())
def test_a_message_comes_together_from_pieces_in_any_order(data: st.DataObject) -> None:
    edges = sorted(data.draw(st.sets(st.integers(1, len(BODY) - 1), max_size=40)) | {0, len(BODY)})
    pieces = [(first, BODY[first:last]) for first, last in zip(edges, edges[1:], strict=False)]
    overlapping = data.draw(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 24)), max_size=10))
    pieces += [(first, BODY[first : first + length]) for first, length in overlapping]
    reassembler = Reassembler(3)
    for first, piece in data.draw(st.permutations(pieces)):
        reassembler.add(Fragment(11, len(BODY), 3, first, piece))
    assert reassembler.next_message() == (11, 3, BODY)
    assert reassembler.next_message() is None


def test_messages_are_given_in_their_order() -> None:
    reassembler = Reassembler(0)
    reassembler.add(Fragment(16, 1, 1, 0, b"b"))
    assert reassembler.next_message() is None
    reassembler.add(Fragment(11, 1, 0, 0, b"a"))
    assert reassembler.next_message() == (11, 0, b"a")
    assert reassembler.next_message() == (16, 1, b"b")


def test_what_is_old_or_far_ahead_is_not_kept() -> None:
    reassembler = Reassembler(5)
    for sequence in (4, 6 + AHEAD_LIMIT):
        reassembler.add(Fragment(11, 10_000, sequence, 0, b""))
    reassembler.add(Fragment(11, 10_000, 5, 0, b""))  # would be too much with either of them


def test_a_peer_cannot_make_us_keep_more_than_the_limit() -> None:
    reassembler = Reassembler(0)
    reassembler.add(Fragment(11, HANDSHAKE_LIMIT, 0, 0, b""))
    with pytest.raises(HandshakeError):
        reassembler.add(Fragment(16, 1, 1, 0, b"a"))


def test_a_message_in_crumbs_is_refused() -> None:
    reassembler = Reassembler(0)
    with pytest.raises(HandshakeError, match="pieces"):
        for at in range(0, 4 * RANGES_LIMIT, 2):
            reassembler.add(Fragment(11, 1000, 0, at, b"a"))


def test_a_piece_that_does_not_fit_its_message_is_ignored() -> None:
    reassembler = Reassembler(0)
    reassembler.add(Fragment(11, 4, 0, 0, b"ab"))
    reassembler.add(Fragment(12, 4, 0, 2, b"xx"))
    reassembler.add(Fragment(11, 9, 0, 2, b"xx"))
    reassembler.add(Fragment(11, 4, 0, 2, b"cd"))
    assert reassembler.next_message() == (11, 0, b"abcd")


@pytest.mark.parametrize(
    "payload", [b"\x01", bytes(11), b"\x01\0\0\x04\0\0\0\0\0\0\0\x05", b"\x01\0\0\x01\0\0\0\0\x01\0\0\x01a"]
)
def test_a_fragment_outside_its_message_is_malformed(payload: bytes) -> None:
    with pytest.raises(HandshakeError):
        parse_fragments(payload)
