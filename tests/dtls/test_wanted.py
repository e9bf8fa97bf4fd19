"""Sessions that are stored, and loaded when their device speaks."""

from __future__ import annotations

import os

import pytest

from lamplighter.dtls import DataReceived, DtlsServer, ForgedTooOften, SessionWanted
from lamplighter.dtls.records import CID_HEADER
from lamplighter.dtls.sessions import Session
from lamplighter.dtls.wanted import (
    FORGED_LIMIT,
    LENGTH_LIMIT,
    RECORDS_LIMIT,
    SESSIONS_LIMIT,
    STRANGERS_LIMIT,
    Record,
    Wanted,
)
from tests.dtls.pair import CLIENT_ADDRESS, Pair, psk_client, server_config
from tests.dtls.test_sessions import ELSEWHERE, connected, record_of_client, said

STORING = {"stored_sessions": True}


def away(**client: object) -> tuple[Pair, Session, bytes]:
    """A session that is stored and not in memory."""
    pair, session = connected(Pair(psk_client(**client), server_config(**STORING)))
    blob = pair.server.export_session(session)
    pair.server.forget(session)
    assert len(pair.server.sessions) == 0
    return pair, session, blob


def wanted_by(pair: Pair) -> SessionWanted:
    (wanted,) = pair.of_server(SessionWanted)
    return wanted


@pytest.mark.parametrize("draft", [False, True])
def test_a_stored_session_is_asked_for_when_its_device_speaks_from_anywhere(draft: bool) -> None:
    pair, session, blob = away(connection_id_draft=draft)
    pair.address = ELSEWHERE
    pair.client.send(b"awake", pair.now)
    pair.pump()
    wanted = wanted_by(pair)
    assert (wanted.cid, wanted.address) == (session.cid, ELSEWHERE)
    seen = pair.server.proven_session(wanted, blob)
    assert seen is not None and seen.identity == session.identity
    again = pair.server.restore_session(wanted, blob, pair.now, incarnation=1)
    pair.pump()
    assert said(pair) == [b"awake"]
    assert again.address == ELSEWHERE


def test_a_session_without_connection_id_is_asked_for_by_its_address() -> None:
    pair, _, blob = away(connection_id=None)
    pair.client.send(b"awake", pair.now)
    pair.pump()
    wanted = wanted_by(pair)
    assert (wanted.cid, wanted.key) == (b"", CLIENT_ADDRESS)
    pair.server.restore_session(wanted, blob, pair.now, incarnation=1)
    pair.pump()
    assert said(pair) == [b"awake"]


def test_it_is_asked_for_once_and_gets_all_that_was_kept() -> None:
    pair, _, blob = away()
    for word in (b"one", b"two", b"three"):
        pair.client.send(word, pair.now)
    pair.pump()
    pair.server.restore_session(wanted_by(pair), blob, pair.now, incarnation=1)
    pair.pump()
    assert said(pair) == [b"one", b"two", b"three"]


def test_what_was_kept_for_a_refused_session_is_dropped() -> None:
    pair, _, blob = away()
    pair.client.send(b"lost", pair.now)
    pair.pump()
    pair.server.refuse_session(wanted_by(pair))
    assert not pair.server.proven_session(wanted_by(pair), blob)
    pair.client.send(b"again", pair.now)
    pair.pump()
    assert len(pair.of_server(SessionWanted)) == 2
    assert not pair.of_server(DataReceived)


def test_a_record_that_is_forged_or_repeated_proves_nothing() -> None:
    pair, session = connected(Pair(server=server_config(**STORING)))
    taken = record_of_client(pair, b"taken")
    pair.server.receive_datagram(taken, CLIENT_ADDRESS, pair.now)
    blob, forged = pair.server.export_session(session), bytearray(record_of_client(pair, b"next"))
    forged[-1] ^= 1
    pair.server.forget(session)
    for datagram in (taken, bytes(forged)):
        pair.server.receive_datagram(datagram, ELSEWHERE, pair.now)
    pair.pump()
    assert not pair.server.proven_session(wanted_by(pair), blob)


