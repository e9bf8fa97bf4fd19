"""Quirks of the vendor's device client, each made of the bytes it was seen to send (wire facts, section 1)."""

from __future__ import annotations

from random import Random

from lamplighter.coap.blockwise import block_of
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import NotificationReceived, RequestReceived, ResponseReceived
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.refusals import Refusal
from tests.coap.pair import get, request

#: POST /rd?ep=lamp, Content-Format 40, token deadbeef: as each of its blocks repeats it.
RD = "b2726411 2837 65703d6c616d70".replace(" ", "")


def raw(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts).replace(" ", ""))


def sent(endpoint: Endpoint) -> list[bytes]:
    return [data for data, _ in endpoint.datagrams_to_send(0.0)]


def asked(message: Message) -> tuple[Endpoint, Exchange, bytes, str]:
    """A request of ours under way: its endpoint, its exchange, its token, its message ID in hex."""
    endpoint = Endpoint(Random(5), first_token=0xA0)
    exchange = endpoint.request("p", message, 0.0)
    (data,) = sent(endpoint)
    return endpoint, exchange, exchange.token, data[2:4].hex()


def test_an_empty_ack_with_a_content_format_acknowledges() -> None:
    endpoint, exchange, _, mid = asked(request(Code.POST, "3", "0", "4"))
    endpoint.receive_datagram(raw("6000", mid, "c0"), "p", 0.1)
    assert exchange.acknowledged
    assert endpoint.refusals.total == 0


def test_a_post_is_answered_by_an_empty_ack_and_a_confirmable_2_04_with_our_own_message_id() -> None:
    endpoint, exchange, token, mid = asked(request(Code.POST, "1", "0", "8"))
    endpoint.receive_datagram(raw("6000", mid, "c0"), "p", 0.1)
    endpoint.receive_datagram(raw("4644", mid, token.hex(), "c0 20"), "p", 0.2)  # Content-Format 0, Max-Age 0
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived) and event.exchange is exchange
    assert (event.message.code, event.message.content_format, event.message.max_age) == (Code.CHANGED, 0, 0)
    assert event.message.payload == b""
    assert sent(endpoint) == [raw("6000", mid)]


def test_a_get_may_be_answered_by_a_separate_message_at_any_time() -> None:
    # mbed-edge answers any method so.
    endpoint, _, token, mid = asked(get("3", "0", "1"))
    endpoint.receive_datagram(raw("6000", mid), "p", 0.1)
    endpoint.receive_datagram(raw("46450102", token.hex(), "c0 ff 31"), "p", 30.0)
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived) and event.message.payload == b"1"
    assert sent(endpoint) == [raw("60000102")]


def test_the_answer_that_comes_before_its_acknowledgement_counts() -> None:
    endpoint, _, token, mid = asked(request(Code.POST, "3", "0", "4"))
    endpoint.receive_datagram(raw("4644", mid, token.hex(), "c0"), "p", 0.1)
    endpoint.receive_datagram(raw("6000", mid, "c0"), "p", 0.2)
    assert isinstance(endpoint.next_event(), ResponseReceived)
    assert endpoint.next_event() is None
    assert sent(endpoint) == [raw("6000", mid)]


def test_max_age_0_and_a_content_format_without_payload_are_read_as_they_stand() -> None:
    endpoint, _, token, mid = asked(get("3", "0", "11"))
    endpoint.receive_datagram(raw("6645", mid, token.hex(), "c0 20"), "p", 0.1)
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived)
    assert event.message.options == [(Option.CONTENT_FORMAT, b""), (Option.MAX_AGE, b"")]
    assert event.message.max_age == 0


def test_an_unblocked_900_bytes_gets_4_13_with_block1_0_1_512_and_is_sent_in_blocks() -> None:
    endpoint = Endpoint(Random(5))
    endpoint.request("p", request(Code.PUT, "5000", "0", "1", payload=bytes(900)), 0.0, block_size=1024)
    (first,) = map(decode, sent(endpoint))
    assert block_of(first, Option.BLOCK1) is None and len(first.payload) == 900
    answer = raw("668d", first.mid.to_bytes(2, "big").hex(), first.token.hex(), "d10e 0d")
    assert block_of(decode(answer), Option.BLOCK1) == (0, True, 5)
    endpoint.receive_datagram(answer, "p", 0.1)
    (second,) = map(decode, sent(endpoint))
    assert block_of(second, Option.BLOCK1) == (0, True, 5) and len(second.payload) == 512


def test_its_blocks_of_a_registration_have_new_message_ids_and_one_token() -> None:
    endpoint = Endpoint(Random(5))
    body = b"</3/0>," * 100
    first = raw("44020001 deadbeef", RD, "c1 0d", "d2 14 02bc", "ff") + body[:512]  # Block1 0/1/512, Size1 700
    last = raw("44020002 deadbeef", RD, "c1 15", "ff") + body[512:]
    endpoint.receive_datagram(first, "p", 0.0)
    (more,) = map(decode, sent(endpoint))
    assert (more.code, more.mid, more.token) == (Code.CONTINUE, 1, bytes.fromhex("deadbeef"))
    assert block_of(more, Option.BLOCK1) == (0, True, 5)
    endpoint.receive_datagram(last, "p", 0.1)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived) and event.message.payload == body
    assert (event.message.uri_query(), event.message.content_format) == (("ep=lamp",), 40)
    endpoint.respond(event, Message(Code.CREATED, [(Option.LOCATION_PATH, b"rd")]), 0.2)
    (created,) = map(decode, sent(endpoint))
    assert (created.mid, created.token) == (2, bytes.fromhex("deadbeef"))
    assert block_of(created, Option.BLOCK1) == (1, False, 5)


