"""What operators see of channels at /metrics."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from lamplighter.roles.channel_metrics import ChannelMetrics
from lamplighter.services.channels.tally import BOUNDS, TAKEN, Tally
from lamplighter.storage.database import Database
from tests.outbound.receivers import PATIENCE, ok, receiving, status
from tests.services.channels.served import ShiftedClock, notified, serving
from tests.services.channels.test_named import arrived, hook, numbered, shown

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)


def test_a_tally_counts_by_type_outcome_and_time() -> None:
    tally = Tally()
    tally.count("webhook", TAKEN, 4_000)
    tally.count("webhook", "timeout", 20_000_001)
    tally.count("kafka", TAKEN, 5_000)
    assert tally.outcomes == {("webhook", TAKEN): 1, ("webhook", "timeout"): 1, ("kafka", TAKEN): 1}
    assert tally.took == {"webhook": 20_004_001, "kafka": 5_000}
    assert tally.buckets["webhook"] == [1, *[0] * (len(BOUNDS) - 1), 1]
    assert tally.buckets["kafka"][0] == 1, "a bound belongs to what lies below it"


@only_sqlite
async def test_deliveries_failures_and_losses_are_counted_without_naming_anybody(database: Database) -> None:
    clock = ShiftedClock()
    limits = {"failing": 1e9}
    async with serving(database, clock=clock, limits=limits, pause=lambda failures: 3600.0) as served:
        registry = CollectorRegistry()
        registry.register(ChannelMetrics(served.channels))
        async with receiving() as good, receiving() as bad:
            await hook(served, good, "good")
            await hook(served, bad, "bad")
            bad.script = status(500)
            await served.happen(notified(1))
            await arrived(good, numbered(1))
            await shown(served, "good", queue_size=0)
            await shown(served, "bad", state="failing")
            async with asyncio.timeout(PATIENCE):
                while served.channels.delivered()["webhook", "idle"] != 1:  # noqa: ASYNC110 - it announces nothing
                    await asyncio.sleep(0.01)
            clock.shift = 25 * 3600.0
            await served.channels._sweeper.sweep()
            bad.script = ok
            text = generate_latest(registry).decode()
    for line in (
        'lamplighter_channel_deliveries_total{outcome="taken",type="webhook"} 1.0',
        'lamplighter_channel_deliveries_total{outcome="status",type="webhook"} 1.0',
        'lamplighter_channel_delivery_seconds_count{type="webhook"} 2.0',
        'lamplighter_channel_discarded_total{reason="age"} 1.0',
        'lamplighter_channels_delivered{state="idle",type="webhook"} 1.0',
        'lamplighter_channels_delivered{state="failing",type="webhook"} 1.0',
    ):
        assert line in text.splitlines(), text
    assert "subject" not in text
