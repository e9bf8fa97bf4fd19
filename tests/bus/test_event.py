"""Events."""

from __future__ import annotations

import pytest

from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.bus.nats import NatsBus
from lamplighter.bus.open import open_bus
from lamplighter.settings import Bus, Settings


def test_an_event_does_not_change() -> None:
    event = Event(kind="LampLit", account_id="a", time=1)
    with pytest.raises(AttributeError):
        event.kind = "LampOut"  # type: ignore[misc]


async def test_the_settings_choose_the_bus() -> None:
    assert isinstance(open_bus(Settings()), LocalBus)
    assert isinstance(open_bus(Settings(bus=Bus(url="nats://127.0.0.1:4222"))), NatsBus)
