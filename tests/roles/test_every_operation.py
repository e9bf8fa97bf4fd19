"""Properties of every operation of a running server: only declared errors, the one shape, nothing of another account's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamplighter.api.operation import Operation
from tests.roles.serving import Serving, settings_for

GENEROUS = {"rate_per_second": 1e6, "rate_burst": 10**6, "rate_per_second_address": 1e6, "rate_burst_address": 10**6}
SHAPE = ["object", "code", "type", "message", "fields", "request_id"]


@pytest.fixture(scope="module")
async def serving(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    each = Serving(tmp_path_factory.mktemp("every"), settings_for(api=GENEROUS, channels={"long_poll": 0.05}))
    await each.start()
    yield each
    await each.close()


def check_error(operation: Operation, answer: httpx2.Response) -> None:
    """The answer is the operation's success, or one of its declared errors in the documented body."""
    if answer.status_code < 400:
        return
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.status_code != 500, answer.text
    if answer.headers["content-type"].startswith("text/plain"):
        assert set(answer.text.split(",")) <= operation.words
        return
    body = answer.json()
    assert list(body) == SHAPE and body["object"] == "error" and body["code"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert (body["code"], body["type"]) in operation.declared
    assert body["message"].endswith(".") and len(body["message"]) > 20
    assert all(set(fault) == {"name", "message"} and fault["message"] for fault in body["fields"])


def fill(path: str, values: list[str]) -> str:
    """The path with its variables filled in turn."""
    left = iter(values)
    return re.sub(r"\{[^}]+\}", lambda _: quote(next(left, "x"), safe=""), path)


segments = st.lists(st.text(min_size=1, max_size=40).filter(lambda text: text.strip("/.")), min_size=4, max_size=4)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=30)
)
names = st.sampled_from(
    ["name", "description", "status", "custom_attributes", "groups", "email", "username", "password", "query", "category",
     "endpoint_name", "secret_hex", "method", "uri", "device_id", "users", "applications", "id", "state", "expiration"]
)  # fmt: skip
bodies = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(
        names,
        st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(max_size=9), scalars, max_size=3)),
    ),
)
queries = st.dictionaries(
    st.one_of(
        st.sampled_from(
            [
                "limit",
                "after",
                "order",
                "include",
                "filter",
                "name__eq",
                "state__in",
                "created_at__gte",
                "async-id",
                "retry",
            ]
        ),
        st.text(max_size=12),
    ),
    st.text(max_size=40),
    max_size=4,
)


async def test_hostile_input_to_every_operation_meets_only_declared_errors(serving: Serving) -> None:
    operations = [each for each in serving.process.api.operations if not each.websocket and not each.streams]
    assert len(operations) > 100
    loop = asyncio.get_running_loop()
    async with serving.client() as client:
        for operation in operations:

            @settings(
                max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
            )
            @given(values=segments, query=queries, body=bodies)
            def hostile(operation: Operation, values: list[str], query: dict[str, str], body: Any) -> None:
                request = client.request(
                    operation.method,
                    fill(operation.path, values),
                    params=query,
                    json=body if operation.body is not None else None,
                    headers={"Authorization": f"Bearer {serving.key}"},
                )
                answer = asyncio.run_coroutine_threadsafe(request, loop).result(30)
                check_error(operation, answer)

            await asyncio.to_thread(hostile, operation)


async def test_every_operation_without_a_credential_is_401_and_does_nothing(serving: Serving) -> None:
    async with serving.client() as client:
        for operation in serving.process.api.operations:
            if operation.permission is None or operation.websocket:
                continue
            answer = await client.request(operation.method, fill(operation.path, ["0" * 32] * 4))
            assert (answer.status_code, answer.json()["type"]) == (401, "invalid_auth"), operation.operation_id


async def test_another_accounts_ids_and_keys_never_do_anything(serving: Serving) -> None:
    """A tenant's administrator asks for everything of the root account's by its true ids, and finds nothing."""
    made = await serving.call(
        "POST",
        "/v3/accounts",
        json={
            "end_market": "lamps",
            "display_name": "Tenant",
            "admin_name": "tenant.admin",
            "admin_email": "t@example.com",
            "admin_password": "long enough 1",
        },
    )
    assert made.status_code == 201, made.text
    login = {"username": "tenant.admin", "password": "long enough 1", "account": made.json()["id"]}
    token = (await serving.call("POST", "/auth/login", key=None, json=login)).json()["token"]
    administrators = (await serving.call("GET", "/v3/policy-groups?name__eq=Administrators", key=token)).json()["data"][
        0
    ]["id"]
    body = {"name": "tenant's", "groups": [administrators]}
    own = (await serving.call("POST", "/v3/applications", key=token, json=body)).json()["id"]
    made = await serving.call("POST", f"/v3/applications/{own}/access-keys", key=token, json={"name": "k"})
    tenant_key = made.json()["key"]
    root = (await serving.call("GET", "/v3/accounts/me")).json()["id"]
    device = (await serving.call("POST", "/v3/devices", json={"endpoint_name": "of-the-root-account"})).json()["id"]
    group = (await serving.call("POST", "/v3/device-groups", json={"name": "of root"})).json()["id"]
    query = (
        await serving.call("POST", "/v3/device-queries", json={"name": "of root", "query": "state=registered"})
    ).json()["id"]
    application = (await serving.call("POST", "/v3/applications", json={"name": "of root"})).json()["id"]
    policy = (await serving.call("GET", "/v3/policy-groups")).json()["data"][0]["id"]
    event = (await serving.call("GET", "/v3/device-events")).json()["data"][0]["id"]
    owned = {"id": device, "device-id": device, "device_id": device, "device-group-id": group, "query_id": query,
             "application_id": application, "group_id": policy, "device_event_id": event, "account_id": root}  # fmt: skip
    before = await everything(serving)
    asked = 0
    for operation in serving.process.api.operations:
        named = [owned.get(name) for name in operation.path_names]
        if not named or None in named or operation.websocket:
            continue
        asked += 1
        body = {"name": "stolen", "category": "maintenance", "device_id": device, "query": "state=registered"}
        answer = await serving.call(
            operation.method,
            fill(operation.path, named),
            key=tenant_key,
            json=body if operation.body is not None else None,
        )
        assert answer.status_code in (400, 404) or (answer.status_code, answer.content) == (204, b""), (
            operation.operation_id,
            answer.text,
        )
    assert asked > 20 and before == await everything(serving)


async def everything(serving: Serving) -> list[Any]:
    """The root account's own, without when its key was last used."""
    found = []
    for path in ("/v3/devices", "/v3/device-groups", "/v3/device-queries", "/v3/applications", "/v3/policy-groups"):
        for each in (await serving.call("GET", path)).json()["data"]:
            each.pop("last_used_at", None)
            found.append(each)
    return found
