from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.coap.blockwise import MAX_BODY, Block, Shelf, block_of, decode_block, szx_for
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestFailed, RequestReceived, ResponseReceived
from lamplighter.coap.exchange import Failure
from lamplighter.coap.limits import Quota
from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from tests.coap.pair import Pair, get, request

BODY = Random(7).randbytes(MAX_BODY)


def echo(event: RequestReceived) -> Message:
    return Message(Code.CHANGED, payload=event.message.payload)


def block1(message: Message) -> tuple[int, bool, int] | None:
    return block_of(message, Option.BLOCK1)


def block2(message: Message) -> tuple[int, bool, int] | None:
    return block_of(message, Option.BLOCK2)


def put(num: int, more: bool, payload: bytes, *, szx: int = 0, mid: int = 0, path: bytes = b"x") -> bytes:
    """A confirmable PUT of one block, as a peer may send it."""
    options = [(Option.URI_PATH, path), (Option.BLOCK1, Block(num, more, szx).encode())]
    return Message(Code.PUT, options, payload, b"t", mid=mid or 100 + num).encode()


def answers(endpoint: Endpoint) -> list[Message]:
    return [decode(data) for data, _ in endpoint.datagrams_to_send(0.0)]


@given(st.integers(0, (1 << 20) - 1), st.booleans(), st.integers(0, 6))
def test_a_block_option_reads_as_written(num: int, more: bool, szx: int) -> None:
    assert decode_block(Block(num, more, szx).encode()) == (num, more, szx)


def test_block_options_are_spelled_as_in_rfc_7959_section_2_2() -> None:
    assert Block(0, False, 0).encode() == b""
    assert Block(4, True, 5).encode() == b"\x4d"
    assert (Block(3, False, 5).size, Block(3, False, 5).offset) == (512, 1536)
    assert [szx_for(size) for size in (1, 16, 31, 32, 512, 1000, 1024, 9999)] == [0, 0, 0, 1, 5, 5, 6, 6]


@pytest.mark.parametrize("value", [b"\x07", b"\x00\x00\x00\x00"])
def test_a_reserved_or_long_block_option_is_a_format_error(value: bytes) -> None:
    with pytest.raises(FormatError):
        decode_block(value)


@pytest.mark.parametrize("size", [0, 511, 512, 513, 1024, 5000, 70_000, MAX_BODY])
def test_a_body_goes_there_and_back_whole(size: int) -> None:
    pair = Pair(handler=echo)
    pair.client.request("server", request(Code.POST, "x", payload=BODY[:size]), 0.0)
    pair.exchange()
    (response,) = pair.of("client", ResponseReceived)
    assert isinstance(response, ResponseReceived)
    assert response.message.payload == BODY[:size]
    assert block2(response.message) is None
    assert len(pair.of("server", RequestReceived)) == 1
    assert max(len(message.encode()) for _, _, message in pair.wire) <= 1152


def test_each_block_is_answered_2_31_under_one_token_and_the_first_says_the_size() -> None:
    pair = Pair(handler=lambda event: Message(Code.CHANGED))
    pair.client.request("server", request(Code.PUT, "x", payload=BODY[:1100]), 0.0)
    pair.exchange()
    sent, back = pair.sent("client"), pair.sent("server")
    assert [block1(message) for message in sent] == [(0, True, 5), (1, True, 5), (2, False, 5)]
    assert [message.uint(Option.SIZE1) for message in sent] == [1100, None, None]
    assert len({message.token for message in sent}) == 1 and len({message.mid for message in sent}) == 3
    assert [message.code for message in back] == [Code.CONTINUE, Code.CONTINUE, Code.CHANGED]
    assert [block1(message) for message in back] == [(0, True, 5), (1, True, 5), (2, False, 5)]


