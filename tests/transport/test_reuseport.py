"""A port for several processes: which socket of the group a datagram comes to."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from lamplighter.transport.datagram_socket import CannotBind
from lamplighter.transport.reuseport import SHARDS, bind_group, shards_of, slot_of

SLOTS = 3


@pytest.fixture
def group() -> Iterator[list[socket.socket]]:
    sockets = bind_group("127.0.0.1", 0, SLOTS)
    yield sockets
    for each in sockets:
        each.close()


def arrival(group: list[socket.socket], datagram: bytes, sender: socket.socket) -> int:
    """The slot that a datagram from there comes to."""
    sender.sendto(datagram, group[0].getsockname())
    readable, _, _ = select.select(group, [], [], 10)
    (there,) = readable
    assert there.recv(2000) == datagram
    return group.index(there)


def arrival_from_anywhere(group: list[socket.socket], datagram: bytes) -> int:
    """The slot that a datagram from a new address comes to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return arrival(group, datagram, sender)


def test_a_record_with_a_connection_id_comes_to_the_slot_of_its_shard_from_wherever(group: list[socket.socket]) -> None:
    for shard in range(0, SHARDS, 5):
        record = b"\x19\xfe\xfd\0\x01" + bytes(6) + bytes((shard,)) + bytes(20)
        assert arrival_from_anywhere(group, record) == slot_of(shard, SLOTS)


def test_other_datagrams_of_one_address_always_come_to_the_same_slot(group: list[socket.socket]) -> None:
    seen = set()
    for _ in range(20):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            slots = {
                arrival(group, datagram, sender) for datagram in (b"\x16\xfe\xfd" + bytes(20), b"\x17" + bytes(30))
            }
        assert len(slots) == 1
        seen |= slots
    assert len(seen) > 1


def test_a_datagram_too_short_for_a_connection_id_comes_somewhere(group: list[socket.socket]) -> None:
    assert arrival_from_anywhere(group, b"\x19") in range(SLOTS)


def test_every_shard_belongs_to_one_slot() -> None:
    shared = [shard for slot in range(SLOTS) for shard in shards_of(slot, SLOTS)]
    assert sorted(shared) == list(range(SHARDS))
    assert all(slot_of(shard, SLOTS) == slot for slot in range(SLOTS) for shard in shards_of(slot, SLOTS))


def test_a_port_in_use_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(CannotBind, match=f"port {port}/udp"):
            bind_group("127.0.0.1", port, 2)
