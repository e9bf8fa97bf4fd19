from __future__ import annotations

import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.dtls.records import (
    HEADER,
    WINDOW,
    RecordReader,
    RecordWriter,
    ReplayWindow,
    SequenceExhausted,
)

AEAD = AESCCM(b"k" * 16, 8)
SALT = b"salt"
CID = bytes.fromhex("0102030405060708")


def pair(cid: bytes = b"", draft: bool = False, incarnation: int = 0) -> tuple[RecordWriter, RecordReader]:
    return (
        RecordWriter(AEAD, SALT, cid, draft, incarnation),
        RecordReader(AEAD, SALT, 8, cid, draft, ReplayWindow()),
    )


def opened(reader: RecordReader, record: bytes, cid: bytes = b""):
    kind, _, number = struct.unpack_from("!BHQ", record)
    return reader.unprotect(kind, number, record[13 + len(cid) :])


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=60))
def test_a_number_is_new_once_and_never_when_far_behind(numbers: list[int]) -> None:
    window, seen, highest = ReplayWindow(), set(), -1
    for number in numbers:
        assert window.is_new(number) == (number not in seen and number > highest - WINDOW)
        if window.is_new(number):
            assert window.mark(number) == (number > highest)
            seen.add(number)
            highest = max(highest, number)
    assert window.highest == highest


def test_a_closed_window_takes_only_what_is_above_it() -> None:
    window = ReplayWindow(100, closed=True)
    assert not any(window.is_new(number) for number in range(101))
    assert window.is_new(101)


@pytest.mark.parametrize("cid", [b"", CID])
@pytest.mark.parametrize("draft", [False, True])
def test_a_record_is_opened_once(cid: bytes, draft: bool) -> None:
    writer, reader = pair(cid, draft)
    record = writer.protect(23, b"hello")
    assert opened(reader, record, cid) == (23, b"hello", True)
    assert opened(reader, record, cid) is None
    assert reader.failures == 0


def test_a_plain_record_has_the_additional_data_of_rfc_5246() -> None:
    writer, _ = pair()
    record = writer.protect(23, b"hello")
    number = struct.pack("!HHI", 1, 0, 0)  # epoch, incarnation, counter
    assert record[:3] == b"\x17\xfe\xfd" and record[3:11] == number
    assert AEAD.decrypt(SALT + record[13:21], record[21:], number + b"\x17\xfe\xfd\x00\x05") == b"hello"


def test_a_cid_record_has_the_additional_data_of_rfc_9146() -> None:
    writer, _ = pair(CID)
    record = writer.protect(23, b"hello")
    number = struct.pack("!HHI", 1, 0, 0)
    assert record[:19] == b"\x19\xfe\xfd" + number + CID
    # seq_num_placeholder, tls12_cid, cid_length, tls12_cid, version, epoch, sequence_number, cid, length
    aad = b"\xff" * 8 + b"\x19\x08\x19\xfe\xfd" + number + CID + b"\x00\x06"
    assert AEAD.decrypt(SALT + record[21:29], record[29:], aad) == b"hello\x17"


def test_a_cid_record_of_draft_05_has_the_additional_data_of_mbed_tls_2_28() -> None:
    writer, _ = pair(CID, draft=True)
    record = writer.protect(23, b"hello")
    number = struct.pack("!HHI", 1, 0, 0)
    # sequence number, tls12_cid, version, cid, cid_length, length
    aad = number + b"\x19\xfe\xfd" + CID + b"\x08" + b"\x00\x06"
    assert AEAD.decrypt(SALT + record[21:29], record[29:], aad) == b"hello\x17"


def test_zero_padding_inside_a_cid_record_is_taken_off() -> None:
    _, reader = pair(CID)
    number = struct.pack("!HHI", 1, 0, 7)
    inner = b"hello\0\0" + b"\x17" + bytes(8)
    aad = b"\xff" * 8 + b"\x19\x08\x19\xfe\xfd" + number + CID + len(inner).to_bytes(2, "big")
    fragment = number + AEAD.encrypt(SALT + number, inner, aad)
    assert reader.unprotect(25, int.from_bytes(number, "big"), fragment) == (23, b"hello\0\0", True)


def test_a_cid_record_of_nothing_but_padding_is_dropped() -> None:
    _, reader = pair(CID)
    number = struct.pack("!HHI", 1, 0, 7)
    aad = b"\xff" * 8 + b"\x19\x08\x19\xfe\xfd" + number + CID + b"\x00\x08"
    fragment = number + AEAD.encrypt(SALT + number, bytes(8), aad)
    assert reader.unprotect(25, int.from_bytes(number, "big"), fragment) is None


def test_a_peer_with_a_connection_id_must_use_it() -> None:
    plain, _ = pair()
    _, reader = pair(CID)
    assert opened(reader, plain.protect(23, b"hello")) is None


def test_a_changed_record_counts_as_a_failure_and_leaves_the_window_alone() -> None:
    writer, reader = pair()
    record = writer.protect(23, b"hello")
    assert opened(reader, record[:-1] + bytes([record[-1] ^ 1])) is None
    assert reader.failures == 1 and reader.window.highest == -1
    assert opened(reader, record) is not None


@pytest.mark.parametrize("length", range(17))
def test_a_record_too_short_for_its_tag_is_dropped(length: int) -> None:
    _, reader = pair()
    assert reader.unprotect(23, 1 << 48, bytes(length)) is None


def test_the_incarnation_stands_above_the_counter() -> None:
    writer, _ = pair(incarnation=0xABCD)
    first, second = writer.protect(23, b""), writer.protect(23, b"")
    assert HEADER.unpack_from(first)[2] == 0x0001_ABCD_0000_0000
    assert HEADER.unpack_from(second)[2] == 0x0001_ABCD_0000_0001


def test_no_number_is_used_twice_when_the_counter_ends() -> None:
    writer, _ = pair(incarnation=5)
    writer.next_number += 2**32 - 2
    writer.protect(23, b"")
    with pytest.raises(SequenceExhausted):
        writer.protect(23, b"")
    with pytest.raises(SequenceExhausted):
        writer.protect(23, b"")
