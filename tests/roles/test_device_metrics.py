from __future__ import annotations

from random import Random

from prometheus_client import CollectorRegistry, generate_latest

from lamplighter.coap.endpoint import Endpoint
from lamplighter.roles.device_metrics import DeviceMetrics
from tests.coap.pair import get


def test_what_the_coap_engine_refused_is_a_counter_by_reason() -> None:
    endpoint = Endpoint(Random(1))
    endpoint.receive_datagram(b"\xff", "p", 0.0)
    endpoint.receive_datagram(get("3").encode(), "p", 0.0)
    registry = CollectorRegistry()
    registry.register(DeviceMetrics({"lwm2m": lambda: {"coaps+udp": endpoint}}))
    text = generate_latest(registry).decode()
    assert 'lamplighter_coap_refused_total{reason="malformed",role="lwm2m",transport="coaps+udp"} 1.0' in text
    assert 'lamplighter_coap_refused_total{reason="option",role="lwm2m",transport="coaps+udp"} 0.0' in text
    assert 'lamplighter_coap_peers{role="lwm2m",transport="coaps+udp"} 1.0' in text
