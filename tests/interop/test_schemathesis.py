"""Schemathesis, told only /openapi.json, calls every operation of a running server: the answers are as it says."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from tests.roles.serving import Serving, settings_for
from tests.servers import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
UNLIMITED = {"rate_per_second": 1e6, "rate_burst": 10**6, "rate_per_second_address": 1e6, "rate_burst_address": 10**6}
STREAM = "text/event-stream"
EXAMPLES = {schemathesis.GenerationMode.POSITIVE: 6, schemathesis.GenerationMode.NEGATIVE: 3}
"""Cases of each operation, the same in every run: about half a minute on one core."""


@pytest.fixture(scope="module")
async def serving(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    http = {"plain_port": free_port(), "plaintext_api": True}
    each = Serving(
        tmp_path_factory.mktemp("openapi"), settings_for(http=http, api=UNLIMITED, channels={"long_poll": 0.05})
    )
    await each.start()
    yield each
    await each.close()


async def test_every_answer_is_as_the_description_says(serving: Serving) -> None:
    url = f"http://127.0.0.1:{serving.process.plain_port}"
    calls, failures = await asyncio.to_thread(call_everything, url, serving.key)
    assert not failures, "\n\n".join(failures)
    assert calls > 1000


async def test_no_schema_is_named_after_a_module_of_ours(serving: Serving) -> None:
    document = (await serving.call("GET", "/openapi.json", key=None)).json()
    assert all(name.isidentifier() for name in document["components"]["schemas"])


def call_everything(url: str, key: str) -> tuple[int, list[str]]:
    """How many calls were made, and a report of each operation that failed."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    failures, calls = [], 0
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            if STREAM in str(operation.definition.raw["responses"]):
                continue  # its answers have no end
            for mode, examples in EXAMPLES.items():

                @settings(
                    max_examples=examples,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(case=operation.as_strategy(mode))
                def call(case: Any) -> None:
                    nonlocal calls
                    calls += 1
                    headers = {"Authorization": f"Bearer {key}"}
                    case.call_and_validate(base_url=url, headers=headers, session=session, checks=CHECKS)

                try:
                    call()
                except Unsatisfiable:
                    # Whatever is sent to this operation fits its description: nothing can be wrong by it.
                    assert mode is schemathesis.GenerationMode.NEGATIVE
                except (Exception, BaseExceptionGroup) as error:
                    failures.append(f"{operation.label}: {error}")
    return calls, failures
