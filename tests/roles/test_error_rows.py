"""Every row of both editions, provoked over the wire on a running server, on both databases."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from lamplighter.errors.editions import EDITIONS, ROWS, Row
from lamplighter.services.support.maintenance import switch
from tests.roles.serving import Serving, settings_for

ABSENT = "0" * 32
Provoke = Callable[[Serving], Awaitable[httpx2.Response]]


class Case(NamedTuple):
    """How a row is provoked, and what exactly it answers."""

    provoke: Provoke
    message: str
    """A regular expression for the whole message."""
    fields: list[dict[str, str]] = []
    settings: dict[str, dict[str, Any]] = {}


async def developer_key(serving: Serving) -> str:
    groups = (await serving.call("GET", "/v3/policy-groups?name__eq=Developers")).json()["data"]
    application = await serving.call("POST", "/v3/applications", json={"name": "dev", "groups": [groups[0]["id"]]})
    path = f"/v3/applications/{application.json()['id']}/access-keys"
    return str((await serving.call("POST", path, json={"name": "k"})).json()["key"])


async def group_without_braces(serving: Serving) -> httpx2.Response:
    return await serving.call(
        "POST", "/v3/device-groups", content=b'{"name":', headers={"Content-Type": "application/json"}
    )


async def group_with_faults(serving: Serving) -> httpx2.Response:
    return await serving.call("POST", "/v3/device-groups", json={"description": 7, "custom_attributes": {"1st": "x"}})


async def no_header(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/devices", key=None)


async def key_where_an_api_key_belongs(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/api-keys/me")


async def unknown_access_key(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/devices", key="ak_2" + "x" * 107)


async def unknown_api_key(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/devices", key="ak_1" + "x" * 107)


async def unknown_token(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/devices", key="rt_" + "x" * 107)


async def developer_lists_users(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/users", key=await developer_key(serving))


async def list_devices(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/devices")


async def list_devices_four_times(serving: Serving) -> httpx2.Response:
    for _ in range(3):
        assert (await list_devices(serving)).status_code == 200
    return await list_devices(serving)


async def plain_http(serving: Serving) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{serving.process.port}/v3/devices")


async def absent_device(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", f"/v3/devices/{ABSENT}")


async def misspelt_path(serving: Serving) -> httpx2.Response:
    return await serving.call("GET", "/v3/device/")


async def patch_devices(serving: Serving) -> httpx2.Response:
    return await serving.call("PATCH", "/v3/devices/")


async def suspend_twice(serving: Serving) -> httpx2.Response:
    device = (await serving.call("POST", "/v3/devices", json={"endpoint_name": "lamp"})).json()["id"]
    body = {"category": "maintenance", "description": "cleaning"}
    assert (await serving.call("POST", f"/v3/devices/{device}/suspend", json=body)).status_code == 204
    return await serving.call("POST", f"/v3/devices/{device}/suspend", json=body)


async def group_twice(serving: Serving) -> httpx2.Response:
    assert (await serving.call("POST", "/v3/device-groups", json={"name": "Hall"})).status_code == 201
    return await serving.call("POST", "/v3/device-groups", json={"name": "Hall"})


async def meet_a_defect(serving: Serving) -> httpx2.Response:
    async def broken(*values: Any) -> Any:
        raise RuntimeError("SELECT secret FROM internals")

    serving.process.directory.retrieve = broken  # type: ignore[method-assign]
    return await absent_device(serving)


async def call_during_maintenance(serving: Serving) -> httpx2.Response:
    await switch(serving.process.database, None, on=True, note="Back at noon.")
    while (answer := await list_devices(serving)).status_code == 200:
        pass  # seen within a second, without a message
    return answer


CASES: dict[tuple[int, str], Case] = {
    (400, "bad_request"): Case(
        group_without_braces, r"The body is not valid JSON: expecting value at line 1, column 9\. Build .*"
    ),
    (400, "validation_error"): Case(
        group_with_faults,
        r"3 parameters cannot be used: name, description, custom_attributes\.1st\. Correct them and send the request again; .*",
        [
            {"name": "name", "message": "is required"},
            {"name": "description", "message": "must be a string, not a whole number"},
            {"name": "custom_attributes.1st", "message": "must begin with a letter"},
        ],
    ),
    (401, "invalid_auth"): Case(
        no_header, r"The request carries no Authorization header, or an empty one\. Send the header .*"
    ),
    (401, "auth_mismatch"): Case(
        key_where_an_api_key_belongs,
        r"This path is about the calling API key, and the caller uses an access key\. Call it .*",
    ),
    (401, "invalid_accesskey"): Case(
        unknown_access_key, r"No such access key exists\. Check the key, or create a new one .*"
    ),
    (401, "invalid_apikey"): Case(unknown_api_key, r"No such API key exists\. Check the key, or create a new one\."),
    (401, "invalid_token"): Case(
        unknown_token, r"The user token is not valid\. Log in again at /auth/login for a new token\."
    ),
    (403, "access_denied"): Case(
        developer_lists_users, r"This needs the permission users\.read, which none .* Ask an administrator .*"
    ),
    (403, "access_restricted"): Case(
        list_devices,
        r"Access from 127\.0\.0\.1 is blocked on this server\. Call from elsewhere, or ask the operator of this server\.",
        settings={"access": {"restricted_networks": ["127.0.0.0/8"]}},
    ),
    (403, "account_limit_exceeded"): Case(
        list_devices_four_times,
        r"The account has made 3 of the 3 operations that its tier allows in a month\. Wait until \d{4}-\d\d-01T00:00:00Z, .*",
        settings={"access": {"quota_tier_1": 3}},
    ),
    (403, "invalid_request"): Case(
        plain_http, r"The API is served over HTTPS only, .* Use https://localhost instead\."
    ),
    (404, "not_found"): Case(absent_device, rf"There is no device {ABSENT}\. .*"),
    (404, "unrecognized_request"): Case(
        misspelt_path, r"There is nothing at /v3/device/\. Did you mean /v3/devices\? See /docs/api for every path\."
    ),
    (405, "method_not_supported"): Case(
        patch_devices, r"/v3/devices/ does not take PATCH\. Use GET, HEAD, OPTIONS, POST\."
    ),
    (409, "conflict"): Case(
        suspend_twice, r"The device [0-9a-f]{32} is suspended already, since \S+Z\. Nothing needs .*"
    ),
    (409, "duplicate"): Case(
        group_twice,
        r"The name Hall is already used by another device group\. Use the group that exists, or choose another name\.",
    ),
    (429, "rate_limit_exceeded"): Case(
        list_devices_four_times,
        r"This credential may send 0\.01 requests a second, 3 at once, and has used them up\. Wait [\d.]+ seconds, .*",
        settings={"api": {"rate_per_second": 0.01, "rate_burst": 3}},
    ),
    (500, "internal_server_error"): Case(
        meet_a_defect,
        r"The server failed while working on this request, .* give the request ID [0-9a-f]{32} to the operator .*",
    ),
    (503, "system_unavailable"): Case(
        call_during_maintenance, r"The server is under maintenance\. Back at noon\. Try again in 30 seconds\."
    ),
}
EVERY_ROW = [row for edition in EDITIONS for row in ROWS[edition]]


@pytest.fixture
async def serving(row: Row, database_url: str, tmp_path: Path) -> AsyncIterator[Serving]:
    sections = {"api": {}, **CASES[row.status, row.type].settings}
    sections["api"] = {**sections["api"], "edition": row.edition}
    each = Serving(tmp_path, settings_for(database_url, **sections))
    await each.start()
    yield each
    await each.close()


def test_the_editions_have_17_and_15_rows_of_19_types() -> None:
    assert [len(ROWS[edition]) for edition in ("izuma", "pelion")] == [17, 15]
    assert {(row.status, row.type) for row in EVERY_ROW} == set(CASES)
    assert len(CASES) == 19


@pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: f"{row.edition}-{row.status}-{row.type}")
async def test_a_row_is_answered_as_documented_and_explained(row: Row, serving: Serving) -> None:
    case = CASES[row.status, row.type]
    answer = await case.provoke(serving)
    body = answer.json()
    assert (answer.status_code, body["code"], body["type"]) == (row.status, row.status, row.type)
    assert answer.headers["content-type"] == "application/json"
    assert body["object"] == "error"
    assert re.fullmatch(case.message, body["message"]), body["message"]
    assert body["fields"] == case.fields
    assert re.fullmatch(r"[0-9a-f]{32}", body["request_id"])
    assert answer.headers["x-request-id"] == body["request_id"]
    assert "SELECT" not in answer.text
    if row.status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    kept = await serving.process.keeper.find(body["request_id"])
    assert kept is not None and (kept.status, kept.type, kept.message) == (row.status, row.type, body["message"])


@pytest.mark.parametrize("row", [ROWS["izuma"][0], ROWS["pelion"][0]], ids=lambda row: row.edition)
@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_the_troubleshooting_page_shows_the_configured_edition_first(row: Row, serving: Serving) -> None:
    page = (await serving.call("GET", "/docs/troubleshooting", key=None)).text
    order = re.findall(r'<section id="(\w+)">', page)
    assert order[0] == row.edition and set(order) == set(EDITIONS)
    for group in ("2xx", "3xx", "4xx", "5xx"):
        assert group in page
    for each in EVERY_ROW:
        section = page.partition(f'<section id="{each.edition}">')[2].partition("</section>")[0]
        assert f"<code>{each.type}</code>" in section
        for advice in each.advice:
            assert advice.partition("{")[0].partition("`")[0].split("’")[0][:30].replace("'", "&#x27;")[:20] in section
    assert 'href="/docs/api#device-directory---devices"' in page
    assert "DEVICE_REMOVED_REGISTRATION" in page
