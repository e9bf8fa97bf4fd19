"""Handshakes between the server engine and the client half: what only our engine does. See ``test_contract`` for the rest."""

from __future__ import annotations

import pytest

from lamplighter.dtls import (
    CertificateReceived,
    CloseReason,
    DataReceived,
    DtlsServer,
    FailureReason,
    HandshakeFailed,
    PskRequested,
    SessionClosed,
    SessionEstablished,
    TrustAnchor,
)
from lamplighter.dtls.ciphers import CIPHER_SUITES
from lamplighter.dtls.numbers import ContentType, HandshakeType
from lamplighter.dtls.records import HEADER
from tests.dtls.credentials import DEVICE, certificate_client, certificate_server
from tests.dtls.pair import CLIENT_ADDRESS, WALL, Pair, psk_client, server_config, talk
from tests.dtls.pki import authority


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


@pytest.mark.parametrize(
    ("identity", "reason"),
    [(b"lamp-9", FailureReason.UNKNOWN_PSK_IDENTITY), (b"lamp-2", FailureReason.WRONG_KEY)],
)
def test_the_operator_is_told_an_unknown_identity_from_a_wrong_key(identity: bytes, reason: FailureReason) -> None:
    pair = Pair(psk_client(identity, psk=b"not the key"))
    pair.connect()
    pair.advance(200)
    assert [event.reason for event in pair.of_server(HandshakeFailed)] == [reason]


def test_an_empty_key_lets_nobody_in() -> None:
    pair = Pair(psk_client(b"lamp-9", psk=b"x"))
    pair.answer = lambda event: (
        pair.server.provide_psk(event.handshake, b"", pair.now) if isinstance(event, PskRequested) else None
    )
    pair.connect()
    pair.advance(10)
    assert not pair.of_server(SessionEstablished)


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


def test_a_new_handshake_that_fails_leaves_the_session_alone() -> None:
    pair = Pair(psk_client(connection_id=None))
    pair.connect()
    session = pair.of_server(SessionEstablished)[0].session
    other = Pair(psk_client(psk=b"guessed", connection_id=None), pair.server)
    other.connect()
    other.advance(200)
    assert other.of_server(HandshakeFailed)
    assert pair.server.sessions.by_address(CLIENT_ADDRESS) is session
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


def test_a_session_that_nobody_uses_is_cleared_away_by_the_timer() -> None:
    pair = Pair(server=server_config(session_age=3600))
    pair.connect()
    pair.advance(3800)
    assert pair.of_server(SessionClosed)[0].reason is CloseReason.EXPIRED
    assert pair.server.get_timer() is None
