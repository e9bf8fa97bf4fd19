"""Sessions made anew by their ID: no key exchange, no certificate, the same peer (RFC 5246 section 7.3, RFC 7627)."""

from __future__ import annotations

from random import Random

import pytest

from lamplighter.dtls import (
    CertificateIdentity,
    CertificateReceived,
    DtlsServer,
    FailureReason,
    HandshakeFailed,
    PskIdentity,
    PskRequested,
    SessionEstablished,
)
from lamplighter.dtls.ciphers import CIPHER_SUITES
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.dtls.numbers import HandshakeType
from lamplighter.dtls.records import HEADER
from lamplighter.dtls.resumption import Resumable, Resumables
from tests.dtls.credentials import certificate_client, certificate_server
from tests.dtls.pair import WALL, Pair, psk_client, server_config, talk

MAKERS = {"key": psk_client, "certificate": certificate_client}


def connected(pair: Pair) -> Pair:
    pair.connect()
    assert pair.of_server(SessionEstablished)
    return pair


def again(pair: Pair, client: ClientConfig, address: tuple[str, int] = ("198.51.100.9", 6000)) -> Pair:
    """The same device from elsewhere, with nothing but what the session left."""
    other = Pair(client, pair.server, address)
    other.now = pair.now
    other.client.connect(other.now, pair.client.resumable)
    other.pump()
    return other


@pytest.mark.parametrize("by", MAKERS)
def test_a_session_is_resumed_without_its_credential(by: str) -> None:
    first = connected(Pair(MAKERS[by](), certificate_server()))
    other = again(first, MAKERS[by]())
    talk(other)
    (established,), (before,) = other.of_server(SessionEstablished), first.of_server(SessionEstablished)
    assert established.identity == before.identity and established.session.credential == before.session.credential
    assert established.cid != before.cid
    assert not other.of_server(PskRequested) and not other.of_server(CertificateReceived)
    kinds = [data[HEADER.size] for data in other.to_client if data[0] == 22]
    assert kinds == [HandshakeType.HELLO_VERIFY_REQUEST, HandshakeType.SERVER_HELLO]
    assert other.server.half_open == 0


def test_keys_of_a_resumed_session_are_new() -> None:
    first = connected(Pair())
    other = again(first, psk_client())
    sessions = [pair.of_server(SessionEstablished)[0].session for pair in (first, other)]
    assert sessions[0]._read_key != sessions[1]._read_key and sessions[0]._write_key != sessions[1]._write_key


def test_a_session_is_resumed_more_than_once() -> None:
    first = connected(Pair())
    second = again(first, psk_client())
    third = again(second, psk_client(), ("203.0.113.5", 7000))
    talk(third)
    assert not third.of_server(PskRequested)


def test_a_session_without_extended_master_secret_cannot_be_resumed() -> None:
    first = connected(Pair(psk_client(extended_master_secret=False)))
    assert first.client.resumable is None


def test_a_resumption_that_leaves_the_extended_master_secret_out_is_refused() -> None:
    """RFC 7627 section 5.3: the server aborts."""
    first = connected(Pair())
    other = again(first, psk_client(extended_master_secret=False))
    assert other.of_server(HandshakeFailed)[0].reason is FailureReason.EXTENDED_MASTER_SECRET_MISSING
    assert not other.of_server(SessionEstablished)


def test_a_resumption_that_leaves_the_suite_out_is_a_full_handshake() -> None:
    first = connected(Pair(psk_client(cipher_suites=(0xC0A8,))))
    other = again(first, psk_client(cipher_suites=(0xC0A4,)))
    assert other.of_server(PskRequested)
    assert other.of_server(SessionEstablished)[0].cipher == CIPHER_SUITES[0xC0A4].name


def test_an_unknown_session_leads_to_a_full_handshake() -> None:
    first = connected(Pair())
    elsewhere = Pair()
    elsewhere.client.connect(elsewhere.now, first.client.resumable)
    elsewhere.pump()
    assert elsewhere.of_server(PskRequested)
    talk(elsewhere)


def test_who_knows_a_session_id_alone_gets_no_session() -> None:
    """It is sent in the clear."""
    first = connected(Pair())
    known = first.client.resumable
    assert known is not None
    guess = Resumable(known.session_id, bytes(48), known.cipher, known.identity, "", WALL)
    thief = Pair(psk_client(), first.server, ("203.0.113.5", 7000))
    thief.client.connect(thief.now, guess)
    thief.pump()
    thief.advance(200)
    assert not thief.of_server(SessionEstablished) and not thief.of_client(SessionEstablished)
    assert thief.server.half_open == 0


def test_a_session_that_the_server_closed_cannot_be_resumed() -> None:
    first = connected(Pair())
    first.server.close(first.of_server(SessionEstablished)[0].session, first.now)
    other = again(first, psk_client())
    assert other.of_server(PskRequested)


def test_closing_an_older_session_leaves_the_younger_one_of_the_peer_to_be_resumed() -> None:
    first = connected(Pair())
    second = connected(Pair(psk_client(), first.server, ("198.51.100.9", 6000)))
    first.server.close(first.of_server(SessionEstablished)[0].session, first.now)
    assert not again(second, psk_client(), ("203.0.113.5", 7000)).of_server(PskRequested)


def test_a_peer_that_is_to_prove_itself_again_cannot_resume() -> None:
    first = connected(Pair(certificate_client(), certificate_server()))
    identity = first.of_server(SessionEstablished)[0].identity
    assert isinstance(identity, CertificateIdentity)
    first.server.forget_resumable(identity)
    assert again(first, certificate_client()).of_server(CertificateReceived)


def test_resuming_makes_no_session_older_than_its_handshake_allows() -> None:
    wall = [WALL]
    server = DtlsServer(server_config(wall_time=lambda: wall[0], session_age=3600))
    first = connected(Pair(server=server))
    wall[0] += 3000
    other = again(first, psk_client())
    session = other.of_server(SessionEstablished)[0].session
    assert not other.of_server(PskRequested)
    assert session.valid_until == WALL + 3600
    wall[0] += 1000
    assert again(other, psk_client(), ("203.0.113.5", 7000)).of_server(PskRequested)


@pytest.mark.parametrize("seed", range(30))
def test_a_lossy_network_delays_a_resumption_but_does_not_break_it(seed: int) -> None:
    random = Random(seed)
    first = connected(Pair())
    other = Pair(psk_client(), first.server, ("198.51.100.9", 6000))
    other.up = other.down = lambda datagram: [] if random.random() < 0.3 else [datagram]
    other.client.connect(other.now, first.client.resumable)
    other.pump()
    other.advance(119)
    assert len(other.of_server(SessionEstablished)) == len(other.of_client(SessionEstablished)) == 1
    assert not other.of_server(PskRequested)


def test_only_the_newest_sessions_can_be_resumed_and_one_of_each_peer() -> None:
    resumables = Resumables(2)

    def left(number: int, peer: bytes) -> Resumable:
        return Resumable(bytes([number]) * 32, bytes(48), CIPHER_SUITES[0xC0A8], PskIdentity(peer), "", 1e10)

    for number, peer in enumerate((b"one", b"two", b"one", b"three")):
        resumables.add(left(number, peer))
    found = [number for number in range(4) if resumables.find(bytes([number]) * 32, WALL) is not None]
    assert found == [2, 3] and len(resumables) == 2
    nothing = Resumables(0)
    nothing.add(left(1, b"one"))
    assert len(nothing) == 0
