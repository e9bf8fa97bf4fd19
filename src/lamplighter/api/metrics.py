"""Counters and latencies of the API, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from lamplighter.api.operation import Operation

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Seconds."""
_LABELS = [*map(str, map(float, BUCKETS)), "+Inf"]


class Metrics:
    """One registry a process; other parts add their own metrics to it.

    Requests are counted in plain numbers, which become metrics when somebody asks: the library's own, made for threads,
    cost several times as much for each request.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.streams: Counter[str] = Counter()
        """Answers that go on, by operation."""
        self._answered: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}
        self.registry.register(self)

    def answered(self, operation: Operation | None, status: int, seconds: float) -> None:
        name = operation.operation_id if operation is not None else "none"
        self._answered[name, status] += 1
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        buckets = self._buckets.get(name)
        if buckets is None:
            buckets = self._buckets[name] = [0] * len(_LABELS)
        buckets[bisect_left(BUCKETS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        requests = CounterMetricFamily("lamplighter_api_requests", "Answered requests", labels=("operation", "status"))
        for (name, status), number in self._answered.items():
            requests.add_metric((name, str(status)), number)
        yield requests
        times = HistogramMetricFamily(
            "lamplighter_api_request_seconds", "Time from request to answer", labels=("operation",)
        )
        for name, buckets in self._buckets.items():
            cumulative = list(zip(_LABELS, accumulate(buckets), strict=True))
            times.add_metric((name,), cumulative, self._seconds[name])
        yield times
        streams = GaugeMetricFamily("lamplighter_api_open_streams", "Answers that go on", labels=("operation",))
        for name, number in self.streams.items():
            streams.add_metric((name,), number)
        yield streams

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
