"""CoAP over streams: which framing, the signals of RFC 8323, and that requests, blocks and observations work on all three."""

from __future__ import annotations

from random import Random

import pytest

from lamplighter.coap.blockwise import block_of
from lamplighter.coap.events import (
    DeliveryAcknowledged,
    DeliveryReset,
    NotificationReceived,
    RequestFailed,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.exchange import Failure
from lamplighter.coap.framing import Framing, datagram_of, frame_of, prefixed
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Signal, SignalOption, Type
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.refusals import Refusal
from lamplighter.coap.tcp import MAX_STREAM_MESSAGE, StreamEndpoint
from tests.coap.pair import get, request
from tests.coap.stream_pair import DEVICE, SERVER, StreamPair, frames, opened, said

#: What the server says first to a client of RFC 8323: Max-Message-Size 65536 and Block-Wise-Transfer.
OUR_CSM = bytes.fromhex("50e12301000020")
CSM = "00e1"
BODY = bytes(range(256)) * 400
FRAMINGS = list(Framing)


def echo(event: RequestReceived) -> Message:
    return Message(Code.CONTENT, payload=event.message.payload or "/".join(event.message.uri_path()).encode())


def signals(endpoint: StreamEndpoint) -> list[Message]:
    return [decode(datagram_of(data, 0)) for data in said(endpoint)]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_requests_are_answered_both_ways_in_every_framing(framing: Framing) -> None:
    pair = StreamPair(framing, handler=echo)
    pair.device.request(SERVER, get("bs"), 0.0)
    pair.exchange()
    pair.server.request(DEVICE, get("3", "0"), 0.0)
    pair.exchange()
    assert [event.message.payload for event in pair.of(DEVICE, ResponseReceived)] == [b"bs"]
    assert [event.message.payload for event in pair.of(SERVER, ResponseReceived)] == [b"3/0"]
    assert pair.server.framing_of(DEVICE) is framing
    assert pair.closed == []


@pytest.mark.parametrize("framing", [Framing.RFC8323, Framing.PREFIX])
def test_it_does_not_matter_how_a_stream_is_cut_into_pieces(framing: Framing) -> None:
    pair = StreamPair(framing, handler=echo, piece=1)
    pair.device.request(SERVER, request(Code.POST, "x", payload=BODY[:3000]), 0.0)
    pair.exchange()
    assert [event.message.payload for event in pair.of(DEVICE, ResponseReceived)] == [BODY[:3000]]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [513, 70_000])
def test_long_bodies_go_both_ways_in_every_framing(framing: Framing, size: int) -> None:
    pair = StreamPair(framing, handler=echo)
    pair.server.request(DEVICE, request(Code.PUT, "x", payload=BODY[:size]), 0.0)
    pair.exchange()
    assert [event.message.payload for event in pair.of(SERVER, ResponseReceived)] == [BODY[:size]]
    largest = max(len(data) for data in pair.written[SERVER])
    assert largest <= (MAX_STREAM_MESSAGE if framing is Framing.RFC8323 else 1156)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_observing_works_in_every_framing_and_numbers_do_not_matter(framing: Framing) -> None:
    def device(event: RequestReceived) -> Message:
        return Message(Code.CONTENT, payload=b"1").add(Option.OBSERVE, 9)

    pair = StreamPair(framing, handler=device)
    exchange = pair.server.request(DEVICE, get("3", "0").add(Option.OBSERVE, 0), 0.0)
    pair.exchange()
    for payload in (b"2", b"3"):  # RFC 8323 section 7.1: the number may be empty, the stream keeps the order
        notification = Message(Code.CONTENT, payload=payload).add(Option.OBSERVE, 0)
        pair.device.notify(SERVER, exchange.token, notification, 0.0)
        pair.exchange()
    assert [event.message.payload for event in pair.of(SERVER, NotificationReceived)] == [b"2", b"3"]
    assert len(pair.of(DEVICE, DeliveryAcknowledged)) == 2


def test_nothing_is_sent_before_the_framing_is_known_and_a_csm_comes_first() -> None:
    endpoint = opened()
    endpoint.request("p", get("3"), 0.0)
    assert said(endpoint) == []
    endpoint.receive_datagram(frames("00"), "p", 0.0)
    assert said(endpoint) == []
    endpoint.receive_datagram(frames("e1"), "p", 0.0)
    csm, get_ = said(endpoint)
    assert csm == OUR_CSM
    assert datagram_of(get_, 0)[1] == Code.GET


def test_the_vendors_client_is_never_sent_a_csm() -> None:
    for records, first in ((True, "44020001deadbeefb27264"), (False, "0000000b44020001deadbeefb27264")):
        endpoint = opened(records=records)
        endpoint.receive_datagram(frames(first), "p", 0.0)
        event = endpoint.next_event()
        assert isinstance(event, RequestReceived) and event.message.uri_path() == ("rd",)
        endpoint.respond(event, Message(Code.CREATED), 0.0)
        answer = bytes.fromhex("64410001deadbeef")
        assert said(endpoint) == [answer if records else prefixed(answer)]


