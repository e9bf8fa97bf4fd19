"""Sessions that move: to another address, to another process."""

from __future__ import annotations

import sys

import pytest

from lamplighter.dtls import (
    AddressChanged,
    CertificateIdentity,
    CloseReason,
    ConfirmationNeeded,
    DataReceived,
    DtlsServer,
    SessionClosed,
    SessionEstablished,
)
from lamplighter.dtls.numbers import ContentType
from lamplighter.dtls.records import HEADER
from lamplighter.dtls.sessions import LAYOUT, Session, import_session
from tests.dtls.credentials import certificate_client, certificate_server
from tests.dtls.pair import CLIENT_ADDRESS, WALL, Pair, psk_client, server_config

ELSEWHERE = ("198.51.100.9", 6000)


def connected(pair: Pair | None = None) -> tuple[Pair, Session]:
    pair = pair or Pair()
    pair.connect()
    return pair, pair.of_server(SessionEstablished)[0].session


def said(pair: Pair) -> list[bytes]:
    return [event.data for event in pair.of_server(DataReceived)]


def record_of_client(pair: Pair, data: bytes) -> bytes:
    pair.client.send(data, pair.now)
    return pair.client.datagrams_to_send(pair.now)[0][0]


# Another address


def test_a_session_follows_its_device_to_a_new_address() -> None:
    pair, session = connected()
    pair.address = ELSEWHERE
    pair.client.send(b"moved", pair.now)
    pair.pump()
    assert said(pair) == [b"moved"]
    assert pair.of_server(AddressChanged) == [AddressChanged(session, CLIENT_ADDRESS, ELSEWHERE)]
    assert session.address == ELSEWHERE
    pair.server.send(session, b"found you", pair.now)
    pair.pump()
    assert [event.data for event in pair.of_client(DataReceived)] == [b"found you"]


def test_an_older_record_from_elsewhere_moves_nothing() -> None:
    pair, session = connected()
    old, new = record_of_client(pair, b"old"), record_of_client(pair, b"new")
    pair.server.receive_datagram(new, CLIENT_ADDRESS, pair.now)
    pair.server.receive_datagram(old, ELSEWHERE, pair.now)
    pair.pump()
    assert said(pair) == [b"new", b"old"]
    assert session.address == CLIENT_ADDRESS and not pair.of_server(AddressChanged)


def test_a_repeated_or_forged_record_from_elsewhere_moves_nothing() -> None:
    pair, session = connected()
    record = record_of_client(pair, b"once")
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    pair.server.receive_datagram(record, ELSEWHERE, pair.now)
    forged = bytearray(record_of_client(pair, b"next"))
    forged[-1] ^= 1
    pair.server.receive_datagram(bytes(forged), ELSEWHERE, pair.now)
    pair.pump()
    assert said(pair) == [b"once"]
    assert session.address == CLIENT_ADDRESS and not pair.of_server(AddressChanged)


def test_a_new_address_gets_three_times_what_it_sent_until_it_is_confirmed() -> None:
    pair, session = connected()
    record = record_of_client(pair, bytes(100))
    pair.server.receive_datagram(record, ELSEWHERE, pair.now)

    def send() -> list[object]:
        for _ in range(10):
            pair.server.send(session, bytes(71), pair.now)
        return [address for _, address in pair.server.datagrams_to_send(pair.now)]

    answer_length = 71 + HEADER.size + 8 + 8
    expected = 3 * len(record) // answer_length
    assert 0 < expected < 10
    assert send() == [ELSEWHERE] * expected + [CLIENT_ADDRESS] * (10 - expected)
    pair.pump()
    asked = pair.of_server(ConfirmationNeeded)
    assert asked == [ConfirmationNeeded(session)] * (10 - expected)
    pair.server.confirm_address(session)
    assert send() == [ELSEWHERE] * 10
    assert pair.of_server(ConfirmationNeeded) == asked


def test_a_device_that_comes_back_needs_no_confirmation() -> None:
    pair, session = connected()
    pair.server.receive_datagram(record_of_client(pair, b"there"), ELSEWHERE, pair.now)
    pair.server.receive_datagram(record_of_client(pair, b"back"), CLIENT_ADDRESS, pair.now)
    assert session.address == CLIENT_ADDRESS and session.fallback_address is None


