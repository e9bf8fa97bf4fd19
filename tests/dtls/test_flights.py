"""Flights that are lost, cut, and sent again (RFC 6347 section 4.2.4)."""

from __future__ import annotations

import pytest

from lamplighter.dtls import (
    FailureReason,
    HandshakeFailed,
    SessionEstablished,
)
from lamplighter.dtls.flights import Flights
from lamplighter.dtls.fragments import Reassembler
from lamplighter.dtls.handshake import parse_fragments
from lamplighter.dtls.numbers import ContentType, HandshakeType
from lamplighter.dtls.records import HEADER
from tests.dtls.credentials import certificate_client, certificate_server
from tests.dtls.pair import Pair, psk_client, talk


def test_a_lost_finished_of_the_server_is_sent_again() -> None:
    pair = Pair()
    pair.down = lambda datagram: [] if pair.of_server(SessionEstablished) else [datagram]
    pair.connect()
    assert not pair.of_client(SessionEstablished)
    pair.down = lambda datagram: [datagram]
    pair.advance(1.5)
    assert pair.of_client(SessionEstablished)
    assert len(pair.of_server(SessionEstablished)) == 1


def test_the_last_flight_is_forgotten_after_two_segment_lifetimes() -> None:
    pair = Pair(psk_client(handshake_age=1000))
    pair.down = lambda datagram: [] if pair.of_server(SessionEstablished) else [datagram]
    pair.connect()
    pair.advance(239)
    sent = len(pair.to_client)
    pair.down = lambda datagram: [datagram]
    pair.advance(100)
    assert not pair.of_client(SessionEstablished)
    assert len(pair.to_client) == sent


@pytest.mark.parametrize("mtu", [228, 300, 512])
def test_long_flights_are_cut_to_the_mtu(mtu: int) -> None:
    pair = Pair(certificate_client(mtu=mtu), certificate_server(mtu=mtu))
    pair.connect()
    talk(pair)
    assert max(map(len, pair.to_client + pair.to_server)) <= mtu


def test_a_flight_is_sent_again_after_one_second_then_two_then_four() -> None:
    pair = Pair()
    pair.up = lambda datagram: [datagram] if len(pair.to_server) <= 2 else []
    pair.connect()
    sent = len(pair.to_client)
    for seconds, flights in ((0.9, 0), (0.2, 1), (1.8, 1), (0.3, 2), (3.6, 2), (0.4, 3)):
        pair.advance(seconds)
        assert len(pair.to_client) - sent == flights


def test_nothing_is_left_of_a_handshake_that_the_client_gave_up() -> None:
    pair = Pair()
    pair.up = lambda datagram: [datagram] if len(pair.to_server) <= 2 else []
    pair.connect()
    assert pair.server.half_open == 1
    pair.advance(130)
    assert pair.server.half_open == 0
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.TIMED_OUT


def test_a_client_hello_whose_message_number_leaves_no_room_for_ours_is_ignored() -> None:
    pair = Pair()

    def numbered(datagram: bytes) -> list[bytes]:
        changed = bytearray(datagram)
        if len(pair.to_server) > 1:  # the hello with the cookie
            changed[HEADER.size + 4 : HEADER.size + 6] = b"\xff\xff"
        return [bytes(changed)]

    pair.up = numbered
    pair.connect()
    assert pair.server.half_open == 0 and not pair.of_server(HandshakeFailed)


@pytest.mark.parametrize(("mtu", "limit"), [(228, 16384), (1200, 512), (1200, 64), (300, 100)])
def test_a_flight_keeps_to_both_limits_and_comes_together_again(mtu: int, limit: int) -> None:
    body = bytes(range(256)) * 4
    flights = Flights(mtu)
    flights.fragment_limit = limit
    flights.say(HandshakeType.CERTIFICATE, body)
    flights.change_cipher_spec()
    flights.say(HandshakeType.SERVER_HELLO_DONE, b"")
    datagrams = flights.datagrams()
    assert max(map(len, datagrams)) <= mtu
    reassembler = Reassembler(0)
    numbers = []
    for datagram in datagrams:
        at = 0
        while at < len(datagram):
            kind, _, number, length = HEADER.unpack_from(datagram, at)
            payload = datagram[at + HEADER.size : at + HEADER.size + length]
            at += HEADER.size + length
            numbers.append(number)
            assert length <= limit
            for fragment in parse_fragments(payload) if kind == ContentType.HANDSHAKE else ():
                reassembler.add(fragment)
    assert numbers == list(range(len(numbers)))
    assert reassembler.next_message() == (11, 0, body)
    assert reassembler.next_message() == (14, 1, b"")


def test_what_is_said_again_has_new_record_numbers_and_a_new_flight_has_nothing_of_the_old() -> None:
    flights = Flights(1200, sequence=3, record=7)
    flights.say(HandshakeType.SERVER_HELLO_DONE, b"")
    numbers = [HEADER.unpack_from(flights.datagrams()[0])[2] for _ in range(2)]
    assert numbers == [7, 8]
    flights.begin()
    assert flights.datagrams() == [b""] and flights.next_sequence == 4
