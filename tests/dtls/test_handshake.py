"""Whole handshakes between the server engine and the client half."""

from __future__ import annotations

from random import Random

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
    SessionClosed,
    SessionEstablished,
    TrustAnchor,
)
from lamplighter.dtls.ciphers import CERTIFICATE_SUITES, CIPHER_SUITES, PSK_SUITES
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.dtls.numbers import ContentType, HandshakeType
from lamplighter.dtls.records import HEADER
from tests.dtls.pair import CLIENT_ADDRESS, WALL, Pair, psk_client, server_config
from tests.dtls.pki import authority, device, issue, server

CA = authority()
SERVER = server(CA)
DEVICE = device(CA)
ANCHORS = [TrustAnchor.from_der(CA.der)]


def certificate_server(**changes):
    return server_config(certificate_chain=SERVER.chain, private_key=SERVER.key, **changes)


def certificate_client(credential=DEVICE, **changes):
    values = {
        "wall_time": lambda: WALL,
        "certificate_chain": credential.chain,
        "private_key": credential.key,
        "trust_anchors": ANCHORS,
        **changes,
    }
    return ClientConfig(**values)


def talk(pair: Pair) -> None:
    """Both directions, and nothing but what was said."""
    (established,) = pair.of_server(SessionEstablished)
    assert pair.client.send(b"up", pair.now)
    pair.pump()
    assert pair.server.send(established.session, b"down", pair.now)
    pair.pump()
    assert [event.data for event in pair.of_server(DataReceived)] == [b"up"]
    assert [event.data for event in pair.of_client(DataReceived)] == [b"down"]


@pytest.mark.parametrize("suite", PSK_SUITES, ids=lambda number: CIPHER_SUITES[number].name)
@pytest.mark.parametrize("extended", [True, False])
def test_a_pre_shared_key_makes_a_session(suite: int, extended: bool) -> None:
    pair = Pair(psk_client(cipher_suites=(suite,), extended_master_secret=extended))
    pair.connect()
    talk(pair)
    (established,) = pair.of_server(SessionEstablished)
    assert established.identity == PskIdentity(b"lamp-1")
    assert established.cipher == CIPHER_SUITES[suite].name
    assert established.extended_master_secret is extended


@pytest.mark.parametrize("suite", CERTIFICATE_SUITES, ids=lambda number: CIPHER_SUITES[number].name)
def test_a_certificate_makes_a_session(suite: int) -> None:
    pair = Pair(certificate_client(cipher_suites=(suite,)), certificate_server())
    pair.connect()
    talk(pair)
    (established,) = pair.of_server(SessionEstablished)
    assert isinstance(established.identity, CertificateIdentity)
    assert established.session.credential == "a certificate"
    (asked,) = pair.of_server(CertificateReceived)
    assert asked.chain == DEVICE.chain


@pytest.mark.parametrize("draft", [False, True], ids=["RFC 9146", "draft 05"])
@pytest.mark.parametrize("own", [b"", b"client"], ids=["cid up", "cid both ways"])
def test_a_connection_id_is_given_to_whoever_offers_one(draft: bool, own: bytes) -> None:
    pair = Pair(psk_client(connection_id=own, connection_id_draft=draft), server_config(shard=7))
    pair.connect()
    talk(pair)
    (established,) = pair.of_server(SessionEstablished)
    assert len(established.cid) == 8 and established.cid[0] == 7
    assert pair.to_server[-1][0] == ContentType.TLS12_CID
    assert pair.to_client[-1][0] == (ContentType.TLS12_CID if own else ContentType.APPLICATION_DATA)


def test_a_client_that_offers_no_connection_id_gets_none() -> None:
    pair = Pair(psk_client(connection_id=None))
    pair.connect()
    talk(pair)
    assert pair.of_server(SessionEstablished)[0].cid == b""
    assert pair.to_server[-1][0] == ContentType.APPLICATION_DATA


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("by", ["key", "certificate"])
def test_a_lossy_network_delays_a_handshake_but_does_not_break_it(seed: int, by: str) -> None:
    """A third of all datagrams is lost, repeated, or overtaken by the next."""
    random = Random(seed)

    def network():
        late: list[bytes] = []

        def carry(datagram: bytes) -> list[bytes]:
            fate = random.random()
            if fate < 0.11:
                return []
            if fate < 0.22:
                return [datagram, datagram]
            if fate < 0.33:
                late.append(datagram)
                return []
            arrived = [datagram, *late]
            late.clear()
            return arrived

        return carry

    if by == "key":
        pair = Pair()
    else:
        pair = Pair(certificate_client(mtu=300), certificate_server(mtu=300))
    pair.up, pair.down = network(), network()
    pair.connect()
    pair.advance(119)
    assert len(pair.of_server(SessionEstablished)) == 1
    assert len(pair.of_client(SessionEstablished)) == 1


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


