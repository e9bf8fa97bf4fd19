"""A line of the log is JSON in ASCII whatever is in it, and says no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lamplighter.clock import from_rfc3339
from lamplighter.roles.log import add_timestamp, as_json, hide_secrets


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "Straßenlampe",
        "\x1b[2J\x9b2J\u2028",
        "half a pair: \ud83d",
        2**70,
        -1.5,
        None,
        {"address": ["::1", 5684]},
    ],
)
def test_a_value_is_read_back_as_it_was_and_its_line_is_ascii(value: Any) -> None:
    line = as_json(None, "info", {"event": "something", "value": value})
    assert line.isascii() and line.isprintable()
    assert json.loads(line) == {"event": "something", "value": value}


def test_what_json_does_not_know_is_shown_as_python_shows_it() -> None:
    line = as_json(None, "info", {"error": ValueError("no"), "where": Place()})
    assert json.loads(line) == {"error": "ValueError('no')", "where": "a place"}


def test_a_line_says_when_in_the_form_of_the_api() -> None:
    event = add_timestamp(None, "info", {})
    assert from_rfc3339(event["timestamp"]) > 0 and event["timestamp"].endswith("Z")


def test_keys_tokens_and_what_is_named_so_do_not_leave() -> None:
    key = "ak_2" + "A" * 107
    shown = hide_secrets(None, "info", {"event": f"said {key}", "psk": b"0123", "path": "/v3/devices"})
    line = as_json(None, "info", shown)
    assert json.loads(line) == {"event": "said [hidden]", "psk": "[hidden]", "path": "/v3/devices"}


class Place:
    def __repr__(self) -> str:
        return "a place"
