from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.coap.framing import FrameReader, Framing, datagram_of, detect, frame_head, frame_of, prefixed
from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import Code, Option, Type

REGISTER = bytes.fromhex("44020001deadbeefb27264")
CSM = bytes.fromhex("00e1")


@pytest.mark.parametrize(
    ("data", "framing"),
    [
        ("00e1", Framing.RFC8323),
        ("50e1230480 40", Framing.RFC8323),  # with Max-Message-Size
        ("41e1aa", Framing.RFC8323),  # looks like a version 1 datagram but for its code
        ("d000e1", Framing.RFC8323),  # an extended length: the code is the third byte,
        ("e00000e1", Framing.RFC8323),  # the fourth
        ("f000000000e1", Framing.RFC8323),  # or the sixth
        ("44020001", Framing.RECORD),
        ("40000001", Framing.RECORD),  # the vendor's ping
        ("5001 0001", Framing.RECORD),
    ],
)
def test_the_first_bytes_of_a_tls_stream_tell_its_framing(data: str, framing: Framing) -> None:
    assert detect(bytes.fromhex(data), records=True) is framing


@pytest.mark.parametrize(("data", "framing"), [("00e1", Framing.RFC8323), ("0000000b44020001", Framing.PREFIX)])
def test_the_first_bytes_of_a_tcp_stream_tell_its_framing(data: str, framing: Framing) -> None:
    assert detect(bytes.fromhex(data), records=False) is framing


@pytest.mark.parametrize("data", ["", "00", "d0", "d000", "e00000", "f000000000"])
def test_too_few_bytes_tell_nothing_yet(data: str) -> None:
    assert detect(bytes.fromhex(data), records=False) is None


@pytest.mark.parametrize(
    ("data", "records"),
    [
        ("44020001", False),  # without records and without a prefix, nobody knows where it ends
        ("0000000b", True),  # the prefix is for plain TCP only
        ("4445 0001", True),  # a response to nothing
        ("6000 0001", False),
        ("474554202f", False),  # an HTTP client
        ("1603010200", False),  # a TLS client at the plain port
    ],
)
def test_a_stream_that_begins_otherwise_is_refused(data: str, records: bool) -> None:
    with pytest.raises(FormatError):
        detect(bytes.fromhex(data), records=records)


@pytest.mark.parametrize(
    ("length", "head"),
    [(0, "01"), (12, "c1"), (13, "d100"), (268, "d1ff"), (269, "e10000"), (65804, "e1ffff"), (65805, "f100000000")],
)
def test_lengths_are_extended_as_rfc_8323_section_3_2_says(length: int, head: str) -> None:
    assert frame_head(length, 1).hex() == head


def test_the_example_of_rfc_8323_figure_6_is_a_get_of_three_bytes_of_options() -> None:
    frame = frame_of(Message(Code.GET, [(Option.URI_PATH, b"rd")], b"", b"\x07", Type.CON, 0x1234).encode())
    assert frame == bytes.fromhex("310107b27264")
    assert decode(datagram_of(frame, 9)) == Message(Code.GET, [(Option.URI_PATH, b"rd")], b"", b"\x07", Type.NON, 9)


@given(
    st.lists(
        st.builds(
            Message,
            st.sampled_from([Code.GET, Code.POST, Code.CONTENT, 0xE1]),
            st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=20)), max_size=4),
            st.one_of(st.binary(max_size=30), st.binary(min_size=200, max_size=70_000)),
            st.binary(max_size=8),
        ),
        max_size=4,
    ),
    st.sampled_from([Framing.RFC8323, Framing.PREFIX]),
    st.integers(1, 5000),
)
def test_messages_cut_anywhere_come_out_whole(messages: list[Message], framing: Framing, step: int) -> None:
    wrap = frame_of if framing is Framing.RFC8323 else prefixed
    stream = b"".join(wrap(message.encode()) for message in messages)
    reader = FrameReader(framing, 1 << 20)
    found = []
    for start in range(0, len(stream), step):
        reader.feed(stream[start : start + step])
        while (frame := reader.next()) is not None:
            found.append(decode(datagram_of(frame, 0) if framing is Framing.RFC8323 else frame))
    for message, read in zip(messages, found, strict=True):
        read.type, read.mid = message.type, message.mid
        assert read.encode() == message.encode()


@given(st.binary(max_size=60), st.sampled_from([Framing.RFC8323, Framing.PREFIX]))
def test_random_bytes_raise_format_error_or_wait_for_more(data: bytes, framing: Framing) -> None:
    reader = FrameReader(framing, 1000)
    reader.feed(data)
    try:
        while (frame := reader.next()) is not None:
            if framing is Framing.RFC8323:
                decode(datagram_of(frame, 1))
    except FormatError:
        return


@pytest.mark.parametrize(("data", "framing"), [("f0ffffffff01", Framing.RFC8323), ("0001000044", Framing.PREFIX)])
def test_a_message_above_the_limit_is_refused_before_it_is_there(data: str, framing: Framing) -> None:
    reader = FrameReader(framing, 65536)
    reader.feed(bytes.fromhex(data))
    with pytest.raises(FormatError, match="are taken"):
        reader.next()


def test_a_reserved_token_length_is_refused() -> None:
    reader = FrameReader(Framing.RFC8323, 1000)
    reader.feed(b"\x09\x01")
    with pytest.raises(FormatError, match="token"):
        reader.next()