@pytest.mark.parametrize(("code", "limit"), [(1, 512), (2, 1024)])
def test_a_small_device_gets_small_records(code: int, limit: int) -> None:
    pair = Pair(certificate_client(max_fragment_length=code), certificate_server())
    pair.connect()
    talk(pair)
    session = pair.of_server(SessionEstablished)[0].session
    assert session.max_message_size == limit
    with pytest.raises(ValueError, match="do not fit"):
        pair.server.send(session, bytes(limit + 1), pair.now)


def test_record_size_limit_beats_max_fragment_length() -> None:
    pair = Pair(psk_client(max_fragment_length=1, record_size_limit=256))
    pair.connect()
    assert pair.of_server(SessionEstablished)[0].session.max_message_size == 256


def test_the_servers_random_begins_with_the_real_time() -> None:
    pair = Pair()
    pair.connect()
    hello = next(data for data in pair.to_client if data[HEADER.size] == HandshakeType.SERVER_HELLO)
    assert int.from_bytes(hello[HEADER.size + 14 : HEADER.size + 18], "big") == int(WALL)


def test_server_hello_has_no_session_id_and_only_what_was_offered() -> None:
    pair = Pair(psk_client(extended_master_secret=False, connection_id=None))
    pair.connect()
    hello = next(data for data in pair.to_client if data[HEADER.size] == HandshakeType.SERVER_HELLO)
    body = hello[HEADER.size + 12 :]
    assert body[34] == 0  # session ID: no resumption, above all not without the extended master secret
    assert body[35:45] == bytes.fromhex("c0a8 00 0005 ff01 0001 00")  # the suite, then renegotiation_info alone


def test_a_client_without_extended_master_secret_is_refused_where_it_is_required() -> None:
    pair = Pair(psk_client(extended_master_secret=False), server_config(extended_master_secret="required"))
    pair.connect()
    (failed,) = pair.of_server(HandshakeFailed)
    assert failed.reason is FailureReason.EXTENDED_MASTER_SECRET_MISSING
    (told,) = pair.of_client(HandshakeFailed)
    assert told.reason is FailureReason.PEER_ALERT and told.detail == "handshake_failure"


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ((0xC02C, 0xC02B, 0xC0AE), 0xC02B),
        ((0xC02C,), 0xC02C),
        ((0xC0AC, 0xC0AE), 0xC0AC),
    ],
    ids=["SHA-384 first", "SHA-384 alone", "SHA-256 alone"],
)
def test_the_clients_first_suite_is_taken_but_sha_384_last(offered: tuple[int, ...], agreed: int) -> None:
    """mbed TLS signs with the hash of the suite, and only SHA-256 is taken for a signature."""
    pair = Pair(certificate_client(cipher_suites=offered), certificate_server())
    pair.connect()
    assert pair.of_server(SessionEstablished)[0].cipher == CIPHER_SUITES[agreed].name


def test_no_shared_cipher_ends_the_handshake() -> None:
    pair = Pair(psk_client(cipher_suites=(0xC0A9,)), server_config(cipher_suites=(0xC0A8,)))
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.NO_SHARED_CIPHER


def wire_of_failure(identity: bytes, key: bytes) -> tuple[Pair, list[int]]:
    pair = Pair(psk_client(identity, psk=key))
    pair.connect()
    pair.advance(200)
    return pair, [len(data) for data in pair.to_client]


def test_an_unknown_identity_and_a_wrong_key_look_the_same_to_the_peer() -> None:
    """The same datagrams of the same lengths at the same times, and silence at the end."""
    unknown, lengths_unknown = wire_of_failure(b"lamp-9", b"0123456789abcdef")
    wrong, lengths_wrong = wire_of_failure(b"lamp-2", b"0123456789abcdef")
    assert lengths_unknown == lengths_wrong
    assert unknown.of_server(HandshakeFailed)[0].reason is FailureReason.UNKNOWN_PSK_IDENTITY
    assert wrong.of_server(HandshakeFailed)[0].reason is FailureReason.WRONG_KEY
    for pair in (unknown, wrong):
        assert [event.reason for event in pair.of_client(HandshakeFailed)] == [FailureReason.TIMED_OUT]
        assert all(data[0] == ContentType.HANDSHAKE for data in pair.to_client)
        assert not pair.of_server(SessionEstablished)
        assert pair.server.half_open == 0


def test_an_empty_key_lets_nobody_in() -> None:
    pair = Pair(psk_client(b"lamp-9", psk=b"x"))
    pair.answer = lambda event: (
        pair.server.provide_psk(event.handshake, b"", pair.now) if isinstance(event, PskRequested) else None
    )
    pair.connect()
    pair.advance(10)
    assert not pair.of_server(SessionEstablished)