def test_a_session_without_connection_id_stays_where_it_is() -> None:
    pair, session = connected(Pair(psk_client(connection_id=None)))
    pair.server.receive_datagram(record_of_client(pair, b"moved"), ELSEWHERE, pair.now)
    pair.pump()
    assert said(pair) == [] and session.address == CLIENT_ADDRESS


def test_a_device_cannot_push_another_from_its_address() -> None:
    """With a forged source address, and a connection ID of its own."""
    victim, _ = connected(Pair(psk_client(b"lamp-2", connection_id=None), address=ELSEWHERE))
    other, _ = connected(Pair(psk_client(b"lamp-1"), victim.server))
    victim.server.receive_datagram(record_of_client(other, b"moved"), ELSEWHERE, other.now)
    victim.client.send(b"still here", victim.now)
    victim.pump()
    assert said(victim) == [b"moved", b"still here"]


# Another process


def moved(pair: Pair, session: Session, **options: int) -> Session:
    """The session, carried into a new engine in the place of the old."""
    blob = pair.server.export_session(session)
    pair.server = DtlsServer(pair.server.config)
    return pair.server.import_session(blob, pair.now, **options)


@pytest.mark.parametrize("draft", [False, True])
@pytest.mark.parametrize("own", [b"", b"device", None])
def test_a_session_goes_on_in_another_process_without_a_handshake(draft: bool, own: bytes | None) -> None:
    pair, session = connected(Pair(psk_client(connection_id=own, connection_id_draft=draft)))
    again = moved(pair, session, incarnation=1)
    pair.client.send(b"still me", pair.now)
    pair.pump()
    assert said(pair) == [b"still me"]
    pair.server.send(again, b"still I", pair.now)
    pair.pump()
    assert [event.data for event in pair.of_client(DataReceived)] == [b"still I"]
    assert again.identity == session.identity and again.cid == session.cid
    assert again.address == session.address and again.valid_until == session.valid_until


def test_a_certificate_session_keeps_what_it_rests_on() -> None:
    pair, session = connected(Pair(certificate_client(), certificate_server()))
    again = moved(pair, session, incarnation=1)
    assert isinstance(again.identity, CertificateIdentity)
    assert again.identity == session.identity
    assert again.credential == "a certificate"
    assert again.extended_master_secret


def test_an_exported_session_takes_some_hundred_bytes() -> None:
    pair, session = connected()
    assert len(pair.server.export_session(session)) < 160


def test_numbers_of_the_next_incarnation_are_above_all_before() -> None:
    pair, session = connected()
    pair.server.send(session, b"one", pair.now)
    before = HEADER.unpack_from(pair.server.datagrams_to_send(pair.now)[0][0])[2]
    again = moved(pair, session, incarnation=7)
    pair.server.send(again, b"two", pair.now)
    after = HEADER.unpack_from(pair.server.datagrams_to_send(pair.now)[0][0])[2]
    assert after == 1 << 48 | 7 << 32
    assert after > before and again.incarnation == 7


@pytest.mark.parametrize("incarnation", [0, 3, 65_536])
def test_an_incarnation_that_was_used_or_does_not_exist_is_refused(incarnation: int) -> None:
    pair, session = connected()
    again = moved(pair, session, incarnation=3)
    with pytest.raises(ValueError, match="incarnation"):
        pair.server.import_session(pair.server.export_session(again), pair.now, incarnation=incarnation)


def test_records_from_before_the_export_are_not_taken_again() -> None:
    pair, session = connected()
    record = record_of_client(pair, b"once")
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    pair.pump()
    moved(pair, session, incarnation=1)
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert said(pair) == [b"once"]


def test_a_receive_mark_committed_later_than_the_export_counts() -> None:
    pair, session = connected()
    blob = pair.server.export_session(session)
    record = record_of_client(pair, b"once")
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    mark = session.receive_mark
    pair.pump()
    pair.server = DtlsServer(pair.server.config)
    pair.server.import_session(blob, pair.now, incarnation=1, receive_mark=mark)
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    pair.client.send(b"twice", pair.now)
    pair.pump()
    assert said(pair) == [b"once", b"twice"]


