"""Counters of notification channels, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from lamplighter.clock import MICROSECONDS
from lamplighter.services.channels.service import Channels
from lamplighter.services.channels.tally import BOUNDS

_LABELS = [*map(str, BOUNDS), "+Inf"]


class ChannelMetrics:
    """Register it: it reads what the channels of this process count by themselves, when somebody asks. Nothing in it names
    an account."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        tally = self._channels.tally
        deliveries = CounterMetricFamily(
            "lamplighter_channel_deliveries",
            "Messages sent to the receivers of channels, repetitions too",
            labels=("type", "outcome"),
        )
        for (type_, outcome), number in tally.outcomes.items():
            deliveries.add_metric((type_, outcome), number)
        times = HistogramMetricFamily(
            "lamplighter_channel_delivery_seconds", "Time from sending a message to its outcome", labels=("type",)
        )
        for type_, buckets in tally.buckets.items():
            cumulative = list(zip(_LABELS, accumulate(buckets), strict=True))
            times.add_metric((type_,), cumulative, tally.took[type_] / MICROSECONDS)
        discarded = CounterMetricFamily(
            "lamplighter_channel_discarded", "Events that a limit took from channels", labels=("reason",)
        )
        for reason, number in self._channels.discarded.items():
            discarded.add_metric((reason,), number)
        delivered = GaugeMetricFamily(
            "lamplighter_channels_delivered",
            "Channels that this process delivers: idle, with something pending, or failing and to be tried again",
            labels=("type", "state"),
        )
        for (type_, state), number in self._channels.delivered().items():
            delivered.add_metric((type_, state), number)
        yield from (deliveries, times, discarded, delivered)
