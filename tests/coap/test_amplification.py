"""What a peer gets before it has proved to be where its datagrams come from: RFC 7252 section 11.3."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lamplighter.coap.blockwise import Block, block_of
from lamplighter.coap.endpoint import AMPLIFICATION, Endpoint
from lamplighter.coap.events import RequestReceived, ResponseReceived
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from tests.coap.pair import get, request

BODY = bytes(range(256)) * 8


def unverified() -> Endpoint:
    return Endpoint(Random(1), verified=False)


def answer(endpoint: Endpoint, data: bytes, code: Code = Code.CONTENT, payload: bytes = BODY) -> list[bytes]:
    """What leaves after that datagram, its request answered with the payload."""
    endpoint.receive_datagram(data, "p", 0.0)
    while (event := endpoint.next_event()) is not None:
        if isinstance(event, RequestReceived):
            endpoint.respond(event, Message(code, payload=payload), 0.0)
    return [out for out, _ in endpoint.datagrams_to_send(0.0)]


def test_a_long_answer_goes_in_blocks_as_small_as_the_request_allows() -> None:
    asked = get("3", "0", "1").encode()
    (out,) = answer(unverified(), asked)
    assert len(out) <= AMPLIFICATION * len(asked)
    assert block_of(decode(out), Option.BLOCK2) == (0, True, 0)


def test_the_whole_body_can_be_fetched_in_such_blocks() -> None:
    endpoint = unverified()
    body = b""
    more = True
    while more:
        block = Block(len(body) // 16, False, 0)
        message = get("3", "0", "1").add(Option.BLOCK2, block.encode())
        message.mid = len(body)
        (out,) = answer(endpoint, message.encode(), payload=BODY[:200])
        part = decode(out)
        body += part.payload
        found = block_of(part, Option.BLOCK2)
        assert found is not None
        more = found.more
    assert body == BODY[:200]


def test_an_error_loses_its_diagnostic_text_when_that_is_too_long() -> None:
    (out,) = answer(unverified(), get("3").encode(), Code.BAD_REQUEST, b"why " * 50)
    assert decode(out) == Message(Code.BAD_REQUEST, type=Type.ACK)
    (out,) = answer(unverified(), get("3").encode(), Code.BAD_REQUEST, b"?")
    assert decode(out).payload == b"?"


def test_a_peer_that_acknowledged_a_message_of_ours_gets_whole_blocks() -> None:
    endpoint = unverified()
    (out,) = answer(endpoint, request(Code.POST, "rd", payload=b"</3/0>").encode(), Code.CREATED, b"")
    endpoint.request("p", get("3"), 0.0)
    (asked,) = [decode(data) for data, _ in endpoint.datagrams_to_send(0.0)]
    endpoint.receive_datagram(Message(0, type=Type.ACK, mid=asked.mid).encode(), "p", 0.0)
    message = get("fw")
    message.mid = 77
    (out,) = answer(endpoint, message.encode())
    assert len(decode(out).payload) == 512


def test_a_peer_that_answered_under_our_token_gets_whole_blocks() -> None:
    endpoint = unverified()
    answer(endpoint, request(Code.POST, "rd", payload=b"</3/0>").encode(), Code.CREATED, b"")
    endpoint.request("p", get("3"), 0.0)
    (asked,) = [decode(data) for data, _ in endpoint.datagrams_to_send(0.0)]
    endpoint.receive_datagram(Message(Code.CONTENT, token=asked.token, type=Type.NON, mid=5).encode(), "p", 0.0)
    assert isinstance(endpoint.next_event(), ResponseReceived)
    message = get("fw")
    message.mid = 77
    (out,) = answer(endpoint, message.encode())
    assert len(decode(out).payload) == 512


def test_repetitions_to_a_silent_address_are_withheld_when_its_credit_is_used_up() -> None:
    endpoint = unverified()
    answer(endpoint, get("3").encode(), Code.CREATED, b"")
    endpoint.request("p", get("3", "0", "1"), 0.0)
    sent = 0
    while (due := endpoint.get_timer()) is not None and due < 100:
        sent += len(endpoint.datagrams_to_send(due))
        endpoint.handle_timer(due)
    assert sent == 0
    assert endpoint.withheld == 5


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=60), st.integers(0, 3000)), max_size=20))
def test_no_sequence_of_datagrams_draws_out_more_than_three_times_its_bytes(steps: list[tuple[bytes, int]]) -> None:
    endpoint = unverified()
    received = sent = 0
    for mid, (path, size) in enumerate(steps):
        message = Message(Code.GET, [(Option.URI_PATH, path)], mid=mid)
        received += len(message.encode())
        for out in answer(endpoint, message.encode(), payload=bytes(size)):
            sent += len(out)
        assert sent <= AMPLIFICATION * received
