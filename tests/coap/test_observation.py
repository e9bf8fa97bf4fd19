"""Observing over the endpoint: who is told what, and when it is acknowledged."""

from __future__ import annotations

from random import Random

from lamplighter.coap.blockwise import Block, block_of
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import (
    DeliveryAcknowledged,
    DeliveryReset,
    DeliveryTimedOut,
    NotificationReceived,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.parameters import Parameters
from tests.coap.pair import Pair, get

AUTO = b"\x01\x5f"


def observing(**options: int) -> Message:
    return get("3", "0", "9").add(Option.OBSERVE, 0)


def notification(number: int | None, token: bytes, mid: int, payload: bytes = b"7", type: int = Type.CON) -> bytes:
    message = Message(Code.CONTENT, payload=payload, token=token, mid=mid, type=type)
    return (message if number is None else message.add(Option.OBSERVE, number)).encode()


def observed() -> tuple[Endpoint, bytes]:
    """An endpoint that observes a resource of p, and the token."""
    endpoint = Endpoint(Random(1))
    exchange = endpoint.request("p", observing(), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    answer = Message(Code.CONTENT, payload=b"1", token=sent.token, type=Type.ACK, mid=sent.mid).add(Option.OBSERVE, 1)
    endpoint.receive_datagram(answer.encode(), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived) and event.message.observe == 1
    return endpoint, exchange.token


def sent_types(endpoint: Endpoint) -> list[int]:
    return [decode(data).type for data, _ in endpoint.datagrams_to_send(0.0)]


def test_a_notification_is_acknowledged_only_when_it_is_accepted_and_again_when_repeated() -> None:
    endpoint, token = observed()
    endpoint.receive_datagram(notification(2, token, 900), "p", 1.0)
    endpoint.receive_datagram(notification(2, token, 900), "p", 2.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived) and event.message.payload == b"7"
    assert sent_types(endpoint) == []
    endpoint.accept_notification(event)
    endpoint.accept_notification(event)
    assert sent_types(endpoint) == [Type.ACK]
    endpoint.receive_datagram(notification(2, token, 900), "p", 3.0)
    assert sent_types(endpoint) == [Type.ACK]
    assert endpoint.next_event() is None


def test_a_postponed_notification_is_told_when_the_peer_repeats_it() -> None:
    endpoint, token = observed()
    for now in (1.0, 3.0):
        endpoint.receive_datagram(notification(2, token, 900), "p", now)
        event = endpoint.next_event()
        assert isinstance(event, NotificationReceived) and sent_types(endpoint) == []
        endpoint.postpone_notification(event)
    endpoint.receive_datagram(notification(2, token, 900), "p", 7.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived)
    endpoint.accept_notification(event)
    endpoint.postpone_notification(event)
    assert sent_types(endpoint) == [Type.ACK]
    endpoint.receive_datagram(notification(2, token, 900), "p", 8.0)
    assert sent_types(endpoint) == [Type.ACK] and endpoint.next_event() is None


def test_a_postponed_notification_is_stale_when_a_newer_one_was_kept() -> None:
    endpoint, token = observed()
    endpoint.receive_datagram(notification(2, token, 900), "p", 1.0)
    older = endpoint.next_event()
    assert isinstance(older, NotificationReceived)
    endpoint.receive_datagram(notification(3, token, 901), "p", 1.0)
    newer = endpoint.next_event()
    assert isinstance(newer, NotificationReceived)
    endpoint.accept_notification(newer)
    endpoint.postpone_notification(older)
    endpoint.receive_datagram(notification(2, token, 900), "p", 3.0)
    assert endpoint.next_event() is None
    assert sent_types(endpoint) == [Type.ACK, Type.ACK]


def test_a_rejected_notification_is_reset_and_the_observation_is_over() -> None:
    endpoint, token = observed()
    endpoint.receive_datagram(notification(2, token, 900), "p", 1.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived)
    endpoint.reject_notification(event)
    assert sent_types(endpoint) == [Type.RST]
    endpoint.receive_datagram(notification(3, token, 901), "p", 1.0)
    assert sent_types(endpoint) == [Type.RST]
    assert endpoint.next_event() is None


def test_an_older_notification_is_acknowledged_and_not_told() -> None:
    endpoint, token = observed()
    for number, mid in ((0xFFFFFF, 900), (1, 901)):
        endpoint.receive_datagram(notification(number, token, mid), "p", 1.0)
    assert sent_types(endpoint) == [Type.ACK, Type.ACK]
    assert endpoint.next_event() is None


def test_notifications_are_told_in_fresh_order_across_the_wrap() -> None:
    endpoint, token = observed()
    told = []
    for mid, (number, now) in enumerate([(5, 1), (0xFFFFFE, 2), (6, 3), (0xFFFFFE, 132), (0xFFFFFD, 133), (1, 134)]):
        endpoint.receive_datagram(notification(number, token, mid, type=Type.NON), "p", float(now))
        event = endpoint.next_event()
        if isinstance(event, NotificationReceived):
            told.append(event.message.observe)
    assert told == [5, 6, 0xFFFFFE, 1]
    assert sent_types(endpoint) == []


def test_after_a_new_registration_any_number_is_fresh() -> None:
    endpoint, token = observed()
    endpoint.receive_datagram(notification(900, token, 1), "p", 1.0)
    assert isinstance(endpoint.next_event(), NotificationReceived)
    endpoint.reset_freshness("p")
    endpoint.reset_freshness("stranger")
    endpoint.receive_datagram(notification(2, token, 2), "p", 2.0)
    assert isinstance(endpoint.next_event(), NotificationReceived)


def test_an_observation_the_device_began_itself_is_adopted_with_its_two_byte_token() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(notification(1, AUTO, 1), "p", 0.0)
    assert sent_types(endpoint) == [Type.RST]
    endpoint.adopt_observation("p", AUTO, get("10255", "0", "3"), 0.0)
    endpoint.receive_datagram(notification(2, AUTO, 2), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived) and event.token == AUTO
    endpoint.forget_observations("p")
    endpoint.forget_observations("stranger")
    endpoint.receive_datagram(notification(3, AUTO, 3), "p", 0.0)
    assert sent_types(endpoint) == [Type.RST]


def test_a_notification_for_nobody_is_reset_even_when_non_confirmable() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(notification(1, AUTO, 1, type=Type.NON), "p", 0.0)
    assert sent_types(endpoint) == [Type.RST]


def test_an_error_ends_the_observation() -> None:
    endpoint, token = observed()
    endpoint.receive_datagram(Message(Code.NOT_FOUND, token=token, mid=5).encode(), "p", 1.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived) and event.message.code == Code.NOT_FOUND
    endpoint.accept_notification(event)
    endpoint.receive_datagram(notification(9, token, 6), "p", 1.0)
    assert sent_types(endpoint) == [Type.ACK, Type.RST]


def test_a_response_without_observe_makes_no_observation() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", observing(), 0.0)
    sent = decode(endpoint.datagrams_to_send(0.0)[0][0])
    answer = Message(Code.METHOD_NOT_ALLOWED, token=sent.token, type=Type.ACK, mid=sent.mid)
    endpoint.receive_datagram(answer.encode(), "p", 0.0)
    endpoint.receive_datagram(notification(2, sent.token, 9), "p", 0.0)
    assert sent_types(endpoint) == [Type.RST]


def test_cancelling_asks_with_observe_1_under_the_same_token() -> None:
    endpoint, token = observed()
    exchange = endpoint.cancel_observation("p", token, 1.0)
    assert exchange is not None and exchange.token == token
    sent = decode(endpoint.datagrams_to_send(1.0)[0][0])
    assert (sent.observe, sent.uri_path(), sent.token) == (1, ("3", "0", "9"), token)
    endpoint.receive_datagram(notification(7, token, 50), "p", 1.0)  # crosses the cancelling
    assert endpoint.next_event() is None
    endpoint.receive_datagram(Message(Code.CONTENT, token=token, type=Type.ACK, mid=sent.mid).encode(), "p", 1.1)
    assert isinstance(endpoint.next_event(), ResponseReceived)
    assert endpoint.cancel_observation("p", token, 2.0) is None
    assert endpoint.cancel_observation("stranger", token, 2.0) is None


def test_a_long_notification_is_fetched_and_told_whole_once() -> None:
    body = bytes(range(256)) * 5

    def device(event: RequestReceived) -> Message:
        response = Message(Code.CONTENT, payload=body)
        return response.add(Option.OBSERVE, 1) if event.message.observe == 0 else response

    pair = Pair(handler=device)
    exchange = pair.client.request("server", observing(), 0.0)
    pair.exchange()
    (response,) = pair.of("client", ResponseReceived)
    assert isinstance(response, ResponseReceived)
    assert response.message.payload == body and response.message.observe == 1
    later = pair.sent("client")[1:]
    assert {block_of(message, Option.BLOCK2) is not None for message in later} == {True}
    assert exchange.token not in {message.token for message in later}
    changed = Message(Code.CONTENT, payload=body[::-1]).add(Option.OBSERVE, 2)
    body = body[::-1]
    delivery = pair.server.notify("client", exchange.token, changed, 0.0, request=observing())
    pair.exchange()
    (told,) = pair.of("client", NotificationReceived)
    assert isinstance(told, NotificationReceived)
    assert (told.token, told.message.payload, told.message.observe) == (exchange.token, body, 2)
    assert pair.of("server", DeliveryAcknowledged) == [DeliveryAcknowledged(delivery)]


def test_a_notification_whose_blocks_make_no_sense_is_acknowledged_and_dropped() -> None:
    endpoint, token = observed()
    options = [(Option.OBSERVE, b"\x05"), (Option.BLOCK2, Block(3, True, 0).encode())]
    endpoint.receive_datagram(Message(Code.CONTENT, options, bytes(16), token, mid=4).encode(), "p", 1.0)
    options = [(Option.OBSERVE, b"\x06"), (Option.BLOCK2, b"\x07")]
    endpoint.receive_datagram(Message(Code.CONTENT, options, bytes(16), token, mid=5).encode(), "p", 1.0)
    assert endpoint.next_event() is None
    assert sent_types(endpoint) == [Type.ACK, Type.ACK]


def test_a_notification_of_one_block_is_told_as_it_is() -> None:
    endpoint, token = observed()
    options = [(Option.OBSERVE, b"\x05"), (Option.BLOCK2, Block(0, False, 5).encode())]
    endpoint.receive_datagram(Message(Code.CONTENT, options, b"7", token, mid=4).encode(), "p", 1.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived) and event.incoming is not None
    endpoint.accept_notification(event)
    assert sent_types(endpoint) == [Type.ACK]


def test_a_notifier_learns_how_its_notification_ended() -> None:
    pair = Pair(parameters=Parameters(ack_random_factor=1))
    refused = pair.server.notify("client", AUTO, Message(Code.CONTENT).add(Option.OBSERVE, 1), 0.0)
    pair.exchange()
    pair.fates["server"] = ["lose"] * 5
    lost = pair.server.notify("client", AUTO, Message(Code.CONTENT).add(Option.OBSERVE, 2), 0.0)
    pair.run(70)
    assert pair.events["server"] == [DeliveryReset(refused), DeliveryTimedOut(lost)]


def test_a_non_confirmable_notification_is_sent_once() -> None:
    pair = Pair()
    pair.client.adopt_observation("server", AUTO, None, 0.0)
    pair.server.notify("client", AUTO, Message(Code.CONTENT, type=Type.NON).add(Option.OBSERVE, 1), 0.0)
    pair.run(100)
    assert len(pair.of("client", NotificationReceived)) == 1
    assert len(pair.wire) == 1


def test_a_newer_notification_stops_the_fetching_of_the_one_before() -> None:
    endpoint, token = observed()
    options = [(Option.OBSERVE, b"\x05"), (Option.BLOCK2, Block(0, True, 0).encode())]
    endpoint.receive_datagram(Message(Code.CONTENT, options, b"a" * 16, token, mid=4).encode(), "p", 1.0)
    fetch = decode(endpoint.datagrams_to_send(1.0)[-1][0])
    assert block_of(fetch, Option.BLOCK2) == (1, False, 0)
    endpoint.receive_datagram(notification(6, token, 5), "p", 1.1)
    options = [(Option.BLOCK2, Block(1, False, 0).encode())]
    late = Message(Code.CONTENT, options, b"b", fetch.token, Type.ACK, fetch.mid)
    endpoint.receive_datagram(late.encode(), "p", 1.2)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived) and event.message.payload == b"7"
    assert endpoint.next_event() is None


def test_a_long_notification_that_cannot_be_fetched_names_its_observation() -> None:
    endpoint, token = observed()
    options = [(Option.OBSERVE, b"\x05"), (Option.BLOCK2, Block(0, True, 0).encode())]
    endpoint.receive_datagram(Message(Code.CONTENT, options, b"a" * 16, token, mid=4).encode(), "p", 1.0)
    endpoint.forget("p", 2.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestFailed) and event.exchange.notification_of == token