def test_a_question_may_be_answered_late() -> None:
    """Finished has long arrived by then and is not asked for again."""
    pair = Pair()
    pair.answer = lambda event: None
    pair.connect()
    (asked,) = pair.of_server(PskRequested)
    assert not pair.of_server(SessionEstablished)
    pair.server.provide_psk(asked.handshake, b"0123456789abcdef", pair.now)
    pair.pump()
    assert pair.of_server(SessionEstablished) and pair.of_client(SessionEstablished)


def test_an_answer_to_a_handshake_that_is_gone_is_ignored() -> None:
    pair = Pair()
    pair.answer = lambda event: None
    pair.connect()
    (asked,) = pair.of_server(PskRequested)
    pair.advance(121)
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.TIMED_OUT
    pair.server.provide_psk(asked.handshake, b"0123456789abcdef", pair.now)
    pair.pump()
    assert not pair.of_server(SessionEstablished)


def test_an_abandoned_question_leaves_the_peer_in_silence() -> None:
    pair = Pair()
    pair.answer = lambda event: None
    pair.connect()
    sent = len(pair.to_client)
    pair.server.abandon(pair.of_server(PskRequested)[0].handshake, pair.now, detail="the database is away")
    pair.pump()
    assert len(pair.to_client) == sent
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.ABANDONED
    assert pair.server.half_open == 0


def test_a_rejected_certificate_is_told_why() -> None:
    pair = Pair(certificate_client(), certificate_server())

    def reject(event: object) -> None:
        if isinstance(event, CertificateReceived):
            pair.server.reject_certificate(event.handshake, AlertDescription.CERTIFICATE_REVOKED, pair.now)

    pair.answer = reject
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.CERTIFICATE_REJECTED
    assert pair.of_client(HandshakeFailed)[0].detail == "certificate_revoked"
    assert not pair.of_client(SessionEstablished)


def test_who_does_not_hold_the_certificates_key_is_not_even_asked_about() -> None:
    thief = certificate_client(private_key=issue("thief").key)
    pair = Pair(thief, certificate_server())
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.BAD_SIGNATURE
    assert not pair.of_server(CertificateReceived)


def test_certificate_verify_is_mandatory() -> None:
    """A client that leaves it out sends Finished in its place, which is of epoch 1 and so waits for ever."""
    pair = Pair(certificate_client(), certificate_server())

    def without_verify(datagram: bytes) -> list[bytes]:
        kept, at = b"", 0
        while at < len(datagram):
            end = at + HEADER.size + HEADER.unpack_from(datagram, at)[3]
            if datagram[at] == ContentType.TLS12_CID:
                end = len(datagram)
            if not (datagram[at] == 22 and datagram[at + 13] == HandshakeType.CERTIFICATE_VERIFY):
                kept += datagram[at:end]
            at = end
        return [kept]

    pair.up = without_verify
    pair.connect()
    pair.advance(200)
    assert not pair.of_server(SessionEstablished)
    assert not pair.of_server(CertificateReceived)


def test_a_client_with_no_certificate_is_refused() -> None:
    pair = Pair(certificate_client(certificate_chain=()), certificate_server())
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.CERTIFICATE_MISSING


def test_too_many_certificates_are_refused() -> None:
    pair = Pair(certificate_client(certificate_chain=DEVICE.chain * 5), certificate_server())
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.TOO_LARGE


def test_more_than_8_kilobytes_of_certificates_are_refused() -> None:
    pair = Pair(certificate_client(certificate_chain=(DEVICE.der, bytes(8200))), certificate_server())
    pair.connect()
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.TOO_LARGE


def test_the_client_refuses_a_server_of_another_authority() -> None:
    other = TrustAnchor.from_der(authority("Someone else").der)
    pair = Pair(certificate_client(trust_anchors=[other]), certificate_server())
    pair.connect()
    assert pair.of_client(HandshakeFailed)[0].reason is FailureReason.CERTIFICATE_REJECTED
    assert pair.of_server(HandshakeFailed)[0].detail == "unknown_ca"


def test_a_new_handshake_on_a_live_address_replaces_the_session_only_at_its_end() -> None:
    pair = Pair(psk_client(connection_id=None))
    pair.connect()
    old = pair.of_server(SessionEstablished)[0].session
    pair.answer = lambda event: None
    pair.client.connect(pair.now)
    pair.pump()
    pair.client.send(b"still here", pair.now)
    pair.pump()
    assert [event.data for event in pair.of_server(DataReceived)] == [b"still here"]
    pair.server.provide_psk(pair.of_server(PskRequested)[-1].handshake, b"0123456789abcdef", pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(old, CloseReason.REPLACED)]
    assert len(pair.server.sessions) == 1