def test_a_session_too_old_is_not_taken_up() -> None:
    pair, session = connected()
    blob = pair.server.export_session(session)
    late = DtlsServer(server_config(wall_time=lambda: WALL + 31 * 86400))
    with pytest.raises(ValueError, match="expired"):
        late.import_session(blob, 0.0, incarnation=1)


def test_a_blob_that_is_damaged_is_refused_with_value_error() -> None:
    pair, session = connected()
    blob = pair.server.export_session(session)
    assert blob[0] == LAYOUT
    for length in range(len(blob) - 13):
        with pytest.raises(ValueError):
            import_session(blob[:length], incarnation=1)
    with pytest.raises(ValueError, match="layout"):
        import_session(b"\x63" + blob[1:], incarnation=1)


def test_the_client_keeps_its_session_over_a_restart_too() -> None:
    pair, _ = connected()
    blob = pair.client.export_session()
    restarted = Pair(server=pair.server)
    restarted.client.import_session(blob, restarted.now, incarnation=1)
    restarted.address = ELSEWHERE
    restarted.client.send(b"after a reboot", restarted.now)
    restarted.pump()
    assert said(restarted) == [b"after a reboot"]


def test_an_older_life_of_a_session_ends_when_a_newer_is_taken_up() -> None:
    pair, session = connected()
    again = pair.server.import_session(pair.server.export_session(session), pair.now, incarnation=1)
    pair.pump()
    assert pair.of_server(SessionClosed) == [SessionClosed(session, CloseReason.REPLACED)]
    assert list(pair.server.sessions) == [again]


def test_a_session_taken_up_pushes_no_other_from_its_address() -> None:
    pair, session = connected(Pair(psk_client(b"lamp-1")))
    blob = pair.server.export_session(session)
    pair.server.forget(session)
    newcomer, present = connected(Pair(psk_client(b"lamp-2", connection_id=None), pair.server))
    pair.server.import_session(blob, pair.now, incarnation=1)
    assert pair.server.sessions.by_address(CLIENT_ADDRESS) is present
    newcomer.client.send(b"still here", newcomer.now)
    newcomer.pump()
    assert said(newcomer) == [b"still here"]


# Limits


def test_a_session_ends_when_its_numbers_are_used_up() -> None:
    pair, session = connected()
    session.writer.next_number |= 2**32 - 1
    assert not pair.server.send(session, b"", pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed)[0].reason is CloseReason.SEQUENCE_EXHAUSTED


def test_a_session_ends_after_too_many_forged_records() -> None:
    pair, session = connected()
    forged = bytearray(record_of_client(pair, b"hello"))
    forged[-1] ^= 1
    session.reader.failures = session.cipher.integrity_limit - 1
    pair.server.receive_datagram(bytes(forged), CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed)[0].reason is CloseReason.AUTHENTICATION_FAILURES


def test_forged_records_add_up_over_the_lives_of_a_session() -> None:
    pair, session = connected()
    session.reader.failures = session.cipher.integrity_limit - 1
    moved(pair, session, incarnation=1)
    forged = bytearray(record_of_client(pair, b"hello"))
    forged[-1] ^= 1
    pair.server.receive_datagram(bytes(forged), CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert pair.of_server(SessionClosed)[0].reason is CloseReason.AUTHENTICATION_FAILURES


def test_a_session_takes_less_than_three_kilobytes() -> None:
    """Python objects only; the two AEAD objects of the library add about 1.1 KB."""
    _, session = connected()
    assert not hasattr(session, "__dict__")
    parts = [getattr(session, name) for name in Session.__slots__]
    inner = [getattr(part, name) for part in (session.reader, session.writer) for name in type(part).__slots__]
    size = sum(map(sys.getsizeof, [session, *parts, *inner, *CLIENT_ADDRESS]))
    assert size < 3072 - 1127


def test_two_records_in_one_datagram_are_both_taken() -> None:
    pair, _ = connected()
    datagram = record_of_client(pair, b"one") + record_of_client(pair, b"two")
    assert datagram[0] == ContentType.TLS12_CID
    pair.server.receive_datagram(datagram, CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert said(pair) == [b"one", b"two"]
