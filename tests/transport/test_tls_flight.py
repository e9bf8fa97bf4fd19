from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.transport.tls_flight import FLIGHT_LIMIT, ClientFlight, FlightTooLong, HelloSeen, IdentitySeen


def record(*messages: bytes, kind: int = 22) -> bytes:
    body = b"".join(messages)
    return bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def hello(*extensions: int) -> bytes:
    listed = b"".join(number.to_bytes(2, "big") + b"\x00\x01\x00" for number in extensions)
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\xc0\xae" + b"\x01\x00" + len(listed).to_bytes(2, "big")
    return message(1, body + listed)


KEY_EXCHANGE = message(16, b"\x00\x06lamp-1")
POINT = message(16, b"\x41\x04" + bytes(64))


def test_a_hello_says_whether_it_offers_the_extended_master_secret() -> None:
    assert ClientFlight().feed(record(hello(10, 23))) == [HelloSeen(True)]
    assert ClientFlight().feed(record(hello(10))) == [HelloSeen(False)]
    assert ClientFlight().feed(record(hello())) == [HelloSeen(False)]


def test_an_identity_is_found_however_records_and_segments_are_cut() -> None:
    wire = record(hello(23)) + record(KEY_EXCHANGE[:5]) + record(KEY_EXCHANGE[5:]) + record(b"\x01", kind=20)
    flight = ClientFlight()
    seen = [each for place in range(len(wire)) for each in flight.feed(wire[place : place + 1])]
    assert seen == [HelloSeen(True), IdentitySeen(b"lamp-1")]


def test_a_point_is_no_identity() -> None:
    assert ClientFlight().feed(record(POINT)) == []


def test_after_change_cipher_spec_nothing_is_looked_at() -> None:
    flight = ClientFlight()
    assert flight.feed(record(b"\x01", kind=20) + record(KEY_EXCHANGE)) == []
    assert flight.feed(record(KEY_EXCHANGE) * 10_000) == []


def test_more_handshake_than_any_client_needs_is_refused() -> None:
    flight = ClientFlight()
    flight.feed(record(bytes(FLIGHT_LIMIT - 100))[:-10])
    with pytest.raises(FlightTooLong):
        flight.feed(bytes(200))


@given(st.lists(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda body: record(message(1, body))))))
def test_random_bytes_are_taken_without_complaint(pieces: list[bytes]) -> None:
    flight = ClientFlight()
    for piece in pieces:
        flight.feed(piece)
