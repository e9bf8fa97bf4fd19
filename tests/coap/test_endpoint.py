from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.coap.endpoint import Endpoint, TooManyRequests
from lamplighter.coap.events import (
    AnswerSent,
    RequestFailed,
    RequestReceived,
    RequestReset,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.exchange import Failure
from lamplighter.coap.limits import Limits
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.parameters import Parameters
from tests.coap.pair import Pair, get, request

EXACT = Parameters(ack_random_factor=1)


def answer_with_path(event: RequestReceived) -> Message:
    return Message(Code.CONTENT, payload="/".join(event.message.uri_path()).encode())


def server() -> Endpoint:
    return Endpoint(Random(3))


def test_a_request_is_answered_in_its_acknowledgement() -> None:
    pair = Pair(handler=answer_with_path)
    exchange = pair.client.request("server", get("3", "0", "1"), 0.0)
    pair.exchange()
    (event,) = pair.of("client", ResponseReceived)
    assert isinstance(event, ResponseReceived)
    assert event.exchange is exchange
    assert event.message.payload == b"3/0/1"
    assert [message.type for message in pair.sent("server")] == [Type.ACK]
    assert len(pair.of("server", AnswerSent)) == 1


def test_an_unacknowledged_request_is_repeated_after_2_4_8_and_16_seconds_and_given_up_after_62() -> None:
    pair = Pair(parameters=EXACT, fates={"client": ["lose"] * 5})
    exchange = pair.client.request("server", get("x"), 0.0)
    pair.run(61.9)
    assert [when for when, _, _ in pair.wire] == [0, 2, 6, 14, 30]
    assert len({message.encode() for message in pair.sent("client")}) == 1
    assert pair.events["client"] == []
    pair.run(1)
    assert pair.events["client"] == [RequestTimedOut(exchange, 4)]


def test_the_first_wait_is_drawn_between_ack_timeout_and_one_and_a_half_times_it() -> None:
    waits = []
    for seed in range(200):
        endpoint = Endpoint(Random(seed))
        endpoint.request("p", get("x"), 0.0)
        waits.append(endpoint.get_timer() or 0.0)
    assert 2 <= min(waits) < 2.1 and 2.9 < max(waits) <= 3


def test_a_request_may_have_its_own_parameters() -> None:
    pair = Pair(fates={"client": ["lose"] * 9})
    pair.client.request("server", get("x"), 0.0, parameters=Parameters(ack_random_factor=1, max_retransmit=5))
    pair.run(200)
    assert [when for when, _, _ in pair.wire] == [0, 2, 6, 14, 30, 62]
    assert isinstance(pair.events["client"][0], RequestTimedOut)


def test_a_lost_answer_is_repeated_from_memory_and_the_service_is_asked_once() -> None:
    pair = Pair(handler=answer_with_path, fates={"server": ["lose"]})
    pair.client.request("server", get("x"), 0.0)
    pair.run(10)
    assert len(pair.of("server", RequestReceived)) == 1
    assert len(pair.of("client", ResponseReceived)) == 1
    first, second = pair.sent("server")
    assert first == second


def test_a_request_repeated_while_it_is_worked_on_is_ignored() -> None:
    endpoint = server()
    data = bytes.fromhex("4101000a07b178")
    endpoint.receive_datagram(data, "p", 0.0)
    endpoint.receive_datagram(data, "p", 1.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived) and endpoint.next_event() is None
    assert endpoint.datagrams_to_send(1.0) == []
    endpoint.respond(event, Message(Code.CONTENT), 1.5)
    endpoint.receive_datagram(data, "p", 2.0)
    first, second = endpoint.datagrams_to_send(2.0)
    assert first == second


def test_the_same_message_id_is_a_new_request_after_the_lifetime_of_an_exchange_or_with_another_token() -> None:
    endpoint = server()
    for now, token in ((0.0, "07"), (1.0, "08"), (248.1, "08")):
        endpoint.receive_datagram(bytes.fromhex(f"4101000a{token}b178"), "p", now)
        assert isinstance(endpoint.next_event(), RequestReceived)


def test_a_repeated_non_confirmable_request_is_ignored_and_its_answer_is_not_repeated() -> None:
    endpoint = server()
    data = bytes.fromhex("5101000a07b178")
    endpoint.receive_datagram(data, "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT), 0.0)
    assert decode(endpoint.datagrams_to_send(0.0)[0][0]).type == Type.NON
    endpoint.receive_datagram(data, "p", 1.0)
    assert endpoint.next_event() is None
    assert endpoint.datagrams_to_send(1.0) == []


def test_what_is_remembered_of_one_peer_and_of_all_is_bounded() -> None:
    endpoint = Endpoint(Random(1), limits=Limits(messages_per_peer=4, messages=20))
    for peer in range(10):
        for mid in range(8):
            endpoint.receive_datagram(b"\x40\x01\x00" + bytes((mid,)), peer, 11.0 * peer)
    assert endpoint._peers.remembered <= 20
    assert len(endpoint._peers) <= 6


def test_a_silent_peer_is_cleared_and_then_no_timer_is_left() -> None:
    endpoint = server()
    endpoint.receive_datagram(b"\x40\x01\x00\x01", "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT), 0.0)
    due = endpoint.get_timer()
    assert due is not None and 247 <= due <= 260
    endpoint.handle_timer(due)
    assert endpoint.get_timer() is None
    assert len(endpoint._peers) == 0


def test_a_separate_response_is_repeated_until_it_is_acknowledged() -> None:
    pair = Pair(parameters=EXACT, fates={"server": ["pass", "lose", "lose"]})
    pair.client.request("server", request(Code.POST, "3", "0", "4"), 0.0)
    pair.exchange()
    (event,) = pair.of("server", RequestReceived)
    assert isinstance(event, RequestReceived)
    pair.server.acknowledge(event)
    pair.exchange()
    pair.now = 5.0
    pair.server.respond(event, Message(Code.CHANGED), 5.0, tell_when_sent=True)
    pair.run(30)
    acks = [message for message in pair.sent("server") if message.type == Type.ACK]
    responses = [message for message in pair.sent("server") if message.type == Type.CON]
    assert [ack.code for ack in acks] == [Code.EMPTY]
    assert [when for when, name, message in pair.wire if name == "server" and message.code] == [5, 7, 11]
    assert {response.token for response in responses} == {pair.sent("client")[0].token}
    assert len(pair.of("client", ResponseReceived)) == 1
    assert pair.client.get_timer() is not None  # only the clearing of old records is left
    pair.run(300)
    assert pair.client.get_timer() is None and pair.server.get_timer() is None


def test_a_separate_response_may_reuse_the_message_id_of_our_request() -> None:
    # The vendor's client does so: directions have their own message IDs (RFC 7252 section 4.4).
    endpoint = Endpoint(Random(5))
    exchange = endpoint.request("p", request(Code.POST, "1", "0", "8"), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    endpoint.receive_datagram(Message(0, type=Type.ACK, mid=sent.mid).encode() + b"\xc0", "p", 0.1)
    response = Message(Code.CHANGED, token=sent.token, mid=sent.mid)
    endpoint.receive_datagram(response.encode(), "p", 0.2)
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived) and event.exchange is exchange
    assert [decode(data).type for data, _ in endpoint.datagrams_to_send(0.2)] == [Type.ACK]
    endpoint.receive_datagram(response.encode(), "p", 0.3)
    assert [decode(data).type for data, _ in endpoint.datagrams_to_send(0.3)] == [Type.ACK]
    assert endpoint.next_event() is None


def test_a_separate_response_that_overtakes_the_acknowledgement_stops_the_repetition() -> None:
    pair = Pair(fates={"server": ["lose"]})
    pair.client.request("server", get("x"), 0.0)
    pair.exchange()
    (event,) = pair.of("server", RequestReceived)
    assert isinstance(event, RequestReceived)
    pair.server.acknowledge(event)
    pair.server.respond(event, Message(Code.CONTENT), 0.0)
    pair.run(60)
    assert len(pair.of("client", ResponseReceived)) == 1
    assert len(pair.sent("client")) == 2  # the request and the ACK of its response


def test_an_acknowledged_request_without_a_response_times_out() -> None:
    pair = Pair(parameters=Parameters(response_timeout=30))
    exchange = pair.client.request("server", get("x"), 0.0)
    pair.exchange()
    (event,) = pair.of("server", RequestReceived)
    assert isinstance(event, RequestReceived)
    pair.server.acknowledge(event)
    pair.run(31)
    assert pair.events["client"] == [RequestTimedOut(exchange, 0)]
    assert exchange.acknowledged


def test_one_request_at_a_time_is_outstanding_and_the_others_wait_in_order() -> None:
    pair = Pair()
    for name in "abc":
        pair.client.request("server", get(name), 0.0)
    pair.exchange()
    order = []
    for _ in range(3):
        event = pair.of("server", RequestReceived)[-1]
        assert isinstance(event, RequestReceived)
        order.append(event.message.uri_path()[0])
        pair.server.respond(event, Message(Code.CONTENT), 0.0)
        assert len(pair.of("server", RequestReceived)) == len(order)
        pair.exchange()
    assert order == ["a", "b", "c"]


def test_an_empty_acknowledgement_gives_the_turn_to_the_next_request() -> None:
    pair = Pair()
    for name in "ab":
        pair.client.request("server", get(name), 0.0)
    pair.exchange()
    (first,) = pair.of("server", RequestReceived)
    assert isinstance(first, RequestReceived)
    pair.server.acknowledge(first)
    pair.exchange()
    assert len(pair.of("server", RequestReceived)) == 2


def test_nstart_may_be_larger_and_peers_do_not_wait_for_each_other() -> None:
    endpoint = Endpoint(Random(1), Parameters(nstart=2))
    for peer in ("p", "q"):
        for _ in range(3):
            endpoint.request(peer, get("x"), 0.0)
    assert [peer for _, peer in endpoint.datagrams_to_send(0.0)] == ["p", "p", "q", "q"]


def test_requests_that_wait_are_bounded() -> None:
    endpoint = Endpoint(Random(1), limits=Limits(requests_per_peer=3))
    for _ in range(4):
        endpoint.request("p", get("x"), 0.0)
    with pytest.raises(TooManyRequests):
        endpoint.request("p", get("x"), 0.0)


def test_a_reset_ends_the_request() -> None:
    endpoint = Endpoint(Random(1))
    exchange = endpoint.request("p", get("x"), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    endpoint.receive_datagram(Message(0, type=Type.RST, mid=sent.mid).encode(), "p", 0.1)
    assert endpoint.next_event() == RequestReset(exchange)


def test_a_ping_is_answered_with_a_reset() -> None:
    endpoint = server()
    endpoint.receive_datagram(bytes.fromhex("40001234"), "p", 0.0)
    assert endpoint.datagrams_to_send(0.0) == [(bytes.fromhex("70001234"), "p")]
    assert endpoint.next_event() is None


@pytest.mark.parametrize("data", ["40011234f0", "40211234", "40e11234", "45451234aaaaaaaaaa"])
def test_a_confirmable_message_that_means_nothing_here_is_reset(data: str) -> None:
    endpoint = server()
    endpoint.receive_datagram(bytes.fromhex(data), "p", 0.0)
    assert endpoint.datagrams_to_send(0.0) == [(bytes.fromhex("70001234"), "p")]


@pytest.mark.parametrize("data", ["", "00", "60451234", "70001234", "50011234f0", "60011234", "51451234aa", "70451234"])
def test_other_messages_without_meaning_are_dropped(data: str) -> None:
    endpoint = server()
    endpoint.receive_datagram(bytes.fromhex(data), "p", 0.0)
    assert endpoint.datagrams_to_send(0.0) == []
    assert endpoint.next_event() is None


def test_a_response_is_matched_by_token_and_peer() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", get("x"), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    wrong_token = Message(Code.CONTENT, token=b"\x00", type=Type.ACK, mid=sent.mid)
    endpoint.receive_datagram(wrong_token.encode(), "p", 0.1)
    wrong_peer = Message(Code.CONTENT, token=sent.token, type=Type.ACK, mid=sent.mid)
    endpoint.receive_datagram(wrong_peer.encode(), "q", 0.1)
    assert endpoint.next_event() is None
    endpoint.receive_datagram(wrong_peer.encode(), "p", 0.2)
    assert isinstance(endpoint.next_event(), ResponseReceived)


def test_tokens_count_on_from_where_they_are_told() -> None:
    endpoint = Endpoint(Random(1), first_token=0x0002_FFFF_FFFF)
    assert endpoint.take_token().hex() == "000300000000"
    assert endpoint.take_token().hex() == "000300000001"


def test_a_token_in_use_is_refused() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", get("x"), 0.0, token=b"tok")
    with pytest.raises(ValueError, match="in use"):
        endpoint.request("p", get("y"), 0.0, token=b"tok")


def test_an_unknown_critical_option_is_answered_4_02_and_an_elective_one_is_ignored() -> None:
    endpoint = server()
    endpoint.receive_datagram(Message(Code.GET, [(2049, b"")], mid=1).encode(), "p", 0.0)
    assert endpoint.next_event() is None
    assert decode(endpoint.datagrams_to_send(0.0)[0][0]).code == Code.BAD_OPTION
    endpoint.receive_datagram(Message(Code.GET, [(2050, b"")], mid=2).encode(), "p", 0.0)
    assert isinstance(endpoint.next_event(), RequestReceived)


def test_a_forgotten_peers_exchanges_fail_and_nothing_more_is_sent_to_it() -> None:
    endpoint = Endpoint(Random(1))
    exchanges = [endpoint.request("p", get(name), 0.0) for name in "ab"]
    endpoint.datagrams_to_send(0.0)
    endpoint.forget("p", 1.0)
    endpoint.forget("stranger", 1.0)
    assert [endpoint.next_event(), endpoint.next_event()] == [
        RequestFailed(exchange, Failure.FORGOTTEN) for exchange in exchanges
    ]
    assert endpoint.get_timer() is None
    assert endpoint.datagrams_to_send(1.0) == []


def test_an_answer_to_a_forgotten_peer_goes_nowhere() -> None:
    endpoint = server()
    endpoint.receive_datagram(b"\x40\x01\x00\x01", "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.forget("p", 0.0)
    endpoint.respond(event, Message(Code.CONTENT), 0.0)
    assert endpoint.datagrams_to_send(0.0) == []


def test_a_request_is_answered_once() -> None:
    endpoint = server()
    endpoint.receive_datagram(b"\x40\x01\x00\x01", "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT), 0.0)
    with pytest.raises(ValueError, match="answered before"):
        endpoint.respond(event, Message(Code.CONTENT), 0.0)


def test_an_abandoned_request_ends_whether_it_was_sent_or_waits() -> None:
    endpoint = Endpoint(Random(1))
    first, second, third = (endpoint.request("p", get(name), 0.0) for name in "abc")
    endpoint.datagrams_to_send(0.0)
    endpoint.abandon(second, 0.0)
    endpoint.abandon(first, 0.0)
    endpoint.abandon(first, 0.0)
    assert endpoint.next_event() == RequestFailed(second, Failure.ABANDONED)
    assert endpoint.next_event() == RequestFailed(first, Failure.ABANDONED)
    assert endpoint.next_event() is None
    ((data, _),) = endpoint.datagrams_to_send(0.0)
    assert decode(data).token == third.token


def test_answer_sent_comes_after_the_answer_was_taken_for_sending() -> None:
    endpoint = server()
    endpoint.receive_datagram(b"\x40\x01\x00\x01", "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT), 0.0, tell_when_sent=True)
    assert endpoint.next_event() is None
    endpoint.datagrams_to_send(0.0)
    assert endpoint.next_event() == AnswerSent(event)


def test_a_long_answer_to_a_get_is_made_again_for_a_repetition() -> None:
    endpoint = server()
    data = Message(Code.GET, [(Option.URI_PATH, b"x")], mid=1).encode()
    for _ in range(2):
        endpoint.receive_datagram(data, "p", 0.0)
        event = endpoint.next_event()
        assert isinstance(event, RequestReceived)
        endpoint.respond(event, Message(Code.CONTENT, payload=bytes(400)), 0.0)
    assert endpoint._peers.remembered == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["pass", "lose", "twice", "late"]), max_size=12),
    st.lists(st.sampled_from(["pass", "lose", "twice", "late"]), max_size=12),
    st.integers(0, 1000),
)
def test_on_any_network_each_request_ends_once_and_is_served_at_most_once(
    to_server: list[str], to_client: list[str], seed: int
) -> None:
    pair = Pair(handler=answer_with_path, seed=seed, fates={"client": to_server, "server": to_client})
    exchanges = [pair.client.request("server", get(str(number)), 0.0) for number in range(4)]
    pair.run(600)
    ended = [event for event in pair.events["client"] if isinstance(event, ResponseReceived | RequestTimedOut)]
    assert [event.exchange for event in ended] == exchanges
    served = [event.message.uri_path() for event in pair.of("server", RequestReceived)]
    assert len(served) == len(set(served))
    for event in ended:
        if isinstance(event, ResponseReceived):
            assert event.message.payload.decode() == event.exchange.request.uri_path()[0]
    assert pair.client.get_timer() is None and pair.server.get_timer() is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=8))
def test_random_datagrams_never_raise(datagrams: list[tuple[bytes, bool]]) -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", get("x"), 0.0, token=b"")
    for data, shaped in datagrams:
        endpoint.receive_datagram(b"\x40" + data if shaped else data, "p", 0.0)
        while (event := endpoint.next_event()) is not None:
            if isinstance(event, RequestReceived):
                endpoint.respond(event, Message(Code.NOT_FOUND), 0.0)
        endpoint.datagrams_to_send(0.0)
