"""What every DTLS engine does behind the one face (``dtls.engine``). What only ours can do is tested in the files beside."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from lamplighter.dtls import (
    AlertDescription,
    CertificateIdentity,
    CertificateReceived,
    CloseReason,
    DataReceived,
    DtlsServer,
    FailureReason,
    HandshakeFailed,
    PskIdentity,
    PskRequested,
    ServerConfig,
    SessionClosed,
    SessionEstablished,
    VerifiedPath,
)
from lamplighter.dtls.ciphers import CERTIFICATE_SUITES, CIPHER_SUITES, PSK_SUITES
from lamplighter.dtls.numbers import ContentType, HandshakeType
from lamplighter.dtls.records import HEADER
from lamplighter.transport.dtls_openssl import OpensslServer
from tests.dtls.credentials import DEVICE, certificate_client, certificate_server
from tests.dtls.network import disorderly, mutated
from tests.dtls.pair import CLIENT_ADDRESS, KEYS, WALL, Pair, psk_client, server_config, talk
from tests.dtls.pki import issue

Engine = Callable[[ServerConfig], Any]


@pytest.fixture(params=[DtlsServer, OpensslServer], ids=["native", "openssl"])
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = request.param
    return made


def by_key(engine: Engine, **client: Any) -> Pair:
    pair = Pair(psk_client(**{"connection_id": None, **client}), engine(server_config()))
    pair.connect()
    return pair


def by_certificate(engine: Engine, **client: Any) -> Pair:
    pair = Pair(certificate_client(**{"connection_id": None, **client}), engine(certificate_server()))
    pair.connect()
    return pair


# Sessions


@pytest.mark.parametrize("suite", PSK_SUITES, ids=lambda number: CIPHER_SUITES[number].name)
@pytest.mark.parametrize("extended", [True, False])
def test_a_pre_shared_key_makes_a_session(engine: Engine, suite: int, extended: bool) -> None:
    pair = by_key(engine, cipher_suites=(suite,), extended_master_secret=extended)
    talk(pair)
    (established,) = pair.of_server(SessionEstablished)
    assert established.identity == PskIdentity(b"lamp-1")
    assert established.cipher == CIPHER_SUITES[suite].name
    assert established.extended_master_secret is extended
    assert established.cid == b"" and pair.server.half_open == 0


@pytest.mark.parametrize("suite", CERTIFICATE_SUITES, ids=lambda number: CIPHER_SUITES[number].name)
def test_a_certificate_makes_a_session(engine: Engine, suite: int) -> None:
    pair = by_certificate(engine, cipher_suites=(suite,))
    talk(pair)
    (established,), (asked,) = pair.of_server(SessionEstablished), pair.of_server(CertificateReceived)
    assert isinstance(established.identity, CertificateIdentity)
    assert established.session.credential == "a certificate"
    assert asked.chain == DEVICE.chain


def test_a_session_rests_on_the_path_and_ends_with_it(engine: Engine) -> None:
    pair = Pair(certificate_client(connection_id=None), engine(certificate_server()))
    path = VerifiedPath((b"l" * 32, b"a" * 32), WALL + 600)

    def accept(event: object) -> None:
        if isinstance(event, CertificateReceived):
            pair.server.accept_certificate(event.handshake, pair.now, path=path, credential="it")

    pair.answer = accept
    pair.connect()
    session = pair.of_server(SessionEstablished)[0].session
    assert session.identity == CertificateIdentity(path.fingerprints, path.not_after)
    assert session.valid_until == WALL + 600
    pair.advance(700)
    assert pair.of_server(SessionClosed) == [SessionClosed(session, CloseReason.EXPIRED)]


def test_a_client_that_asks_for_a_connection_id_does_without_where_there_is_none(engine: Engine) -> None:
    pair = by_key(engine, connection_id=b"")
    talk(pair)
    assert len(pair.of_server(SessionEstablished)[0].cid) in (0, 8)


def test_the_first_answer_is_a_cookie_and_leaves_nothing(engine: Engine) -> None:
    pair = Pair(psk_client(connection_id=None), engine(server_config()))
    pair.up = lambda datagram: [datagram] if len(pair.to_server) == 1 else []
    pair.connect()
    (answer,) = pair.to_client
    assert answer[HEADER.size] == HandshakeType.HELLO_VERIFY_REQUEST and answer[1:3] == b"\xfe\xff"
    assert pair.server.half_open == 0 and pair.server.get_timer() is None


def test_the_servers_random_begins_with_the_time(engine: Engine) -> None:
    pair = by_key(engine)
    hello = next(data for data in pair.to_client if data[HEADER.size] == HandshakeType.SERVER_HELLO)
    assert int.from_bytes(hello[HEADER.size + 14 : HEADER.size + 18], "big") > 1_600_000_000


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("by", ["key", "certificate"])
def test_a_disorderly_network_delays_a_handshake_but_does_not_break_it(engine: Engine, seed: int, by: str) -> None:
    random = Random(seed)
    if by == "key":
        pair = Pair(psk_client(connection_id=None), engine(server_config()))
    else:
        pair = Pair(certificate_client(connection_id=None, mtu=300), engine(certificate_server(mtu=300)))
    pair.up, pair.down = disorderly(random), disorderly(random)
    pair.connect()
    pair.advance(119)
    assert len(pair.of_server(SessionEstablished)) == 1
    assert len(pair.of_client(SessionEstablished)) == 1


# Refusals


def test_no_record_number_is_said_twice_however_often_a_flight_is(engine: Engine) -> None:
    """A peer drops what comes with a number that it has seen (RFC 6347 section 4.1.2.6)."""
    pair = Pair(certificate_client(connection_id=None), engine(certificate_server()))
    lost = iter([True, False, True])  # a ClientHello, and the one with the cookie
    pair.up = lambda datagram: [] if next(lost, False) else [datagram]
    kept = iter([True, False, False])  # our first flight, twice
    pair.down = lambda datagram: [datagram] if next(kept, True) else []
    pair.connect()
    pair.advance(30.0)
    assert pair.of_server(SessionEstablished) and pair.of_client(SessionEstablished)
    numbers = [number for datagram in pair.to_client for number in record_numbers(datagram)]
    assert len(numbers) == len(set(numbers)) > 6


def record_numbers(datagram: bytes) -> list[int]:
    """With their epochs."""
    numbers = []
    at = 0
    while at < len(datagram):
        _, _, number, length = HEADER.unpack_from(datagram, at)
        numbers.append(number)
        at += HEADER.size + length
    return numbers


def test_an_unknown_identity_and_a_wrong_key_look_the_same_to_the_peer(engine: Engine) -> None:
    """The same datagrams of the same lengths at the same times, and silence at the end."""
    heard = []
    for identity in (b"lamp-9", b"lamp-2"):
        pair = by_key(engine, identity=identity, psk=b"0123456789abcdef")
        pair.advance(200)
        assert not pair.of_server(SessionEstablished) and pair.server.half_open == 0
        assert all(data[0] == ContentType.HANDSHAKE for data in pair.to_client)
        assert [event.reason for event in pair.of_client(HandshakeFailed)] == [FailureReason.TIMED_OUT]
        assert pair.of_server(HandshakeFailed)
        heard.append([len(data) for data in pair.to_client])
    assert heard[0] == heard[1]


def test_a_rejected_certificate_is_told_why(engine: Engine) -> None:
    pair = Pair(certificate_client(connection_id=None), engine(certificate_server()))

    def reject(event: object) -> None:
        if isinstance(event, CertificateReceived):
            pair.server.reject_certificate(event.handshake, AlertDescription.CERTIFICATE_REVOKED, pair.now)

    pair.answer = reject
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.CERTIFICATE_REJECTED
    assert pair.of_client(HandshakeFailed)[0].detail == "certificate_revoked"
    assert not pair.of_client(SessionEstablished) and not pair.of_server(SessionEstablished)


def test_a_client_with_no_certificate_is_refused(engine: Engine) -> None:
    pair = by_certificate(engine, certificate_chain=())
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.CERTIFICATE_MISSING


def test_who_does_not_hold_the_certificates_key_is_not_even_asked_about(engine: Engine) -> None:
    pair = by_certificate(engine, private_key=issue("thief").key)
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.BAD_SIGNATURE and not pair.of_server(
        CertificateReceived
    )
    assert not pair.of_client(SessionEstablished)


def test_a_client_without_extended_master_secret_is_refused_where_it_is_required(engine: Engine) -> None:
    config = server_config(extended_master_secret="required")
    pair = Pair(psk_client(extended_master_secret=False, connection_id=None), engine(config))
    pair.connect()
    (failed,) = pair.of_server(HandshakeFailed)
    assert failed.reason is FailureReason.EXTENDED_MASTER_SECRET_MISSING
    assert pair.of_client(HandshakeFailed)[0].detail == "handshake_failure"


def test_no_shared_cipher_ends_the_handshake(engine: Engine) -> None:
    pair = Pair(psk_client(cipher_suites=(0xC0A9,)), engine(server_config(cipher_suites=(0xC0A8,))))
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.NO_SHARED_CIPHER


# Questions


def test_a_question_may_be_answered_late(engine: Engine) -> None:
    pair = Pair(psk_client(connection_id=None), engine(server_config()))
    pair.answer = lambda event: None
    pair.connect()
    (asked,) = pair.of_server(PskRequested)
    assert not pair.of_server(SessionEstablished)
    pair.server.provide_psk(asked.handshake, KEYS[b"lamp-1"], pair.now)
    pair.pump()
    talk(pair)


def test_an_answer_to_a_handshake_that_is_gone_is_ignored(engine: Engine) -> None:
    pair = Pair(psk_client(connection_id=None), engine(server_config()))
    pair.answer = lambda event: None
    pair.connect()
    (asked,) = pair.of_server(PskRequested)
    pair.advance(121)
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.TIMED_OUT
    pair.server.provide_psk(asked.handshake, KEYS[b"lamp-1"], pair.now)
    pair.pump()
    assert not pair.of_server(SessionEstablished) and pair.server.half_open == 0


def test_an_abandoned_question_leaves_the_peer_in_silence(engine: Engine) -> None:
    pair = Pair(psk_client(connection_id=None), engine(server_config()))
    pair.answer = lambda event: None
    pair.connect()
    sent = len(pair.to_client)
    pair.server.abandon(pair.of_server(PskRequested)[0].handshake, pair.now, detail="the database is away")
    pair.pump()
    assert len(pair.to_client) == sent
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.ABANDONED and pair.server.half_open == 0


def test_new_handshakes_are_shed_in_silence_while_questions_wait_too_long(engine: Engine) -> None:
    server = engine(server_config())
    for host, now in ((1, 1000.0), (2, 1001.9), (3, 1002.1)):
        pair = Pair(psk_client(connection_id=None), server, (f"192.0.2.{host}", 1))
        pair.now, pair.answer = now, lambda event: None
        pair.connect()
    assert server.half_open == 2 and server.refused == 1
    assert len(pair.to_client) == 1


# Addresses and ends


def test_a_new_handshake_on_a_live_address_replaces_the_session_only_at_its_end(engine: Engine) -> None:
    pair = by_key(engine)
    old = pair.of_server(SessionEstablished)[0].session
    pair.answer = lambda event: None
    pair.client.connect(pair.now)
    pair.pump()
    pair.client.send(b"still here", pair.now)
    pair.pump()
    assert [event.data for event in pair.of_server(DataReceived)] == [b"still here"]
    pair.server.provide_psk(pair.of_server(PskRequested)[-1].handshake, KEYS[b"lamp-1"], pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(old, CloseReason.REPLACED)]
    assert len(pair.server.sessions) == 1


def test_epoch_0_says_nothing_to_a_session(engine: Engine) -> None:
    pair = by_key(engine)
    pair.server.receive_datagram(HEADER.pack(21, 0xFEFD, 99, 2) + b"\x02\x28", CLIENT_ADDRESS, pair.now)
    pair.server.receive_datagram(HEADER.pack(23, 0xFEFD, 100, 5) + b"hello", CLIENT_ADDRESS, pair.now)
    talk(pair)


def test_a_repeated_or_forged_record_is_dropped(engine: Engine) -> None:
    pair = by_key(engine)
    pair.client.send(b"once", pair.now)
    ((record, _),) = pair.client.datagrams_to_send(pair.now)
    forged = record[:-1] + bytes([record[-1] ^ 1])
    for each in (forged, record, record):
        pair.server.receive_datagram(each, CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert [event.data for event in pair.of_server(DataReceived)] == [b"once"]


def test_close_notify_ends_the_session(engine: Engine) -> None:
    pair = by_key(engine)
    session = pair.of_server(SessionEstablished)[0].session
    pair.client.close(pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(session, CloseReason.CLOSE_NOTIFY)]
    assert not pair.server.send(session, b"too late", pair.now)
    assert len(pair.server.sessions) == 0


def test_the_server_may_close_a_session(engine: Engine) -> None:
    pair = by_key(engine)
    pair.server.close(pair.of_server(SessionEstablished)[0].session, pair.now)
    pair.pump()
    assert pair.of_client(SessionClosed)[0].reason is CloseReason.CLOSE_NOTIFY


def test_a_session_ends_at_its_maximum_age(engine: Engine) -> None:
    pair = Pair(psk_client(connection_id=None), engine(server_config(session_age=3600)))
    pair.connect()
    session = pair.of_server(SessionEstablished)[0].session
    pair.now += 3601
    assert not pair.server.send(session, b"too late", pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(session, CloseReason.EXPIRED)]


def test_a_message_too_large_for_the_peer_is_refused(engine: Engine) -> None:
    pair = by_key(engine, max_fragment_length=1)
    session = pair.of_server(SessionEstablished)[0].session
    assert session.max_message_size == 512
    with pytest.raises(ValueError, match="do not fit"):
        pair.server.send(session, bytes(513), pair.now)


def test_damaged_flights_raise_nothing_and_leave_nothing(engine: Engine) -> None:
    random = Random(7)
    server = engine(certificate_server())
    for number in range(60):
        make = psk_client if number % 2 else certificate_client
        pair = Pair(make(connection_id=None), server, (f"192.0.2.{number}", 5000))

        def hostile(datagram: bytes) -> list[bytes]:
            damaged = [mutated(random, datagram) for _ in range(4)]
            return [*damaged, datagram] if random.random() < 0.7 else damaged

        pair.up = hostile
        pair.connect()
        pair.client.send(b"hello", pair.now)
        pair.pump()
    server.handle_timer(1e9)
    server.handle_timer(2e9)
    assert server.half_open == 0 and len(server.sessions) == 0 and server.get_timer() is None