def test_a_registration_sent_again_in_the_middle_of_its_blocks_begins_anew() -> None:
    endpoint = Endpoint(Random(5))
    for mid, block, size in (("0001", "0d", 512), ("0002", "0d", 512), ("0003", "15", 9)):
        endpoint.receive_datagram(raw("4402", mid, "deadbeef", RD, "c1", block, "ff") + bytes(size), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived) and len(event.message.payload) == 521


def test_its_notifications_by_itself_have_tokens_of_two_bytes() -> None:
    endpoint = Endpoint(Random(5))
    endpoint.adopt_observation("p", bytes.fromhex("0158"), get("10252", "0", "2"), 0.0)
    endpoint.receive_datagram(raw("42450007 0158 6102 60 20 ff 33"), "p", 0.1)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived)
    assert (event.token, event.message.observe, event.message.payload) == (bytes.fromhex("0158"), 2, b"3")
    assert (event.message.content_format, event.message.max_age) == (0, 0)
    endpoint.accept_notification(event)
    assert sent(endpoint) == [raw("60000007")]


def test_a_token_of_two_bytes_that_nobody_adopted_is_reset() -> None:
    endpoint = Endpoint(Random(5))
    endpoint.receive_datagram(raw("42450007 0158 6102 ff 33"), "p", 0.1)
    assert sent(endpoint) == [raw("70000007")]
    assert endpoint.refusals.counts[Refusal.UNEXPECTED] == 1


def test_a_firmware_download_asks_each_block_with_a_new_token() -> None:
    # CON GET /fw, Block2 N/0/1024, Proxy-Uri as in the manifest.
    endpoint = Endpoint(Random(5))
    image = bytes(range(256)) * 10
    got = b""
    for num in range(3):
        options = ("b26677", f"c1 {num << 4 | 6:02x}", "cd02", b"http://lamps/fw".hex())
        endpoint.receive_datagram(raw("4401", f"{num:04x}", f"0000000{num}", *options), "p", float(num))
        event = endpoint.next_event()
        if num == 0:
            assert isinstance(event, RequestReceived)
            assert event.message.option(Option.PROXY_URI) == b"http://lamps/fw"
            endpoint.respond(event, Message(Code.CONTENT, payload=image), float(num))
        else:
            assert event is None  # served from what is kept
        (answer,) = map(decode, sent(endpoint))
        assert (answer.token, answer.mid) == (bytes((0, 0, 0, num)), num)
        assert answer.uint(Option.SIZE2) == 2560
        got += answer.payload
    assert got == image


def test_a_get_in_blocks_is_fetched_on_and_has_no_etag() -> None:
    endpoint, exchange, token, mid = asked(get("5000", "0", "2"))
    body = bytes(range(256)) * 3
    first = Message(Code.CONTENT, [(Option.BLOCK2, b"\x0d"), (Option.SIZE2, b"\x03\x00")], body[:512], token)
    first.type, first.mid = Type.ACK, int(mid, 16)
    endpoint.receive_datagram(first.encode(), "p", 0.1)
    (more,) = map(decode, sent(endpoint))
    assert block_of(more, Option.BLOCK2) == (1, False, 5) and more.uri_path() == ("5000", "0", "2")
    last = Message(Code.CONTENT, [(Option.BLOCK2, b"\x15"), (Option.SIZE2, b"\x03\x00")], body[512:], more.token)
    last.type, last.mid = Type.ACK, more.mid
    endpoint.receive_datagram(last.encode(), "p", 0.2)
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived) and event.exchange is exchange
    assert event.message.payload == body


def test_a_large_notification_is_acknowledged_and_its_rest_fetched_from_the_same_path() -> None:
    endpoint = Endpoint(Random(5))
    endpoint.adopt_observation("p", bytes.fromhex("0158"), get("5000", "0", "2"), 0.0)
    body = bytes(range(256)) * 3
    options = [(Option.OBSERVE, b"\x02"), (Option.BLOCK2, b"\x0d")]
    endpoint.receive_datagram(Message(Code.CONTENT, options, body[:512], b"\x01\x58", mid=9).encode(), "p", 0.1)
    ack, fetch = sent(endpoint)
    assert ack == raw("60000009")
    more = decode(fetch)
    assert more.uri_path() == ("5000", "0", "2") and more.observe is None
    last = Message(Code.CONTENT, [(Option.BLOCK2, b"\x15")], body[512:], more.token, Type.ACK, more.mid)
    endpoint.receive_datagram(last.encode(), "p", 0.2)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived)
    assert (event.token, event.message.payload, event.incoming) == (b"\x01\x58", body, None)


def test_its_keepalive_is_answered_with_a_reset() -> None:
    endpoint = Endpoint(Random(5))
    endpoint.receive_datagram(raw("40000042"), "p", 0.0)
    assert sent(endpoint) == [raw("70000042")]
    assert len(endpoint._peers) == 0


def test_its_request_repeated_up_to_three_times_is_served_once() -> None:
    endpoint = Endpoint(Random(5))
    update = raw("44020009 deadbeef b27264 01 64")
    for now in (0.0, 3.5, 10.0):
        endpoint.receive_datagram(update, "p", now)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived) and endpoint.next_event() is None
    endpoint.respond(event, Message(Code.CHANGED), 10.1)
    endpoint.receive_datagram(update, "p", 24.0)
    assert sent(endpoint) == [raw("64440009 deadbeef")] * 2
