"""Two processes of one installation, on either database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from lamplighter.bus.bus import Bus
from lamplighter.bus.local import LocalBus
from lamplighter.bus.nats import NatsBus
from lamplighter.storage.database import Database
from tests.services.channels.served import Served, callers, serving


@pytest.fixture(params=["local", "nats"])
async def two(
    open_database: Callable[[], Database], request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Served, Served]]:
    """Two processes of one installation: with one bus between them, or with NATS."""
    databases, known = [open_database(), open_database()], callers()
    buses: list[Bus] = [LocalBus()] * 2
    if request.param == "nats":
        buses = [NatsBus(request.getfixturevalue("nats").url) for _ in range(2)]
    for started in (*databases, *buses):
        await started.start()
    async with (
        serving(databases[0], bus=buses[0], known=known, beat=0.1) as first,
        serving(databases[1], bus=buses[1], known=known, beat=0.1) as second,
    ):
        yield first, second
    for closed in (*buses, *databases):
        await closed.close()