def test_a_long_answer_is_fetched_with_size2_in_every_block() -> None:
    pair = Pair(handler=lambda event: Message(Code.CONTENT, [(Option.CONTENT_FORMAT, b"")], BODY[:1100]))
    pair.client.request("server", get("x"), 0.0)
    pair.exchange()
    assert [block2(message) for message in pair.sent("client")] == [None, (1, False, 5), (2, False, 5)]
    assert [block2(message) for message in pair.sent("server")] == [(0, True, 5), (1, True, 5), (2, False, 5)]
    assert [message.uint(Option.SIZE2) for message in pair.sent("server")] == [1100, 1100, 1100]
    (response,) = pair.of("client", ResponseReceived)
    assert isinstance(response, ResponseReceived) and response.message.content_format == 0


def test_a_body_as_large_as_the_vendors_block_is_refused_with_4_13_and_sent_again_in_blocks() -> None:
    # An unblocked 900 bytes is answered 4.13 with Block1 0/1/512; the size is remembered for the next request.
    sizes: list[int] = []

    def device(event: RequestReceived) -> Message:
        block = block_of(event.message, Option.BLOCK1)
        sizes.append(len(event.message.payload))
        if block is None and len(event.message.payload) > 512:
            return Message(Code.REQUEST_ENTITY_TOO_LARGE, [(Option.BLOCK1, Block(0, True, 5).encode())])
        return Message(Code.CHANGED)

    pair = Pair(handler=device)
    for _ in range(2):
        pair.client.request("server", request(Code.PUT, "x", payload=BODY[:900]), 0.0, block_size=1024)
        pair.exchange()
    assert [event.message.code for event in pair.of("client", ResponseReceived)] == [Code.CHANGED] * 2  # type: ignore[attr-defined]
    assert sizes == [900, 900, 900, 900]
    pair.client.request("server", request(Code.PUT, "x", payload=BODY[:900]), 0.0)
    pair.exchange()
    assert sizes == [900] * 5


def test_a_4_13_without_a_smaller_block_is_the_answer() -> None:
    pair = Pair(handler=lambda event: Message(Code.REQUEST_ENTITY_TOO_LARGE))
    pair.client.request("server", request(Code.PUT, "x", payload=BODY[:900]), 0.0, block_size=1024)
    pair.exchange()
    (event,) = pair.of("client", ResponseReceived)
    assert isinstance(event, ResponseReceived) and event.message.code == Code.REQUEST_ENTITY_TOO_LARGE
    assert len(pair.sent("client")) == 1


def test_a_smaller_block_in_2_31_is_used_from_there_on() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", request(Code.PUT, "x", payload=BODY[:1000]), 0.0)
    seen = []
    for _ in range(3):
        sent = answers(endpoint)[0]
        seen.append(block1(sent))
        num = seen[-1][0] if seen[-1] else 0
        back = Message(
            Code.CONTINUE, [(Option.BLOCK1, Block(num, True, 4).encode())], b"", sent.token, Type.ACK, sent.mid
        )
        endpoint.receive_datagram(back.encode(), "p", 0.0)
    assert seen == [(0, True, 5), (2, True, 4), (3, False, 4)]


def test_a_4_08_begins_the_upload_again_once() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", request(Code.PUT, "x", payload=BODY[:1000]), 0.0)
    nums = []
    codes = [Code.CONTINUE, Code.REQUEST_ENTITY_INCOMPLETE, Code.CONTINUE, Code.REQUEST_ENTITY_INCOMPLETE]
    for code in codes:
        sent = answers(endpoint)[0]
        block = block_of(sent, Option.BLOCK1)
        assert block is not None
        nums.append(block.num)
        back = Message(code, [(Option.BLOCK1, block.encode())], b"", sent.token, Type.ACK, sent.mid)
        endpoint.receive_datagram(back.encode(), "p", 0.0)
    assert nums == [0, 1, 0, 1]
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived) and event.message.code == Code.REQUEST_ENTITY_INCOMPLETE


def test_a_2_31_for_another_block_fails_the_request() -> None:
    endpoint = Endpoint(Random(1))
    exchange = endpoint.request("p", request(Code.PUT, "x", payload=BODY[:1000]), 0.0)
    sent = answers(endpoint)[0]
    back = Message(Code.CONTINUE, [(Option.BLOCK1, Block(5, True, 5).encode())], b"", sent.token, Type.ACK, sent.mid)
    endpoint.receive_datagram(back.encode(), "p", 0.0)
    assert endpoint.next_event() == RequestFailed(exchange, Failure.BLOCKS_INCONSISTENT)


