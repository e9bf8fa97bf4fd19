from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.coap.message import FormatError, Message, decode, path_options
from lamplighter.coap.numbers import Code, Option, Type, code, format_code, is_request, is_response, is_success

OPTIONS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(0, 65535)), st.one_of(st.binary(max_size=14), st.binary(max_size=400))
    ),
    max_size=8,
)
MESSAGES = st.builds(
    Message,
    st.integers(1, 255),
    OPTIONS,
    st.binary(max_size=1200),
    st.binary(max_size=8),
    st.integers(0, 3),
    st.integers(0, 65535),
)


def test_the_example_of_rfc_7252_appendix_a_is_read_and_written_byte_for_byte() -> None:
    # Figure 16: CON GET /temperature, message ID 0x7d34, no token; and its piggybacked answer.
    request = bytes.fromhex("40017d34bb") + b"temperature"
    answer = bytes.fromhex("60457d34ff") + b"22.3 C"
    assert decode(request) == Message(Code.GET, path_options(["temperature"]), mid=0x7D34)
    assert decode(request).encode() == request
    assert decode(answer) == Message(Code.CONTENT, payload=b"22.3 C", type=Type.ACK, mid=0x7D34)
    assert decode(answer).encode() == answer


def test_the_vendors_empty_ack_with_an_option_is_accepted() -> None:
    message = decode(bytes.fromhex("6000041bc0"))
    assert (message.type, message.code, message.mid) == (Type.ACK, Code.EMPTY, 0x041B)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x40\x01\x00",
        b"\x00\x01\x00\x01",  # version 0
        b"\x80\x01\x00\x01",  # version 2
        b"\x49\x01\x00\x01" + bytes(9),  # token length 9
        b"\x44\x01\x00\x01ab",  # ends inside the token
        b"\x40\x01\x00\x01\xb4tim",  # ends inside an option
        b"\x40\x01\x00\x01\xff",  # marker without payload
        b"\x40\x01\x00\x01\xf0",  # reserved delta
        b"\x40\x01\x00\x01\x0f",  # reserved length
        b"\x40\x01\x00\x01\xd0",  # no extended delta
        b"\x40\x01\x00\x01\xe0\xff\xff\xe0\xff\xff",  # numbers above 65535
        b"\x40\x00\x00\x01\xc0",  # a ping with content
        b"\x61\x00\x00\x01a",  # an empty ACK with a token
    ],
)
def test_a_malformed_datagram_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode(data)


@given(MESSAGES)
def test_what_is_encoded_decodes_to_the_same(message: Message) -> None:
    decoded = decode(message.encode())
    message.options.sort(key=lambda option: option[0])
    assert decoded == message


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(lambda tail: b"\x44\x01" + tail)))
def test_random_bytes_raise_format_error_or_decode(data: bytes) -> None:
    try:
        message = decode(data)
    except FormatError:
        return
    if message.code:
        assert decode(message.encode()) == message


def test_options_are_sorted_when_written_and_keep_their_order_within_a_number() -> None:
    message = Message(Code.GET).add(Option.URI_QUERY, "b").add(Option.URI_PATH, "x").add(Option.URI_PATH, "a")
    decoded = decode(message.encode())
    assert decoded.uri_path() == ("x", "a")
    assert decoded.uri_query() == ("b",)


def test_a_token_longer_than_eight_bytes_is_not_written() -> None:
    with pytest.raises(ValueError, match="token of 9"):
        Message(Code.GET, token=bytes(9)).encode()


def test_an_option_that_the_format_cannot_say_is_not_written() -> None:
    with pytest.raises(ValueError, match="longer or higher"):
        Message(Code.GET, [(11, bytes(66000))]).encode()


def test_options_are_read_by_name() -> None:
    message = Message(Code.CONTENT).add(Option.OBSERVE, 70000).add(Option.CONTENT_FORMAT, 0).add(Option.ETAG, b"e")
    message.add(Option.LOCATION_PATH, "rd").add(Option.ACCEPT, 11542)
    assert (message.observe, message.content_format, message.accept) == (70000, 0, 11542)
    assert (message.etag, message.max_age, message.location_path()) == (b"e", 60, ("rd",))
    assert message.add(Option.MAX_AGE, 0).max_age == 0
    assert Message(Code.GET).observe is None
    assert message.without(Option.ETAG, Option.MAX_AGE) == [
        (Option.OBSERVE, b"\x01\x11\x70"),
        (Option.CONTENT_FORMAT, b""),
        (Option.LOCATION_PATH, b"rd"),
        (Option.ACCEPT, b"\x2d\x16"),
    ]


def test_a_path_that_is_not_utf_8_is_a_format_error() -> None:
    with pytest.raises(FormatError, match="UTF-8"):
        Message(Code.GET, [(Option.URI_PATH, b"\xff")]).uri_path()


def test_a_message_shows_what_it_is() -> None:
    assert "<CON 0.01 mid=7 token=0a" in repr(Message(Code.GET, token=b"\x0a", mid=7))
    assert Message(Code.GET) != "GET"


@pytest.mark.parametrize(("text", "number"), [("0.01", 1), ("2.05", 69), ("4.04", 132), ("5.03", 163)])
def test_codes_have_their_usual_spelling(text: str, number: int) -> None:
    assert code(text) == number
    assert format_code(number) == text


def test_codes_fall_into_requests_and_responses() -> None:
    assert is_request(Code.GET) and not is_request(Code.EMPTY) and not is_request(Code.CONTENT)
    assert is_response(Code.NOT_FOUND) and is_response(Code.CONTENT) and not is_response(Code.GET)
    assert is_success(Code.CHANGED) and not is_success(Code.NOT_FOUND)
