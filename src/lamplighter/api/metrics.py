"""Counters and latencies of the API, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from lamplighter.api.operation import Operation


class Metrics:
    """One registry a process; other parts add their own metrics to it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "lamplighter_api_requests", "Answered requests", ("operation", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "lamplighter_api_request_seconds",
            "Time from request to answer",
            ("operation",),
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        # Looking a child up by its labels costs more than counting.
        self._counters: dict[tuple[str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def answered(self, operation: Operation | None, status: int, seconds: float) -> None:
        name = operation.operation_id if operation is not None else "none"
        counter = self._counters.get((name, status))
        if counter is None:
            counter = self._counters[name, status] = self._requests.labels(name, str(status))
            self._histograms[name] = self._seconds.labels(name)
        counter.inc()
        self._histograms[name].observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
