"""``lamplighter explain`` of a request to a device: by async-id or request ID, while it waits and once it has failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamplighter.cli.explain import explain
from lamplighter.cli.fail import Failure

WAITING = {
    "id": "0" * 31 + "1",
    "async_id": "read-1",
    "device_id": "0" * 31 + "2",
    "method": "GET",
    "uri": "/3/0/0",
    "state": "waiting",
    "status": None,
    "error": None,
    "why": "The device sleeps.",
    "details": {"deliveries_left": 3},
    "created_at": "2026-01-01T00:00:00.000000Z",
    "ended_at": None,
    "expires_at": "2026-01-04T00:00:00.000000Z",
}
ENDED = WAITING | {
    "state": "ended",
    "status": 504,
    "error": "TIMEOUT",
    "why": "The device did not answer in time.",
    "details": {"retransmissions": 5, "security": "DTLS 1.2, TLS_PSK_WITH_AES_128_CCM_8"},
    "ended_at": "2026-01-01T00:02:06.000000Z",
}
NOT_FOUND = {"object": "error", "type": "not_found", "message": "There is no such thing."}


class Documented:
    """An API that knows one request to a device."""

    known: dict[str, Any] = WAITING
    status = 200

    def __init__(self, *_: object) -> None: ...

    def call(self, method: str, path: str) -> tuple[int, Any]:
        if path == "/v3/device-requests/read-1":
            return self.status, self.known
        return 404, NOT_FOUND


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> type[Documented]:
    answering = type("Answering", (Documented,), {})
    monkeypatch.setattr("lamplighter.cli.explain.Rest", answering)
    return answering


def told(capsys: pytest.CaptureFixture[str], name: str = "read-1", *, as_json: bool = False) -> str:
    assert explain(name, Path("."), None, as_json) == 0
    return capsys.readouterr().out


def test_a_request_that_waits_says_for_what(api: type[Documented], capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys)
    for part in ("waiting", "The device sleeps.", "deliveries left", "GET /3/0/0 of the device", WAITING["expires_at"]):
        assert part in text
    assert json.loads(told(capsys, as_json=True)) == WAITING


def test_a_request_that_failed_says_why_and_what_the_session_was(
    api: type[Documented], capsys: pytest.CaptureFixture[str]
) -> None:
    api.known = ENDED
    text = told(capsys)
    for part in ("504 TIMEOUT", "did not answer in time", "retransmissions", "TLS_PSK_WITH_AES_128_CCM_8"):
        assert part in text


def test_a_refusal_is_shown_as_the_api_said_it(api: type[Documented]) -> None:
    api.known, api.status = {"type": "access_denied", "message": "Not yours.", "request_id": "f" * 32}, 403
    with pytest.raises(Failure, match="403 access_denied: Not yours"):
        explain("read-1", Path("."), None, False)


def test_what_nobody_knows_is_said_to_be_neither(api: type[Documented]) -> None:
    for name in ("read-2", "a b"):
        with pytest.raises(Failure, match="is neither the request ID of an error"):
            explain(name, Path("."), None, False)
