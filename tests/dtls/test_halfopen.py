from __future__ import annotations

import pytest

from lamplighter.dtls import DtlsServer, PskRequested, SessionEstablished
from lamplighter.dtls.halfopen import HalfOpen, network_of
from tests.dtls.pair import Pair, psk_client, server_config


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("192.0.2.1", 1), ("192.0.2.200", 2), True),
        (("192.0.2.1", 1), ("192.0.3.1", 1), False),
        (("::ffff:192.0.2.1", 1, 0, 0), ("::ffff:192.0.2.9", 1, 0, 0), True),
        (("::ffff:192.0.2.1", 1, 0, 0), ("::ffff:192.0.7.1", 1, 0, 0), False),
        (("2001:db8:0:ab::1", 1, 0, 0), ("2001:db8:0:ff::1", 1, 0, 0), True),
        (("2001:db8:0:ab::1", 1, 0, 0), ("2001:db8:0:1ab::1", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 2), ("fe80::2%eth0", 1, 0, 2), True),
        ("one", "other", False),
    ],
)
def test_a_network_is_a_24_or_a_56(one: object, other: object, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_places_are_counted_and_given_back() -> None:
    open_ = HalfOpen(3, 2)
    here, there = ("192.0.2.1", 1), ("198.51.100.1", 1)
    open_.add(here)
    open_.add(here)
    assert not open_.has_room(here) and open_.has_room(there)
    open_.add(there)
    assert not open_.has_room(("203.0.113.1", 1))
    open_.remove(here)
    assert open_.has_room(here) and open_.count == 2


def started(engine: DtlsServer, address: tuple[str, int], now: float = 1000.0) -> Pair:
    pair = Pair(psk_client(), engine, address)
    pair.now = now
    pair.answer = lambda event: None
    pair.connect()
    return pair


def test_the_newest_handshake_is_refused_in_silence_and_the_oldest_goes_on() -> None:
    engine = DtlsServer(server_config(half_open=1))
    first = started(engine, ("192.0.2.1", 1))
    second = started(engine, ("198.51.100.1", 1))
    assert engine.half_open == 1 and engine.refused == 1
    assert len(second.to_client) == 1  # HelloVerifyRequest and no more: no alert
    engine.provide_psk(first.of_server(PskRequested)[0].handshake, b"0123456789abcdef", first.now)
    first.pump()
    assert first.of_client(SessionEstablished)
    assert engine.half_open == 0


def test_one_network_cannot_take_every_place() -> None:
    engine = DtlsServer(server_config(half_open_network=2))
    for host in range(5):
        started(engine, (f"192.0.2.{host}", 1))
    assert engine.half_open == 2
    started(engine, ("198.51.100.1", 1))
    assert engine.half_open == 3


def test_new_handshakes_are_shed_in_silence_while_questions_wait_too_long() -> None:
    engine = DtlsServer(server_config())
    started(engine, ("192.0.2.1", 1), 1000.0)
    started(engine, ("192.0.2.2", 1), 1001.9)
    shed = started(engine, ("192.0.2.3", 1), 1002.1)
    assert engine.half_open == 2
    assert len(shed.to_client) == 1


def test_new_handshakes_are_shed_when_the_shell_says_so() -> None:
    engine = DtlsServer(server_config())
    engine.shed = True
    started(engine, ("192.0.2.1", 1))
    assert engine.half_open == 0 and engine.refused == 1


def test_a_handshake_long_after_the_last_one_is_not_late_from_its_first_moment() -> None:
    engine = DtlsServer(server_config())
    started(engine, ("192.0.2.1", 1), 1000.0)
    engine.handle_timer(1000.0 + 1000.0)  # given up
    assert engine.half_open == 0
    started(engine, ("192.0.2.2", 1), 3000.0)
    timer = engine.get_timer()
    assert timer is not None and timer > 3000.0