def test_blocks_in_order_make_one_request() -> None:
    endpoint = Endpoint(Random(1))
    for num, more, payload in ((0, True, b"a" * 16), (1, True, b"b" * 16), (2, False, b"c")):
        endpoint.receive_datagram(put(num, more, payload), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    assert event.message.payload == b"a" * 16 + b"b" * 16 + b"c"
    assert [message.code for message in answers(endpoint)] == [Code.CONTINUE, Code.CONTINUE]
    endpoint.respond(event, Message(Code.CHANGED), 0.0)
    (last,) = answers(endpoint)
    assert block1(last) == (2, False, 0)


@pytest.mark.parametrize("num", [1, 3])
def test_a_block_out_of_order_is_answered_4_08(num: int) -> None:
    endpoint = Endpoint(Random(1))
    if num == 3:
        endpoint.receive_datagram(put(0, True, b"a" * 16), "p", 0.0)
        answers(endpoint)
    endpoint.receive_datagram(put(num, True, b"a" * 16), "p", 0.0)
    assert [message.code for message in answers(endpoint)] == [Code.REQUEST_ENTITY_INCOMPLETE]
    assert endpoint.next_event() is None


def test_a_block_sent_again_under_a_new_message_id_does_no_harm() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(put(0, True, b"a" * 16, mid=1), "p", 0.0)
    endpoint.receive_datagram(put(1, True, b"b" * 16, mid=2), "p", 0.0)
    endpoint.receive_datagram(put(1, True, b"b" * 16, mid=3), "p", 0.0)
    endpoint.receive_datagram(put(2, False, b"c", mid=4), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived) and event.message.payload == b"a" * 16 + b"b" * 16 + b"c"


@pytest.mark.parametrize(("more", "size"), [(True, 15), (True, 17), (False, 17)])
def test_a_block_that_is_not_as_long_as_it_says_is_answered_4_00(more: bool, size: int) -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(put(0, more, bytes(size)), "p", 0.0)
    assert [message.code for message in answers(endpoint)] == [Code.BAD_REQUEST]


def test_a_reserved_block_size_is_answered_4_02() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(Message(Code.PUT, [(Option.BLOCK1, b"\x0f")]).encode(), "p", 0.0)
    assert [message.code for message in answers(endpoint)] == [Code.BAD_OPTION]


def test_a_body_above_the_limit_is_answered_4_13_with_the_limit() -> None:
    endpoint = Endpoint(Random(1), max_body=40)
    for num in range(3):
        endpoint.receive_datagram(put(num, True, bytes(16)), "p", 0.0)
    last = answers(endpoint)[-1]
    assert (last.code, last.uint(Option.SIZE1)) == (Code.REQUEST_ENTITY_TOO_LARGE, 40)
    announced = Message(Code.PUT, [(Option.BLOCK1, Block(0, True, 0).encode())], bytes(16), mid=9).add(Option.SIZE1, 41)
    endpoint.receive_datagram(announced.encode(), "q", 0.0)
    assert [message.code for message in answers(endpoint)] == [Code.REQUEST_ENTITY_TOO_LARGE]


def test_partial_bodies_are_bounded_per_peer_and_expire() -> None:
    endpoint = Endpoint(Random(1))
    for path in (b"a", b"b", b"c"):
        endpoint.receive_datagram(put(0, True, bytes(16), path=path, mid=path[0]), "p", 0.0)
    assert len(endpoint._uploads.shelf) == 2
    due = endpoint.get_timer()
    assert due == 247
    endpoint.handle_timer(due)
    assert len(endpoint._uploads.shelf) == 0 and endpoint._uploads.shelf.size == 0


def test_without_room_a_new_upload_is_answered_5_03_and_old_downloads_make_room() -> None:
    shelf: Shelf[str] = Shelf(10.0, per_peer=2, quota=Quota(100))
    assert shelf.put("p", (1, ()), "one", 80, 0.0)
    assert not shelf.put("q", (1, ()), "two", 30, 0.0)
    assert shelf.put("q", (1, ()), "two", 30, 10.0)  # the first has expired
    assert shelf.get("q", (1, ()), 20.0) is None
    endpoint = Endpoint(Random(1))
    endpoint._uploads.shelf = Shelf(10.0, per_peer=2, quota=Quota(10))
    endpoint.receive_datagram(put(0, True, bytes(16)), "p", 0.0)
    (answer,) = answers(endpoint)
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 30)
    endpoint._downloads.shelf = Shelf(10.0, per_peer=2, quota=Quota(1500))
    for peer in ("p", "q"):
        endpoint.receive_datagram(Message(Code.GET, mid=7).encode(), peer, 0.0)
        event = endpoint.next_event()
        assert isinstance(event, RequestReceived)
        endpoint.respond(event, Message(Code.CONTENT, payload=bytes(1000)), 0.0)
    assert endpoint._downloads.shelf.size == 1000


