"""The tour against an API that answers as documented, and as it should not."""

from __future__ import annotations

import base64
import io
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lamplighter.cli.channel import PULL, Channel
from lamplighter.cli.fail import Failure
from lamplighter.cli.tour import Tour, shortened

DEVICE = "0" * 31 + "1"
PATH = "/3303/0/5700"


class Documented:
    """An API with one device whose answers come through the channel. ``wrong`` maps method and path to another answer."""

    def __init__(self, wrong: dict[tuple[str, str], tuple[int, Any]] | None = None, device_status: int = 200) -> None:
        self.wrong = wrong or {}
        self.device_status = device_status
        self.calls: list[tuple[str, str, Any]] = []
        self._waiting: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if path == PULL:
            return self._pull()
        self.calls.append((method, path, body))
        where = urlsplit(path)
        if (method, where.path) in self.wrong:
            return self.wrong[method, where.path]
        if where.path == "/v3/devices":
            query = parse_qs(where.query)
            if "order" in query:
                error = {
                    "object": "error",
                    "code": 400,
                    "type": "validation_error",
                    "message": "order must be ASC or DESC",
                }
                return 400, error | {"fields": [], "request_id": "f" * 32}
            return 200, {"data": [{"id": DEVICE, "endpoint_name": "lamp-1", "state": "registered"}], "total_count": 1}
        if where.path.startswith("/v2/device-requests/"):
            (async_id,) = parse_qs(where.query)["async-id"]
            value = base64.b64encode(b"21.5").decode() if body["method"] == "GET" else ""
            self._tell({"async-responses": [{"id": async_id, "status": self.device_status, "payload": value}]})
            return 202, None
        if method == "DELETE":
            return 204, None
        self._tell({"async-responses": [{"id": "s1", "status": 200, "payload": "MjE="}]})
        for value in (b"1", b"2", b"3"):
            item = {"ep": DEVICE, "path": PATH, "payload": base64.b64encode(value).decode()}
            self._tell({"notifications": [item, {**item, "ep": "another"}]})
        return 202, {"async-response-id": "s1"}

    def _tell(self, message: dict[str, Any]) -> None:
        with self._news:
            self._waiting.append(message)
            self._news.notify()

    def _pull(self) -> tuple[int, Any]:
        with self._news:
            self._news.wait_for(lambda: bool(self._waiting), 0.05)
            return (200, self._waiting.pop(0)) if self._waiting else (204, None)


def run(api: Documented, names: set[str] | None = None) -> tuple[int, str, list[str]]:
    """How many steps failed, what was printed, what was explained."""
    out = io.StringIO()
    explained: list[str] = []
    channel = Channel(api)
    channel.open()
    try:
        tour = Tour(api, channel, "https://localhost:8443", Path("var"), out, explained.append)
        return tour.run({"lamp-1"} if names is None else names), out.getvalue(), explained
    finally:
        channel.close()


def test_the_tour_reads_writes_executes_subscribes_and_explains() -> None:
    api = Documented()
    failed, text, explained = run(api)
    assert failed == 0
    assert [(method, urlsplit(path).path) for method, path, _ in api.calls] == [
        ("GET", "/v3/devices"),
        ("POST", f"/v2/device-requests/{DEVICE}"),
        ("POST", f"/v2/device-requests/{DEVICE}"),
        ("POST", f"/v2/device-requests/{DEVICE}"),
        ("PUT", f"/v2/subscriptions/{DEVICE}{PATH}"),
        ("DELETE", f"/v2/subscriptions/{DEVICE}{PATH}"),
        ("GET", "/v3/devices"),
    ]
    assert [body["method"] for _, _, body in api.calls if body] == ["GET", "PUT", "POST"]
    assert "base64 for '21.5'" in text
    assert [f"notification: '{value}'" in text for value in (1, 2, 3)] == [True] * 3
    assert explained == ["f" * 32] and "lamplighter explain " + "f" * 32 in text


def test_every_request_is_a_line_to_paste_with_the_body_that_was_sent() -> None:
    api = Documented()
    _, text, _ = run(api)
    start = '$ curl --cacert var/pki/ca.pem -H "Authorization: Bearer $(cat var/admin-key)" '
    for method, path, body in api.calls:
        way = "" if method == "GET" else f"-X {method} "
        data = "" if body is None else f"-H 'Content-Type: application/json' -d '{json.dumps(body)}' "
        assert f"{start}{way}{data}'https://localhost:8443{path}'" in text


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({("POST", f"/v2/device-requests/{DEVICE}"): (400, "DEVICE_NOT_CONNECTED")}, "the status 400, not 202"),
        ({("PUT", f"/v2/subscriptions/{DEVICE}{PATH}"): (404, "no")}, "the status 404, not 200 or 202"),
        ({("DELETE", f"/v2/subscriptions/{DEVICE}{PATH}"): (500, {})}, "the status 500, not 204"),
    ],
)
def test_a_step_that_fails_says_so_and_the_others_go_on(
    wrong: dict[tuple[str, str], tuple[int, Any]], reason: str
) -> None:
    failed, text, explained = run(Documented(wrong))
    assert failed == (3 if ("POST", f"/v2/device-requests/{DEVICE}") in wrong else 1)
    assert f"FAILED: The answer has {reason}" in text
    assert len(explained) == 1


def test_a_device_that_refuses_fails_the_step() -> None:
    failed, text, _ = run(Documented(device_status=404))
    assert failed == 3 and "The answer of the device has the status 404, not 200." in text


def test_without_a_registered_device_of_ours_the_tour_ends() -> None:
    failed, text, explained = run(Documented(), {"somebody-else"})
    assert failed == 1 and "None of the simulated devices" in text and explained == []


def test_nothing_in_the_channel_tells_what_is_wrong_with_it() -> None:
    class Broken:
        def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
            return 410, "CHANNEL_DELETED"

    channel = Channel(Broken())
    channel.open()
    with pytest.raises(Failure, match="answered 410: CHANNEL_DELETED"):
        channel.take("notifications", lambda item: True, 0.2)
    channel.close()


def test_long_answers_are_shortened_and_empty_members_left_out() -> None:
    shown = shortened({"after": None, "data": [{"a": None, "b": "x" * 100}, {"c": 0}, {}, {}]})
    assert shown == {"after": None, "data": [{"b": "x" * 72 + "..."}, {"c": 0}, "... and 2 more"]}
