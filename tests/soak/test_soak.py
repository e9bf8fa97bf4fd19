"""Every scenario with a handful of devices: what a soak of 100,000 does is done here too, but for figures of time and memory."""

from __future__ import annotations

import pytest

from tests.soak import kills, scenarios
from tests.soak.__main__ import soak
from tests.soak.report import Report

DEVICES = 20
_OF_THE_MACHINE = ("first answered record", "updates of established devices")
"""Lines that say more about a busy machine than about us, where devices are few."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(kills, "KILLS", 3)


def missed(report: Report) -> list[str]:
    return [str(line) for line in report.lines if not line.met and not line.what.startswith(_OF_THE_MACHINE)]


def test_a_few_devices_live_through_everything() -> None:
    report = soak(DEVICES, ["connect", "restart", "kill", "rebind", "storm"])
    assert missed(report) == []
    assert sum(line.what == "handshakes" for line in report.lines) == 3


def test_what_applications_were_promised_holds_when_the_server_is_killed_at_random() -> None:
    report = soak(DEVICES, ["connect", "kills"])
    assert missed(report) == []
    assert sum(line.what.startswith("events for the") for line in report.lines) == 3
