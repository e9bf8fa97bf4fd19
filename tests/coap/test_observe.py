from __future__ import annotations

import pytest

from lamplighter.coap.observe import FRESHNESS_SECONDS, Observation, is_newer


@pytest.mark.parametrize(
    ("previous", "number", "newer"),
    [
        (5, 6, True),
        (6, 5, False),
        (5, 5, False),
        (0xFFFFFF, 0, True),  # the counter wraps at 24 bits
        (0, 0xFFFFFF, False),
        (0, (1 << 23) - 1, True),
        (0, 1 << 23, False),
    ],
)
def test_the_order_of_notifications_wraps_as_in_rfc_7641_section_3_4(previous: int, number: int, newer: bool) -> None:
    assert is_newer(previous, 0.0, number, 1.0) is newer


def test_after_128_seconds_every_notification_is_newer() -> None:
    assert not is_newer(9, 0.0, 3, FRESHNESS_SECONDS)
    assert is_newer(9, 0.0, 3, FRESHNESS_SECONDS + 0.1)


def test_an_observation_takes_only_newer_notifications_until_its_freshness_is_reset() -> None:
    observation = Observation(b"\x01", None)
    assert observation.accepts(10, 0.0)
    assert not observation.accepts(9, 1.0)
    assert observation.accepts(11, 2.0)
    observation.reset_freshness()
    assert observation.accepts(2, 3.0)
