"""Counters of the ports for devices, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from lamplighter.coap.endpoint import Endpoint

Endpoints = Callable[[], Mapping[str, Endpoint]]
"""The CoAP endpoints of a role by transport, as they are now: ``coaps+udp``, ``coaps+tcp``, ``coap+udp``, ``coap+tcp``."""


class DeviceMetrics:
    """Register it: it reads what the endpoints count by themselves, when somebody asks."""

    def __init__(self, endpoints: Mapping[str, Endpoints]) -> None:
        """``endpoints``: by role."""
        self._endpoints = endpoints

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        labels = ("role", "transport")
        refused = CounterMetricFamily(
            "lamplighter_coap_refused",
            "Messages of devices that the CoAP engine did not serve",
            labels=(*labels, "reason"),
        )
        withheld = CounterMetricFamily(
            "lamplighter_coap_withheld", "Datagrams not sent to addresses that had proved nothing", labels=labels
        )
        peers = GaugeMetricFamily("lamplighter_coap_peers", "Devices that the CoAP engine remembers", labels=labels)
        for role, endpoints in self._endpoints.items():
            for transport, endpoint in endpoints().items():
                for reason, count in endpoint.refusals.counts.items():
                    refused.add_metric((role, transport, reason.value), count)
                withheld.add_metric((role, transport), endpoint.withheld)
                peers.add_metric((role, transport), endpoint.peers)
        yield from (refused, withheld, peers)
