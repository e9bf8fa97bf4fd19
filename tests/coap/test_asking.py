"""How requests of ours go out: unconfirmed, with the size of blocks in the first, told apart, within what the peer takes."""

from __future__ import annotations

from random import Random

import pytest

from lamplighter.coap.blockwise import block_of
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import (
    DeliveryReset,
    DeliveryTimedOut,
    RequestReceived,
    RequestReset,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.parameters import Parameters
from tests.coap.pair import Pair, get, request

BODY = bytes(range(256)) * 8
EXACT = Parameters(ack_random_factor=1)


def unconfirmed(*path: str) -> Message:
    message = get(*path)
    message.type = Type.NON
    return message


def sent(endpoint: Endpoint, now: float = 0.0) -> list[Message]:
    return [decode(data) for data, _ in endpoint.datagrams_to_send(now)]


# Without acknowledgement: RFC 7252 sections 4.3 and 4.7


def test_an_unconfirmed_request_is_sent_once_and_times_out() -> None:
    pair = Pair(parameters=EXACT, fates={"client": ["lose"]})
    exchange = pair.client.request("server", unconfirmed("x"), 0.0)
    pair.run(61)  # MAX_TRANSMIT_WAIT without its random factor is 62 s
    assert [message.type for message in pair.sent("client")] == [Type.NON]
    assert pair.events["client"] == []
    pair.run(2)
    assert pair.events["client"] == [RequestTimedOut(exchange, 0)]


def test_an_unconfirmed_request_is_answered_without_confirmation() -> None:
    pair = Pair(handler=lambda event: Message(Code.CONTENT, payload=b"1"))
    pair.client.request("server", unconfirmed("x"), 0.0)
    pair.run(200)
    assert [message.type for message in pair.sent("server")] == [Type.NON]
    (event,) = pair.events["client"]
    assert isinstance(event, ResponseReceived) and event.message.payload == b"1"


def test_a_peer_that_says_nothing_is_asked_with_confirmation_until_it_speaks_or_time_has_passed() -> None:
    endpoint = Endpoint(Random(1), Parameters(ack_random_factor=1, nstart=9))
    types = []
    for now in (0.0, 1.0):
        endpoint.request("p", unconfirmed("temperature"), now)
        types += [message.type for message in sent(endpoint, now)]
    assert types == [Type.NON, Type.CON]
    endpoint.receive_datagram(Message(0, type=Type.CON, mid=1).encode(), "p", 2.0)  # a sign of life
    sent(endpoint)
    endpoint.request("p", unconfirmed("temperature"), 2.0)
    assert sent(endpoint, 2.0)[0].type == Type.NON
    endpoint.request("p", unconfirmed("temperature"), 30.0)  # 22 bytes, at one a second
    assert sent(endpoint, 30.0)[-1].type == Type.NON


def test_notifications_that_nobody_acknowledges_are_confirmed_now_and_then() -> None:
    endpoint = Endpoint(Random(1))
    types = []
    for number in range(3):
        notification = Message(Code.CONTENT, type=Type.NON).add(Option.OBSERVE, number)
        endpoint.notify("p", b"\x01", notification, 0.0)
        types += [message.type for message in sent(endpoint)]
    assert types == [Type.NON, Type.CON, Type.CON]


def test_a_reset_of_an_unconfirmed_message_ends_the_request_or_tells_the_notifier() -> None:
    endpoint = Endpoint(Random(1))
    exchange = endpoint.request("p", unconfirmed("x"), 0.0)
    (asked,) = sent(endpoint)
    endpoint.receive_datagram(Message(0, type=Type.RST, mid=asked.mid).encode(), "p", 0.1)
    assert endpoint.next_event() == RequestReset(exchange)
    delivery = endpoint.notify("p", b"\x01", Message(Code.CONTENT, type=Type.NON), 1.0)
    (notification,) = sent(endpoint)
    for _ in range(2):
        endpoint.receive_datagram(Message(0, type=Type.RST, mid=notification.mid).encode(), "p", 1.1)
    assert endpoint.next_event() == DeliveryReset(delivery)
    assert endpoint.next_event() is None


# Ping: section 4.3


def test_a_ping_of_ours_learns_whether_the_peer_is_there() -> None:
    pair = Pair(parameters=EXACT)
    there = pair.client.ping("server", 0.0)
    pair.exchange()
    assert pair.events["client"] == [DeliveryReset(there)]
    assert [message.encode()[:2] for message in pair.sent("client")] == [b"\x40\x00"]
    pair.fates["client"] = ["lose"] * 5
    gone = pair.client.ping("server", 0.0)
    pair.run(70)
    assert pair.events["client"][1:] == [DeliveryTimedOut(gone)]


# What the peer takes


def small(peer: object) -> int:
    return 512


def test_a_peer_that_takes_short_messages_gets_short_blocks_and_is_asked_for_them_at_once() -> None:
    endpoint = Endpoint(Random(1), max_message=small)
    endpoint.request("p", get("3"), 0.0)
    (asked,) = sent(endpoint)
    assert block_of(asked, Option.BLOCK2) == (0, False, 4)
    endpoint.receive_datagram(Message(Code.CONTENT, token=asked.token, type=Type.ACK, mid=asked.mid).encode(), "p", 0.0)
    endpoint.request("p", request(Code.PUT, "3", payload=BODY), 0.0)
    (put,) = sent(endpoint)
    assert block_of(put, Option.BLOCK1) == (0, True, 4) and block_of(put, Option.BLOCK2) is None
    assert len(put.encode()) <= 512


def test_an_ordinary_peer_is_not_sent_a_block2_that_old_parsers_may_not_expect() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", get("3"), 0.0)
    assert block_of(sent(endpoint)[0], Option.BLOCK2) is None


def test_a_peer_cannot_ask_for_larger_blocks_than_its_session_carries() -> None:
    endpoint = Endpoint(Random(1), max_message=small)
    endpoint.receive_datagram(get("3").add(Option.BLOCK2, b"\x06").encode(), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT, payload=BODY), 0.0)
    (answer,) = sent(endpoint)
    assert block_of(answer, Option.BLOCK2) == (0, True, 4)
    assert len(answer.encode()) <= 512