def test_a_new_handshake_that_fails_leaves_the_session_alone() -> None:
    pair = Pair(psk_client(connection_id=None))
    pair.connect()
    session = pair.of_server(SessionEstablished)[0].session
    other = Pair(psk_client(psk=b"guessed", connection_id=None), pair.server)
    other.connect()
    other.advance(200)
    assert other.of_server(HandshakeFailed)
    assert pair.server.session_by_address(CLIENT_ADDRESS) is session
    pair.client.send(b"still here", other.now)
    pair.pump()
    assert pair.of_server(DataReceived)


def test_a_stranger_at_a_former_address_does_not_end_a_session_with_a_connection_id() -> None:
    """Behind a NAT the port of one device may soon be another's."""
    engine = DtlsServer(server_config())
    first, second = Pair(psk_client(b"lamp-1"), engine), Pair(psk_client(b"lamp-2"), engine)
    first.connect()
    second.connect()
    assert len(engine.sessions) == 2
    first.client.send(b"hello", first.now)
    first.address = ("198.51.100.9", 1)
    first.pump()
    assert first.of_server(DataReceived)


def test_plaintext_alerts_are_ignored_after_the_handshake() -> None:
    pair = Pair(psk_client(connection_id=None))
    pair.connect()
    pair.server.receive_datagram(HEADER.pack(21, 0xFEFD, 99, 2) + b"\x02\x28", CLIENT_ADDRESS, pair.now)
    talk(pair)


def test_application_data_in_epoch_0_is_ignored() -> None:
    pair = Pair(psk_client(connection_id=None))
    pair.connect()
    pair.server.receive_datagram(HEADER.pack(23, 0xFEFD, 99, 5) + b"hello", CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert not pair.of_server(DataReceived)


def test_renegotiation_is_declined_and_the_session_goes_on() -> None:
    pair = Pair()
    pair.connect()
    hello = bytes([HandshakeType.CLIENT_HELLO]) + bytes(11)
    assert pair.client.session is not None
    record = pair.client.session.writer.protect(ContentType.HANDSHAKE, hello)
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    ((answer, _),) = pair.server.datagrams_to_send(pair.now)
    kind, _, number, length = HEADER.unpack_from(answer)
    assert pair.client.session.reader.unprotect(kind, number, answer[13:])[:2] == (21, bytes([1, 100]))
    talk(pair)


def test_close_notify_is_answered_and_ends_the_session() -> None:
    pair = Pair()
    pair.connect()
    session = pair.of_server(SessionEstablished)[0].session
    pair.client.close(pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(session, CloseReason.CLOSE_NOTIFY)]
    assert not pair.server.send(session, b"too late", pair.now)
    assert len(pair.server.sessions) == 0


def test_the_server_may_close_a_session() -> None:
    pair = Pair()
    pair.connect()
    pair.server.close(pair.of_server(SessionEstablished)[0].session, pair.now)
    pair.pump()
    assert pair.of_client(SessionClosed)[0].reason is CloseReason.CLOSE_NOTIFY


def test_a_session_ends_at_its_maximum_age() -> None:
    pair = Pair(server=server_config(session_age=3600))
    pair.connect()
    session = pair.of_server(SessionEstablished)[0].session
    pair.now += 3601
    assert not pair.server.send(session, b"too late", pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(session, CloseReason.EXPIRED)]


def test_a_session_that_nobody_uses_is_cleared_away_by_the_timer() -> None:
    pair = Pair(server=server_config(session_age=3600))
    pair.connect()
    pair.advance(3800)
    assert pair.of_server(SessionClosed)[0].reason is CloseReason.EXPIRED
    assert pair.server.get_timer() is None


def test_nothing_is_left_of_a_handshake_that_the_client_gave_up() -> None:
    pair = Pair()
    pair.up = lambda datagram: [datagram] if len(pair.to_server) <= 2 else []
    pair.connect()
    assert pair.server.half_open == 1
    pair.advance(130)
    assert pair.server.half_open == 0
    assert pair.of_server(HandshakeFailed)[0].reason is FailureReason.TIMED_OUT


def test_a_flight_is_sent_again_after_one_second_then_two_then_four() -> None:
    pair = Pair()
    pair.up = lambda datagram: [datagram] if len(pair.to_server) <= 2 else []
    pair.connect()
    sent = len(pair.to_client)
    for seconds, flights in ((0.9, 0), (0.2, 1), (1.8, 1), (0.3, 2), (3.6, 2), (0.4, 3)):
        pair.advance(seconds)
        assert len(pair.to_client) - sent == flights


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