def test_the_block_size_a_peer_asks_for_is_kept_to() -> None:
    # EST of the vendor's client: Block2 0/0/512 in the request.
    endpoint = Endpoint(Random(1), block_size=1024)
    wanted = Message(Code.POST, [(Option.BLOCK2, Block(0, False, 5).encode())], mid=1)
    endpoint.receive_datagram(wanted.encode(), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CHANGED, payload=BODY[:600]), 0.0)
    later = Message(Code.POST, [(Option.BLOCK2, Block(1, False, 5).encode())], mid=2)
    endpoint.receive_datagram(later.encode(), "p", 0.0)
    first, second = answers(endpoint)
    assert (block2(first), len(first.payload)) == ((0, True, 5), 512)
    assert (block2(second), len(second.payload)) == ((1, False, 5), 88)
    assert endpoint.next_event() is None


def test_a_later_block_of_a_forgotten_answer_asks_a_get_again_and_refuses_an_action() -> None:
    endpoint = Endpoint(Random(1))
    wanted = [(Option.BLOCK2, Block(1, False, 5).encode())]
    endpoint.receive_datagram(Message(Code.POST, list(wanted), mid=1).encode(), "p", 0.0)
    assert [message.code for message in answers(endpoint)] == [Code.REQUEST_ENTITY_INCOMPLETE]
    endpoint.receive_datagram(Message(Code.GET, list(wanted), mid=2).encode(), "p", 0.0)
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT, payload=BODY[:600]), 0.0)
    (answer,) = answers(endpoint)
    assert (block2(answer), answer.payload) == ((1, False, 5), BODY[512:600])


def test_a_block_past_the_end_is_answered_4_02() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(
        Message(Code.GET, [(Option.BLOCK2, Block(9, False, 5).encode())], mid=2).encode(), "p", 0.0
    )
    event = endpoint.next_event()
    assert isinstance(event, RequestReceived)
    endpoint.respond(event, Message(Code.CONTENT, payload=BODY[:600]), 0.0)
    assert [message.code for message in answers(endpoint)] == [Code.BAD_OPTION]


def serve(endpoint: Endpoint, etags: list[bytes], size: int = 1024) -> None:
    """Answer the GETs of an endpoint by hand, each block with the next ETag."""
    for etag in etags:
        sent = answers(endpoint)[0]
        block = block_of(sent, Option.BLOCK2) or Block(0, False, 5)
        more = block.offset + 512 < size
        options = [(Option.ETAG, etag), (Option.BLOCK2, Block(block.num, more, 5).encode())]
        part = BODY[block.offset : min(size, block.offset + 512)]
        endpoint.receive_datagram(
            Message(Code.CONTENT, options, part, sent.token, Type.ACK, sent.mid).encode(), "p", 0.0
        )


