"""Ids sort in the order they were made, and tell when."""

from __future__ import annotations

from lamplighter.clock import ManualClock
from lamplighter.ids import Ids, first_id_at, is_id


def test_ids_are_32_hex_digits_that_sort_by_time_also_within_a_millisecond() -> None:
    clock = ManualClock()
    ids = Ids(clock)
    made = []
    for _ in range(1000):
        made.append(ids.new())
        if len(made) % 300 == 0:
            clock.advance(0.001)
    assert made == sorted(set(made)) and all(is_id(each) for each in made)
    assert int(made[0][:12], 16) == ManualClock().now() // 1000


def test_the_order_holds_when_the_clock_goes_back() -> None:
    clock = ManualClock()
    ids = Ids(clock)
    first = ids.new()
    clock.advance(-10)
    assert ids.new() > first


def test_the_bound_of_a_time_is_below_every_id_made_then() -> None:
    clock = ManualClock()
    assert first_id_at(clock.now()) <= Ids(clock, lambda bits: 0).new()


def test_only_32_lower_case_hex_digits_are_an_id() -> None:
    assert not any(is_id(text) for text in ("", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + "\n", "٠" * 32))
