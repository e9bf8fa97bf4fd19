"""What the engine refuses by itself, how, and that it counts it by reason (RFC 7252 sections 4.2, 4.3, 5.4 and 5.8)."""

from __future__ import annotations

from random import Random

import pytest

from lamplighter.coap.blockwise import Block
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestFailed, RequestReceived
from lamplighter.coap.exchange import Failure
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.refusals import Refusal
from tests.coap.pair import get, request


def received(data: bytes) -> tuple[Endpoint, list[Message]]:
    """An endpoint that was sent this, and what it sent back."""
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(data, "p", 0.0)
    return endpoint, [decode(out) for out, _ in endpoint.datagrams_to_send(0.0)]


def counted(endpoint: Endpoint) -> dict[Refusal, int]:
    return {reason: count for reason, count in endpoint.refusals.counts.items() if count}


@pytest.mark.parametrize(
    ("data", "reset"),
    [
        ("4001000aff", True),  # a payload marker without payload, confirmable
        ("5001000aff", False),  # the same, non-confirmable
        ("6045000aff", False),
        ("4901000a", True),  # a reserved token length
        ("0001000a", False),  # version 0 is ignored in silence (section 3)
        ("8001000a", False),
        ("40", False),
        ("", False),
    ],
)
def test_a_malformed_message_is_reset_if_confirmable_and_else_dropped(data: str, reset: bool) -> None:
    endpoint, answers = received(bytes.fromhex(data))
    assert [(answer.type, answer.mid) for answer in answers] == ([(Type.RST, 10)] if reset else [])
    assert counted(endpoint) == {Refusal.MALFORMED: 1}
    assert endpoint.refusals.last is not None and endpoint.refusals.last[1] == "p"


@pytest.mark.parametrize("code", [0x20, 0xC0, 0xE1])
def test_a_reserved_class_is_reset_if_confirmable_and_else_dropped(code: int) -> None:
    endpoint, answers = received(Message(code, mid=7).encode())
    assert [answer.type for answer in answers] == [Type.RST]
    assert counted(endpoint) == {Refusal.RESERVED: 1}
    endpoint, answers = received(Message(code, type=Type.NON).encode())
    assert answers == [] and counted(endpoint) == {Refusal.RESERVED: 1}


def test_an_unknown_method_is_answered_4_05() -> None:
    endpoint, (answer,) = received(Message(0x08, mid=7).encode())
    assert (answer.type, answer.code) == (Type.ACK, Code.METHOD_NOT_ALLOWED)
    assert counted(endpoint) == {Refusal.RESERVED: 1}


@pytest.mark.parametrize(
    "options",
    [
        [(9, b"")],  # OSCORE, which we do not speak
        [(Option.IF_MATCH, b"e")],  # a condition nobody here would check
        [(65001, b"x")],
        [(Option.ACCEPT, b"123")],  # too long
        [(Option.ACCEPT, b"\x28"), (Option.ACCEPT, b"\x2a")],  # may come once
        [(Option.URI_PATH, bytes(256))],
        [(Option.URI_HOST, b"")],  # too short
        [(Option.BLOCK1, b"\x07")],
        [(Option.BLOCK2, b"\x08"), (Option.BLOCK2, b"\x08")],
    ],
)
def test_a_critical_option_that_is_not_understood_is_answered_4_02_or_dropped(
    options: list[tuple[int, bytes]],
) -> None:
    endpoint, (answer,) = received(Message(Code.GET, options, mid=7).encode())
    assert (answer.type, answer.code) == (Type.ACK, Code.BAD_OPTION)
    assert endpoint.next_event() is None and counted(endpoint) == {Refusal.OPTION: 1}
    endpoint, answers = received(Message(Code.GET, options, type=Type.NON).encode())
    assert answers == [] and endpoint.next_event() is None and counted(endpoint) == {Refusal.OPTION: 1}


@pytest.mark.parametrize("number", [8, 2048, Option.NO_RESPONSE, Option.ECHO])
def test_an_elective_option_that_is_not_understood_is_ignored(number: int) -> None:
    endpoint, answers = received(Message(Code.GET, [(number, b"12345678")]).encode())
    assert isinstance(endpoint.next_event(), RequestReceived) and answers == []


def test_an_elective_option_of_a_wrong_length_counts_as_absent() -> None:
    message = Message(
        Code.GET, [(Option.OBSERVE, bytes(4)), (Option.CONTENT_FORMAT, bytes(3)), (Option.MAX_AGE, bytes(5))]
    )
    assert (message.observe, message.content_format, message.max_age) == (None, None, 60)
    assert Message(Code.CONTENT, [(Option.ETAG, bytes(9))]).etag is None


@pytest.mark.parametrize("type", [Type.ACK, Type.CON, Type.NON])
def test_a_response_with_an_unknown_critical_option_is_rejected_and_fails_the_request(type: Type) -> None:
    endpoint = Endpoint(Random(1))
    exchange = endpoint.request("p", get("3"), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    mid = sent.mid if type == Type.ACK else 500
    endpoint.receive_datagram(Message(Code.CONTENT, [(9, b"")], b"1", sent.token, type, mid).encode(), "p", 0.1)
    assert endpoint.next_event() == RequestFailed(exchange, Failure.CRITICAL_OPTION)
    resets = [decode(out).type for out, _ in endpoint.datagrams_to_send(0.1)]
    assert resets == ([] if type == Type.ACK else [Type.RST])
    assert endpoint.refusals.counts[Refusal.OPTION] == 1


def test_a_response_to_nothing_asked_is_reset_if_confirmable() -> None:
    endpoint, (answer,) = received(Message(Code.CONTENT, token=b"x", mid=3).encode())
    assert answer.type == Type.RST and counted(endpoint) == {Refusal.UNEXPECTED: 1}
    endpoint, answers = received(Message(Code.CONTENT, token=b"x", type=Type.NON).encode())
    assert answers == [] and counted(endpoint) == {Refusal.UNEXPECTED: 1}


def test_an_acknowledgement_with_another_token_is_counted_and_changes_nothing() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", get("3"), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    endpoint.receive_datagram(Message(Code.CONTENT, token=b"other", type=Type.ACK, mid=sent.mid).encode(), "p", 0.1)
    assert endpoint.next_event() is None
    assert counted(endpoint) == {Refusal.UNEXPECTED: 1}
    endpoint.handle_timer(3.0)
    assert len(endpoint.datagrams_to_send(3.0)) == 1  # it is repeated all the same


def test_a_block_out_of_order_is_counted() -> None:
    message = request(Code.PUT, "x", payload=bytes(16)).add(Option.BLOCK1, Block(3, True, 0).encode())
    endpoint, (answer,) = received(message.encode())
    assert answer.code == Code.REQUEST_ENTITY_INCOMPLETE
    assert counted(endpoint) == {Refusal.BLOCK: 1}