# Bodies side by side: RFC 9175 section 3


def test_a_body_on_its_way_to_the_resource_of_another_has_a_request_tag_and_a_single_one_has_none() -> None:
    endpoint = Endpoint(Random(1), Parameters(nstart=3))
    endpoint.request("p", request(Code.PUT, "a", payload=BODY), 0.0)
    second = endpoint.request("p", request(Code.PUT, "a", payload=BODY), 0.0)
    endpoint.request("p", request(Code.PUT, "b", payload=BODY), 0.0)
    tags = [message.option(Option.REQUEST_TAG) for message in sent(endpoint)]
    assert tags == [None, second.token, None]


def test_bodies_with_different_request_tags_are_put_together_apart() -> None:
    pair = Pair(
        parameters=Parameters(nstart=2), handler=lambda event: Message(Code.CONTENT, payload=event.message.payload)
    )
    first = pair.client.request("server", request(Code.POST, "a", payload=b"1" * 1300), 0.0)
    second = pair.client.request("server", request(Code.POST, "a", payload=b"2" * 1300), 0.0)
    pair.exchange()
    got = {event.exchange: event.message.payload for event in pair.of("client", ResponseReceived)}  # type: ignore[attr-defined]
    assert got == {first: b"1" * 1300, second: b"2" * 1300}


# Tokens: RFC 9175 section 4


def test_tokens_go_on_from_the_one_handed_in_and_never_repeat() -> None:
    endpoint = Endpoint(Random(1), first_token=7 << 32)
    tokens = [endpoint.take_token() for _ in range(1000)]
    assert len(set(tokens)) == 1000
    assert tokens[0] == bytes.fromhex("000700000001")
    with pytest.raises(ValueError, match="in use"):
        endpoint.request("p", get("x"), 0.0, token=tokens[0])
        endpoint.request("p", get("x"), 0.0, token=tokens[0])


# RFC 8132


@pytest.mark.parametrize("code", [Code.FETCH, Code.PATCH, Code.IPATCH])
def test_the_methods_of_rfc_8132_carry_bodies_both_ways(code: Code) -> None:
    pair = Pair(handler=lambda event: Message(Code.CONTENT, payload=event.message.payload[::-1]))
    pair.client.request("server", request(code, "", payload=BODY[:1500]), 0.0)
    pair.exchange()
    (event,) = pair.of("client", ResponseReceived)
    assert isinstance(event, ResponseReceived) and event.message.payload == BODY[:1500][::-1]
    assert len(pair.of("server", RequestReceived)) == 1


def test_a_fetch_says_again_what_it_asks_for_with_each_block_of_the_answer() -> None:
    pair = Pair(handler=lambda event: Message(Code.CONTENT, payload=BODY))
    pair.client.request("server", request(Code.FETCH, "x", payload=b"[/3/0/1]"), 0.0)
    pair.exchange()
    assert {message.payload for message in pair.sent("client")} == {b"[/3/0/1]"}
    assert len(pair.of("server", RequestReceived)) == 1