def test_alpn_says_rfc_8323_before_a_byte_is_read() -> None:
    endpoint = StreamEndpoint(Random(1))
    endpoint.connected("p", 0.0, records=True, framing=Framing.RFC8323)
    assert said(endpoint) == [OUR_CSM]
    endpoint.receive_datagram(frames("44020001deadbeefb27264"), "p", 0.0)
    assert [message.code for message in signals(endpoint)] == [Signal.ABORT]


def test_a_stream_without_a_framing_is_closed_without_a_word() -> None:
    endpoint = opened()
    endpoint.receive_datagram(b"GET / HTTP/1.1\r\n", "p", 0.0)
    assert said(endpoint) == []
    ((peer, reason),) = endpoint.streams_to_close()
    assert peer == "p" and "CSM" in reason
    assert endpoint.refusals.counts[Refusal.FRAMING] == 1
    endpoint.receive_datagram(b"more", "p", 0.0)
    assert endpoint.streams_to_close() == []


def test_a_ping_is_answered_with_its_token_and_ours_with_theirs() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM, "02e2abcd"), "p", 0.0)
    assert said(endpoint) == [OUR_CSM, bytes.fromhex("02e3abcd")]
    delivery = endpoint.ping("p", 0.0)
    (ping,) = said(endpoint)
    assert ping[:2] == bytes.fromhex("02e2")
    endpoint.receive_datagram(bytes.fromhex("02e3") + ping[2:], "p", 0.0)
    assert endpoint.next_event() == DeliveryReset(delivery)


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        ("10e210", "option 1"),  # a critical option: no signal has one
        ("01e700", "7.07"),
        ("04010000000000", "before"),
    ],
)
def test_a_signal_that_cannot_be_obeyed_aborts_the_connection(signal: str, why: str) -> None:
    endpoint = opened()
    first = "" if why == "before" else CSM
    if not first:
        endpoint = StreamEndpoint(Random(1))
        endpoint.connected("p", 0.0, records=False, framing=Framing.RFC8323)
    endpoint.receive_datagram(frames(first, signal), "p", 0.0)
    answers = signals(endpoint)
    assert [message.code for message in answers] == [Signal.CSM, Signal.ABORT]
    assert why in answers[1].payload.decode()
    assert why in endpoint.streams_to_close()[0][1]


def test_a_critical_option_in_a_csm_is_named_in_the_abort() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM, "10e110"), "p", 0.0)
    abort = signals(endpoint)[-1]
    assert abort.uint(SignalOption.BAD_CSM_OPTION) == 1
    assert endpoint.refusals.counts[Refusal.SIGNAL] == 1


@pytest.mark.parametrize(("signal", "why"), [("00e4", "releases"), ("40e5ff627965", "aborts the connection: bye")])
def test_release_and_abort_close_the_connection(signal: str, why: str) -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM, signal, "02e2abcd"), "p", 0.0)
    assert said(endpoint) == [OUR_CSM]  # the ping after it is not answered
    ((_, reason),) = endpoint.streams_to_close()
    assert why in reason


def test_an_empty_message_says_nothing_in_rfc_8323() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM, "0000"), "p", 0.0)
    assert said(endpoint) == [OUR_CSM]
    assert endpoint.streams_to_close() == [] and endpoint.refusals.total == 0


def test_a_malformed_message_aborts_the_connection() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM, "1001ff"), "p", 0.0)  # a payload marker without payload
    assert signals(endpoint)[-1].code == Signal.ABORT
    assert endpoint.refusals.counts[Refusal.MALFORMED] == 1


def test_an_unknown_critical_option_is_answered_4_02_over_a_stream() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM) + frame_of(get("x").add(9, b"").encode()), "p", 0.0)
    codes = [message.code for message in signals(endpoint)]
    assert codes[-1] == Code.BAD_OPTION


def test_a_peer_without_block_wise_transfer_gets_a_body_as_large_as_it_takes_in_one_message() -> None:
    endpoint = opened()
    csm = Message(Signal.CSM).add(SignalOption.MAX_MESSAGE_SIZE, 10_000)
    endpoint.receive_datagram(frame_of(csm.encode()), "p", 0.0)
    endpoint.request("p", request(Code.PUT, "x", payload=BODY[:9000]), 0.0)
    _, put = said(endpoint)
    assert len(put) > 9000