def test_a_representation_that_changes_while_it_is_fetched_is_fetched_again_once() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.request("p", get("x"), 0.0)
    serve(endpoint, [b"1", b"2", b"2", b"2"])
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived)
    assert (event.message.payload, event.message.etag) == (BODY[:1024], b"2")
    exchange = endpoint.request("p", get("x"), 0.0)
    serve(endpoint, [b"1", b"2", b"2", b"3"])
    assert endpoint.next_event() == RequestFailed(exchange, Failure.BLOCKS_INCONSISTENT)


def test_a_response_above_the_limit_fails_the_request() -> None:
    endpoint = Endpoint(Random(1), max_body=700)
    exchange = endpoint.request("p", get("x"), 0.0)
    serve(endpoint, [b"1", b"1"])
    assert endpoint.next_event() == RequestFailed(exchange, Failure.BODY_TOO_LARGE)


def test_long_options_make_the_block_smaller_so_that_the_message_fits() -> None:
    pair = Pair(handler=lambda event: Message(Code.CHANGED))
    message = request(Code.PUT, "p" * 200, "q" * 55, payload=BODY[:3000])
    pair.client.request("server", message, 0.0, block_size=1024)
    pair.exchange()
    assert block1(pair.sent("client")[0]) == (0, True, 5)
    assert len(pair.of("client", ResponseReceived)) == 1


def test_a_caller_that_manages_blocks_itself_is_left_alone() -> None:
    endpoint = Endpoint(Random(1))
    asked = get("x").add(Option.BLOCK2, Block(3, False, 5).encode())
    endpoint.request("p", asked, 0.0)
    serve(endpoint, [b"1"], size=4096)
    event = endpoint.next_event()
    assert isinstance(event, ResponseReceived)
    assert event.message.payload == BODY[1536:2048]
    assert block2(event.message) == (3, True, 5)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 3000),
    st.sampled_from([16, 64, 512, 1024]),
    st.lists(st.sampled_from(["pass", "pass", "lose", "twice", "late"]), max_size=20),
    st.lists(st.sampled_from(["pass", "pass", "lose", "twice", "late"]), max_size=20),
)
def test_a_body_arrives_whole_over_any_network_or_the_request_times_out(
    size: int, block: int, to_server: list[str], to_client: list[str]
) -> None:
    pair = Pair(handler=echo, fates={"client": to_server, "server": to_client})
    pair.client.request("server", request(Code.POST, "x", payload=BODY[:size]), 0.0, block_size=block)
    pair.run(4000)
    (end,) = pair.events["client"]
    if isinstance(end, ResponseReceived):
        assert end.message.payload == BODY[:size]
    assert len(pair.of("server", RequestReceived)) <= 1


def test_a_size_given_for_one_request_is_not_taken_for_the_peers() -> None:
    pair = Pair(handler=echo)
    pair.client.request("server", request(Code.POST, "x", payload=BODY[:100]), 0.0, block_size=32)
    pair.exchange()
    first = len(pair.wire)
    pair.client.request("server", request(Code.POST, "x", payload=BODY[:100]), 0.0)
    pair.exchange()
    assert block1(pair.sent("client")[0]) == (0, True, 1)
    assert block1(pair.wire[first][2]) is None


def test_a_size_the_transport_knows_is_used_from_the_first_request_on() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.set_block_size("p", 256, 0.0)
    endpoint.request("p", request(Code.PUT, "x", payload=BODY[:300]), 0.0)
    assert block1(answers(endpoint)[0]) == (0, True, 4)


def test_a_caller_that_asks_for_one_block_after_the_other_gets_each_as_it_comes() -> None:
    pair = Pair(handler=lambda event: Message(Code.CONTENT, payload=BODY[:1033]))
    for number in range(3):
        wanted = Message(Code.GET, [(Option.URI_PATH, b"fw"), (Option.BLOCK2, Block(number, False, 5).encode())])
        pair.client.request("server", wanted, pair.now, one_block=True)
        pair.exchange()
    responses = [event.message for event in pair.of("client", ResponseReceived) if isinstance(event, ResponseReceived)]
    assert [response.payload for response in responses] == [BODY[:512], BODY[512:1024], BODY[1024:1033]]
    assert len({message.token for message in pair.sent("client")}) == len(pair.sent("client")) == 3
