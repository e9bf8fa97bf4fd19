"""What Prometheus reads of the API."""

from __future__ import annotations

from lamplighter.api.metrics import Metrics
from tests.api.toy import operations


def test_answers_are_counted_by_operation_and_status_and_their_times_by_operation() -> None:
    metrics, operation = Metrics(), operations.table[0]
    for status, seconds in ((200, 0.001), (200, 0.003), (404, 20.0)):
        metrics.answered(operation, status, seconds)
    metrics.answered(None, 404, 0.0)
    lines = metrics.text().decode().splitlines()
    name = operation.operation_id
    times = "lamplighter_api_request_seconds"
    for line in (
        f'lamplighter_api_requests_total{{operation="{name}",status="200"}} 2.0',
        f'lamplighter_api_requests_total{{operation="{name}",status="404"}} 1.0',
        'lamplighter_api_requests_total{operation="none",status="404"} 1.0',
        f'{times}_bucket{{le="0.001",operation="{name}"}} 1.0',
        f'{times}_bucket{{le="0.005",operation="{name}"}} 2.0',
        f'{times}_bucket{{le="10.0",operation="{name}"}} 2.0',
        f'{times}_bucket{{le="+Inf",operation="{name}"}} 3.0',
        f'{times}_sum{{operation="{name}"}} 20.004',
    ):
        assert line in lines
