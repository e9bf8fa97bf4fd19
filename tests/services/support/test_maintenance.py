"""The maintenance switch closes the gate of every process, and opens it again."""

from __future__ import annotations

import asyncio

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.errors import requests
from lamplighter.services.support.maintenance import Gate, switch
from lamplighter.storage.database import Database


async def until_closed(gate: Gate, *, closed: bool) -> None:
    """Wait for the gate, at most 5 seconds."""
    async with asyncio.timeout(5):
        while True:
            try:
                gate.check()
                if not closed:
                    return
            except requests.UnderMaintenance:
                if closed:
                    return
            await asyncio.sleep(0)


async def test_the_switch_closes_and_opens_the_gate(database: Database) -> None:
    bus = LocalBus()
    await bus.start()
    gate = Gate(database, bus)
    await gate.start()
    gate.check()
    await switch(database, bus, on=True, note="Back at noon.")
    await until_closed(gate, closed=True)
    with pytest.raises(requests.UnderMaintenance, match="Back at noon"):
        gate.check()
    await switch(database, bus, on=False)
    await until_closed(gate, closed=False)
    await gate.close()
    await bus.close()


async def test_a_process_that_starts_during_maintenance_is_closed_from_the_start(database: Database) -> None:
    await switch(database, None, on=True)
    bus = LocalBus()
    await bus.start()
    gate = Gate(database, bus)
    await gate.start()
    with pytest.raises(requests.UnderMaintenance):
        gate.check()
    await gate.close()
    await bus.close()


async def test_a_stopping_process_takes_nothing_new(database: Database) -> None:
    gate = Gate(database, LocalBus())
    gate.stop()
    with pytest.raises(requests.ShuttingDown):
        gate.check()
