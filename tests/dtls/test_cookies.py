from __future__ import annotations

import pytest

from lamplighter.dtls import DtlsServer, SessionEstablished
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.cookies import PERIOD, Cookies
from lamplighter.dtls.numbers import HandshakeType
from lamplighter.dtls.records import HEADER
from tests.dtls.pair import CLIENT_ADDRESS, Pair, psk_client, server_config

SECRET = b"s" * 32
HERE = ("192.0.2.7", 49152)


def test_a_cookie_is_good_for_its_address_and_parameters_only() -> None:
    cookies = Cookies(SECRET)
    cookie = cookies.make(HERE, b"parameters", 0.0)
    assert cookies.check(cookie, HERE, b"parameters", 0.0)
    assert not cookies.check(cookie, ("192.0.2.7", 49153), b"parameters", 0.0)
    assert not cookies.check(cookie, HERE, b"others", 0.0)
    assert not cookies.check(b"", HERE, b"parameters", 0.0)
    assert len(cookie) <= 32


def test_a_cookie_outlives_one_change_of_keys_and_not_two() -> None:
    cookies = Cookies(SECRET)
    cookie = cookies.make(HERE, b"", PERIOD * 10.5)
    assert cookies.check(cookie, HERE, b"", PERIOD * 11.4)
    assert not cookies.check(cookie, HERE, b"", PERIOD * 12.1)


def test_processes_with_the_same_secret_take_each_others_cookies() -> None:
    assert Cookies(SECRET).check(Cookies(SECRET).make(HERE, b"", 5.0), HERE, b"", 9.0)
    assert not Cookies(SECRET).check(Cookies(b"t" * 32).make(HERE, b"", 5.0), HERE, b"", 9.0)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Cookies(b"short")


def first_hello(**changes) -> bytes:
    client = DtlsClient(psk_client(**changes))
    client.connect(0.0)
    return client.datagrams_to_send(0.0)[0][0]


def test_nothing_is_kept_before_a_good_cookie() -> None:
    server = DtlsServer(server_config())
    for port in range(1000):
        server.receive_datagram(first_hello(), ("192.0.2.7", port), 0.0)
    answers = server.datagrams_to_send(0.0)
    assert len(answers) == 1000
    assert server.half_open == 0 and server.get_timer() is None and server.next_event() is None


def test_the_answer_to_a_stranger_is_shorter_than_the_question_and_of_version_1_0() -> None:
    server = DtlsServer(server_config())
    hello = first_hello()
    server.receive_datagram(hello, CLIENT_ADDRESS, 0.0)
    ((answer, _),) = server.datagrams_to_send(0.0)
    assert len(answer) <= len(hello)
    _, version, number, _ = HEADER.unpack_from(answer)
    assert version == 0xFEFF and number == HEADER.unpack_from(hello)[2]
    assert answer[HEADER.size] == HandshakeType.HELLO_VERIFY_REQUEST
    assert answer[HEADER.size + 12 : HEADER.size + 14] == b"\xfe\xff"


def test_a_cookie_does_not_open_a_handshake_from_another_address() -> None:
    pair = Pair()
    pair.connect()
    with_cookie = pair.to_server[1]
    other = DtlsServer(pair.server.config)
    other.receive_datagram(with_cookie, ("203.0.113.1", 1), pair.now)
    assert other.half_open == 0
    other.receive_datagram(with_cookie, CLIENT_ADDRESS, pair.now)
    assert other.half_open == 1


def test_another_process_with_the_same_secret_goes_on_with_the_handshake() -> None:
    pair = Pair(server=server_config(cookie_secret=SECRET))
    pair.client.connect(pair.now)
    hello = pair.client.datagrams_to_send(pair.now)[0][0]
    pair.server.receive_datagram(hello, CLIENT_ADDRESS, pair.now)
    ((verify, _),) = pair.server.datagrams_to_send(pair.now)
    pair.server = DtlsServer(server_config(cookie_secret=SECRET))
    pair.client.receive_datagram(verify, CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert pair.of_client(SessionEstablished)


def test_a_fragmented_hello_is_judged_by_its_first_fragment() -> None:
    """A client on a path with small datagrams; OpenSSL cuts so too."""
    identities = psk_client(cipher_suites=tuple(range(1, 120)) + (0xC0A8,), mtu=228)
    pair = Pair(identities)
    pair.connect()
    assert len(pair.to_server) > 4
    assert pair.of_client(SessionEstablished)
