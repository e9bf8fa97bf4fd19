"""What a storm of handshakes may delay, and what not."""

from __future__ import annotations

from lamplighter.transport import handshake_queue
from lamplighter.transport.handshake_queue import HandshakeQueue, is_handshake

HELLO = bytes((22, 254, 253)) + bytes(10) + b"\x01hello"
FLIGHT = bytes((22, 254, 253)) + bytes(10) + b"\x10key exchange"
FINISHED = bytes((20, 254, 253)) + bytes(10) + b"\x01"
RECORD = bytes((25, 254, 253)) + bytes(30)


def test_handshakes_wait_and_records_of_sessions_do_not() -> None:
    queue = HandshakeQueue()
    assert all(queue.wants(data, "a") for data in (HELLO, FLIGHT, FINISHED))
    assert not queue.wants(RECORD, "a") and not queue.wants(b"", "a") and not is_handshake(b"")


def test_what_goes_on_with_a_handshake_comes_before_what_begins_one() -> None:
    queue = HandshakeQueue()
    for data, address in ((HELLO, "a"), (FLIGHT, "b"), (HELLO, "c"), (FINISHED, "b")):
        queue.add(data, address, 0.0)
    assert len(queue) == 4
    assert [queue.pop(0.0) for _ in range(5)] == [(FLIGHT, "b"), (FINISHED, "b"), (HELLO, "a"), (HELLO, "c"), None]


def test_nothing_overtakes_a_flight_from_the_same_address() -> None:
    queue = HandshakeQueue()
    queue.add(FLIGHT, "a", 0.0)
    assert queue.wants(RECORD, "a") and not queue.wants(RECORD, "b")
    queue.add(RECORD, "a", 0.0)
    assert [queue.pop(0.0), queue.pop(0.0)] == [(FLIGHT, "a"), (RECORD, "a")]
    assert not queue.wants(RECORD, "a")


def test_a_hello_that_waited_too_long_is_dropped_and_a_flight_is_not() -> None:
    queue = HandshakeQueue()
    queue.add(HELLO, "a", 0.0)
    queue.add(HELLO, "b", 1.0)
    queue.add(FLIGHT, "c", 0.0)
    assert [queue.pop(2.5) for _ in range(3)] == [(FLIGHT, "c"), (HELLO, "b"), None]
    assert queue.dropped == 1


def test_more_than_so_many_do_not_wait_and_beginners_leave_room_for_others() -> None:
    queue = HandshakeQueue()
    for number in range(handshake_queue.LONGEST + 10):
        queue.add(HELLO, number, 0.0)
    queue.add(FLIGHT, "a", 0.0)
    assert (len(queue), queue.dropped) == (handshake_queue.LONGEST + 1, 10)
    assert queue.pop(0.0) == (FLIGHT, "a")
