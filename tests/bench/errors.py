"""The calls of ``rest`` ending in an error, each beside its own success: an error must not be dearer than what it refuses."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.bench.http_load import Ask, load
from tests.bench.measure import Options, Row, microseconds
from tests.bench.rest import Served, served

UNKNOWN_ID = "0" * 32


def call(ours: Served, method: str, path: str, body: Any = None) -> Any:
    """One call as the administrator."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{ours.port}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"Bearer {ours.key}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def developers_key(ours: Served) -> str:
    """A key that may not see applications, nor anything else of the account's administration."""
    groups = [each["id"] for each in call(ours, "GET", "/v3/policy-groups")["data"] if each["name"] == "Developers"]
    application = call(ours, "POST", "/v3/applications", {"name": "a developer's", "groups": groups})
    key: str = call(ours, "POST", f"/v3/applications/{application['id']}/access-keys", {"name": "bench"})["key"]
    return key


def cases(ours: Served) -> list[tuple[Ask, Ask]]:
    """Each error, and the call it would have been (for 403, the cheapest of them)."""
    get, create = ours.gets, ours.creates
    taken = '{"endpoint_name": "device-0000007", "name": "Lamp %d"}'
    unknown = ours.key[:-4] + ("AAAA" if ours.key[-4:] != "AAAA" else "BBBB")
    one = f"/v3/devices/{ours.ids[0]}"
    return [
        (Ask("404 not_found", "GET", f"/v3/devices/{UNKNOWN_ID}", 404, ours.key), get),
        (Ask("404 unrecognized_request", "GET", "/v3/devises", 404, ours.key), get),
        (Ask("405 method_not_supported", "PATCH", one, 405, ours.key), get),
        (Ask("401 invalid_auth", "GET", one, 401), get),
        (Ask("401 invalid_accesskey", "GET", one, 401, unknown), get),
        (Ask("403 access_denied", "GET", "/v3/applications", 403, developers_key(ours)), get),
        (Ask("400 validation_error", "POST", "/v3/devices", 400, ours.key, '{"name": %d}'), create),
        (Ask("400 bad_request", "POST", "/v3/devices", 400, ours.key, '{"name": %d'), create),
        (Ask("409 duplicate", "POST", "/v3/devices", 409, ours.key, taken), create),
    ]


def measure(options: Options) -> list[Row]:
    rows = []
    with served(options) as ours:
        for error, success in cases(ours):
            found = microseconds(
                {
                    "error": (ours.pid, load(ours.port, error, ours.folder)),
                    "success": (ours.pid, load(ours.port, success, ours.folder)),
                },
                options,
            )
            rows.append(
                Row(
                    what=f"REST: {error.what}",
                    ours=found["error"],
                    peer=f"its success: {success.what}",
                    theirs=found["success"],
                    goal="≤ 1.0 × success",
                    goal_ratio=1.0,
                )
            )
    return rows
