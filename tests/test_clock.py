"""Times on the wire: one form out, every form of real clients in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.clock import ManualClock, from_rfc3339, to_rfc3339, to_rfc3339_seconds

MOMENT = 1_795_292_101_000_123  # 2026-11-21T20:15:01.000123Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T20:15:01.000123Z",
        "2026-11-21T20:15:01.000123+00:00",
        "2026-11-21T20:15:01.0001239Z",
        "2026-11-21T20:15:01.000123+00:00Z",
        "20261121T201501.000123Z",
        "2026-11-21 20:15:01.000123",
    ],
)
def test_every_form_of_real_clients_is_the_same_moment(text: str) -> None:
    assert from_rfc3339(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-13-21T20:15:01Z",
        "2026-11-21T20:15:01+02:00",
        "2026-11-21T25:00:00Z",
        "1795292101",
    ],
)
def test_what_is_no_utc_date_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_rfc3339(text)


def test_the_form_out_has_six_digits_or_none_and_z() -> None:
    assert to_rfc3339(MOMENT) == "2026-11-21T20:15:01.000123Z"
    assert to_rfc3339(MOMENT - 123) == "2026-11-21T20:15:01.000000Z"
    assert to_rfc3339_seconds(MOMENT) == "2026-11-21T20:15:01Z"


@given(st.integers(-62_000_000_000_000_000, 253_402_300_799_999_999))
def test_what_goes_out_comes_back(moment: int) -> None:
    assert from_rfc3339(to_rfc3339(moment)) == moment


def test_both_readings_of_a_manual_clock_advance_together() -> None:
    clock = ManualClock(MOMENT)
    clock.advance(1.5)
    assert (clock.now(), clock.monotonic()) == (MOMENT + 1_500_000, 1.5)