def test_a_mark_committed_later_than_the_export_keeps_a_repeated_record_from_proving_anything() -> None:
    pair, session = connected(Pair(server=server_config(**STORING)))
    blob, record = pair.server.export_session(session), record_of_client(pair, b"once")
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    mark = session.receive_mark
    pair.server.forget(session)
    pair.server.receive_datagram(record, CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert not pair.server.proven_session(wanted_by(pair), blob, receive_mark=mark)


def test_forged_records_count_while_the_session_is_away_and_void_it_in_the_end() -> None:
    pair, session, blob = away()
    forged = bytearray(record_of_client(pair, b"hello"))
    forged[-1] ^= 1

    def examined() -> Session | None:
        pair.pump()
        wanted = pair.of_server(SessionWanted)[-1]
        found = pair.server.proven_session(wanted, blob)
        if found is None:
            pair.server.refuse_session(wanted)
        return found

    for _ in range(3):
        pair.server.receive_datagram(bytes(forged), ELSEWHERE, pair.now)
        assert examined() is None
    pair.client.send(b"awake", pair.now)
    seen = examined()
    assert seen is not None and seen.reader.failures == 3
    wanted = pair.of_server(SessionWanted)[-1]
    again = pair.server.restore_session(wanted, blob, pair.now, incarnation=1)
    assert again.reader.failures == 3

    again.reader.failures = again.cipher.integrity_limit - 1
    blob = pair.server.export_session(again)
    pair.server.forget(again)
    pair.server.receive_datagram(bytes(forged), ELSEWHERE, pair.now)
    with pytest.raises(ForgedTooOften):
        examined()


def test_only_so_many_sessions_have_their_forged_records_counted() -> None:
    wanted = Wanted()
    for number in range(FORGED_LIMIT + 1):
        wanted.count_forged(number, 1)
    assert wanted.count_forged(0, 0) == 0 and wanted.count_forged(FORGED_LIMIT, 1) == 2


def test_an_invented_connection_id_is_not_asked_for() -> None:
    pair, session, _ = away()
    record = bytearray(record_of_client(pair, b"hello"))
    for _ in range(3):
        cid = os.urandom(8)
        while pair.server.config.connection_ids.is_own(cid):
            cid = os.urandom(8)
        record[CID_HEADER.size : CID_HEADER.size + 8] = cid
        pair.server.receive_datagram(bytes(record), CLIENT_ADDRESS, pair.now)
    pair.pump()
    assert not pair.of_server(SessionWanted)


def test_records_that_anyone_can_send_are_looked_for_so_many_times_a_second() -> None:
    server = DtlsServer(server_config(**STORING))
    record = b"\x17\xfe\xfd" + (1 << 48).to_bytes(8, "big") + b"\x00\x20" + bytes(32)
    for now in (5.0, 6.0):
        asked = 0
        for port in range(STRANGERS_LIMIT + 50):
            server.receive_datagram(record, ("192.0.2.1", port), now)
            while (event := server.next_event()) is not None:
                assert isinstance(event, SessionWanted)
                server.refuse_session(event)
                asked += 1
        assert asked == STRANGERS_LIMIT


def test_nothing_is_asked_where_sessions_are_not_stored() -> None:
    pair, session = connected()
    pair.server.forget(session)
    pair.client.send(b"hello", pair.now)
    pair.pump()
    assert not pair.of_server(SessionWanted)


def test_a_session_made_at_the_address_meanwhile_stays() -> None:
    pair, _, blob = away(connection_id=None)
    pair.client.send(b"awake", pair.now)
    pair.pump()
    newcomer, present = connected(Pair(psk_client(b"lamp-2", connection_id=None), pair.server))
    with pytest.raises(ValueError, match="another session"):
        pair.server.restore_session(wanted_by(pair), blob, pair.now, incarnation=1)
    assert newcomer.server.sessions.by_address(CLIENT_ADDRESS) is present


def test_few_and_short_records_of_not_too_many_sessions_are_kept() -> None:
    wanted = Wanted()

    def record(length: int = 100) -> Record:
        return Record(25, 1 << 48, bytes(length), CLIENT_ADDRESS, length)

    assert not wanted.keep(b"long", record(LENGTH_LIMIT + 1))
    assert [wanted.keep(b"one", record()) for _ in range(RECORDS_LIMIT + 3)] == [True] + [False] * (RECORDS_LIMIT + 2)
    assert len(wanted.of(b"one")) == RECORDS_LIMIT
    assert sum(wanted.keep(number, record()) for number in range(SESSIONS_LIMIT + 9)) == SESSIONS_LIMIT - 1
    assert len(wanted) == SESSIONS_LIMIT
    assert len(wanted.take(b"one")) == RECORDS_LIMIT and wanted.take(b"one") == []


def test_sessions_of_two_engines_with_one_secret_are_asked_for_by_either() -> None:
    shared = {**STORING, "cid_secret": b"s" * 32}
    pair, session = connected(Pair(server=server_config(**shared)))
    pair.server = DtlsServer(server_config(**shared))
    pair.client.send(b"hello", pair.now)
    pair.pump()
    assert wanted_by(pair).cid == session.cid
