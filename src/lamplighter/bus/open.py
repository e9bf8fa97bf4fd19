"""Which bus the settings ask for."""

from __future__ import annotations

from lamplighter.bus.bus import Bus
from lamplighter.bus.local import LocalBus
from lamplighter.settings import Settings


def open_bus(settings: Settings) -> Bus:
    """The bus of ``bus.url``, or one within the process. ``await bus.start()`` connects it."""
    if not settings.bus.url:
        return LocalBus()
    from lamplighter.bus.nats import NatsBus  # a tenth of the start, where it is not needed

    return NatsBus(settings.bus.url)
