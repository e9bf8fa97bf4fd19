from __future__ import annotations

from lamplighter.coap.timers import Timers


class Bell:
    def __init__(self) -> None:
        self.due: float | None = None


def test_items_come_when_due_and_in_order() -> None:
    timers: Timers[Bell] = Timers()
    late, early = Bell(), Bell()
    timers.arm(late, 5.0)
    timers.arm(early, 3.0)
    assert timers.next() == 3.0
    assert timers.pop_due(2.9) is None
    assert timers.pop_due(9.0) is early and early.due is None
    assert timers.pop_due(9.0) is late
    assert timers.pop_due(9.0) is None and timers.next() is None


def test_an_item_disarmed_or_armed_anew_does_not_come_at_its_old_time() -> None:
    timers: Timers[Bell] = Timers()
    gone, moved = Bell(), Bell()
    timers.arm(gone, 1.0)
    timers.arm(moved, 2.0)
    gone.due = None
    timers.arm(moved, 4.0)
    assert timers.next() == 4.0
    assert timers.pop_due(3.0) is None
    assert timers.pop_due(4.0) is moved