def test_bert_carries_several_blocks_in_a_message() -> None:
    pair = StreamPair(Framing.RFC8323, handler=echo)
    pair.server.request(DEVICE, request(Code.PUT, "x", payload=BODY[:100_000]), 0.0)
    pair.exchange()
    messages = [decode(datagram_of(data, 0)) for data in pair.written[SERVER]]
    blocks = [block_of(message, Option.BLOCK1, bert=True) for message in messages if message.payload]
    # 63 blocks of 1024 bytes fit; the second message begins at the 63rd.
    assert blocks == [(0, True, 7), (63, False, 7)]
    (response,) = pair.of(SERVER, ResponseReceived)
    assert response.message.payload == BODY[:100_000]


def test_a_block_size_of_7_is_refused_where_bert_was_not_agreed() -> None:
    endpoint = opened()
    put = request(Code.PUT, "x", payload=bytes(2048)).add(Option.BLOCK1, b"\x0f")
    endpoint.receive_datagram(frames(CSM) + frame_of(put.encode()), "p", 0.0)
    assert signals(endpoint)[-1].code == Code.BAD_OPTION


def test_many_requests_are_under_way_at_once_in_rfc_8323() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM), "p", 0.0)
    for _ in range(5):
        endpoint.request("p", get("x"), 0.0)
    assert len(said(endpoint)) == 1 + 5


def test_a_request_without_an_answer_times_out() -> None:
    endpoint = StreamEndpoint(Random(1), Parameters(response_timeout=60))
    endpoint.connected("p", 0.0, records=False)
    endpoint.receive_datagram(frames(CSM), "p", 0.0)
    exchange = endpoint.request("p", get("x"), 0.0)
    assert len(said(endpoint)) == 2
    endpoint.handle_timer(59.0)
    assert endpoint.next_event() is None
    endpoint.handle_timer(60.0)
    assert endpoint.next_event() == RequestTimedOut(exchange, 0)


def test_a_lost_connection_fails_what_was_under_way() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM), "p", 0.0)
    exchange = endpoint.request("p", get("x"), 0.0)
    said(endpoint)
    endpoint.forget("p", 1.0)
    assert endpoint.next_event() == RequestFailed(exchange, Failure.FORGOTTEN)
    endpoint.receive_datagram(frames(CSM), "p", 1.0)
    assert said(endpoint) == [] and endpoint.framing_of("p") is None


def test_an_unwanted_notification_is_answered_by_cancelling_because_there_is_no_reset() -> None:
    endpoint = opened()
    endpoint.receive_datagram(frames(CSM), "p", 0.0)
    endpoint.adopt_observation("p", b"\x07", get("3"), 0.0)
    notification = Message(Code.CONTENT, token=b"\x07").add(Option.OBSERVE, 4)
    endpoint.receive_datagram(frame_of(notification.encode()), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived)
    endpoint.reject_notification(event)
    cancelling = decode(datagram_of(said(endpoint)[-1], 0))
    assert (cancelling.code, cancelling.token, cancelling.observe) == (Code.GET, b"\x07", 1)


def test_an_unwanted_notification_of_the_vendors_client_is_reset() -> None:
    endpoint = opened(records=True)
    endpoint.receive_datagram(frames("40000001"), "p", 0.0)  # its ping
    assert said(endpoint) == [bytes.fromhex("70000001")]
    endpoint.adopt_observation("p", b"\x01\x5f", get("3"), 0.0)
    notification = Message(Code.CONTENT, token=b"\x01\x5f", mid=7).add(Option.OBSERVE, 4)
    endpoint.receive_datagram(notification.encode(), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, NotificationReceived)
    endpoint.reject_notification(event)
    assert [decode(data).type for data in said(endpoint)] == [Type.RST]


def test_what_the_peer_takes_is_remembered_after_a_long_silence() -> None:
    endpoint = opened()
    csm = Message(Signal.CSM).add(SignalOption.MAX_MESSAGE_SIZE, 10_000)
    endpoint.receive_datagram(frame_of(csm.encode()), "p", 0.0)
    said(endpoint)
    while (due := endpoint.get_timer()) is not None:
        endpoint.handle_timer(due)
    assert endpoint._records == {}
    endpoint.request("p", request(Code.PUT, "x", payload=BODY[:9000]), 9999.0)
    assert len(said(endpoint, 9999.0)) == 1


def test_a_setting_of_an_earlier_csm_stays_when_another_comes() -> None:
    endpoint = opened()
    blocks = Message(Signal.CSM).add(SignalOption.BLOCK_WISE_TRANSFER, b"")
    size = Message(Signal.CSM).add(SignalOption.MAX_MESSAGE_SIZE, 5000)
    endpoint.receive_datagram(frame_of(blocks.encode()) + frame_of(size.encode()), "p", 0.0)
    endpoint.request("p", request(Code.PUT, "x", payload=BODY[:9000]), 0.0)
    put = decode(datagram_of(said(endpoint)[-1], 0))
    assert block_of(put, Option.BLOCK1, bert=True) == (0, True, 7)
    assert len(put.payload) == 4096
