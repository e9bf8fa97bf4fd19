"""``lamplighter channels`` and ``lamplighter webhook``"""

from __future__ import annotations

import json as jsons
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lamplighter.cli.fail import Failure
from lamplighter.cli.rest import Rest, said

CHANNELS = "/v2/notification/channels"
CALLBACK = "/v2/notification/callback"
PULLED = ("websocket", "event-stream", "long-poll")
"""Types whose clients come to the server: they have no deliveries."""


def list_(data: Path, key: Path | None, server: str | None, json: bool) -> int:
    found = _asked(Rest(data, server, key=key), "GET", CHANNELS)
    if json:
        print(jsons.dumps(found, indent=2))
        return 0
    for each in found["data"]:
        print(f"{each['name']:<40}  {each['type']:<12}  {each['state']}, {_waiting(each)}")
    if not found["data"]:
        print("The application has no channels.")
    return 0


def show(name: str, data: Path, key: Path | None, server: str | None, json: bool) -> int:
    rest, path = Rest(data, server, key=key), _path(name)
    channel = _asked(rest, "GET", path)
    state = None if channel["type"] in PULLED else _asked(rest, "GET", f"{path}/deliveries")
    if json:
        print(jsons.dumps(channel if state is None else {**channel, "deliveries": state}, indent=2))
        return 0
    print(f"{channel['name']}, {channel['type']}, since {channel['since']}")
    print(f"position {channel['position']}")
    if state is None:
        print(f"{channel['state']}, {_waiting(channel)}")
    else:
        _print_deliveries(state)
    return 0


def test(name: str, data: Path, key: Path | None, server: str | None, json: bool) -> int:
    return _test(f"{_path(name)}/test", data, key, server, json)


def replay(name: str, from_: str, data: Path, key: Path | None, server: str | None, json: bool) -> int:
    answer = _asked(Rest(data, server, key=key), "POST", f"{_path(name)}/replay", {"from": from_})
    if json:
        print(jsons.dumps(answer, indent=2))
    elif answer["first_event_at"] is None:
        print(f"{name} goes on with what happens from now on")
    else:
        print(f"{name} goes on with what happened at {answer['first_event_at']}: {answer['queue_size']} events")
    return 0


def webhook_show(data: Path, key: Path | None, server: str | None, json: bool) -> int:
    state = _asked(Rest(data, server, key=key), "GET", f"{CALLBACK}/deliveries")
    if json:
        print(jsons.dumps(state, indent=2))
    else:
        _print_deliveries(state)
    return 0


def webhook_test(data: Path, key: Path | None, server: str | None, json: bool) -> int:
    return _test(f"{CALLBACK}/test", data, key, server, json)


def _test(path: str, data: Path, key: Path | None, server: str | None, json: bool) -> int:
    outcome = _asked(Rest(data, server, key=key), "POST", path)
    if json:
        print(jsons.dumps(outcome, indent=2))
    else:
        word = "acknowledged" if outcome["acknowledged"] else "not acknowledged"
        print(f"{word} after {outcome['seconds']:.1f} s: {outcome['reason']}")
    return 0 if outcome["acknowledged"] else 1


def _print_deliveries(state: dict[str, Any]) -> None:
    print(f"{state['state']}, {_waiting(state)}")
    print(f"last acknowledged: {state['delivered_at'] or 'never'}; {'' if state['signed'] else 'not '}signed")
    if state["failing_since"]:
        print(f"failing since {state['failing_since']}, next attempt at {state['next_attempt_at']}")
    for each in state["failures"]:
        print(f"  {each['time']}  {each['reason']} ({each['seconds']:.1f} s)")


def _waiting(state: dict[str, Any]) -> str:
    return f"{state['queue_size']} events wait, {state['discarded']} were discarded by a limit"


def _path(name: str) -> str:
    return f"{CHANNELS}/{quote(name, safe='')}"


def _asked(rest: Rest, method: str, path: str, body: Any = None) -> dict[str, Any]:
    status, answer = rest.call(method, path, body)
    if status != 200 or not isinstance(answer, dict):
        raise Failure(f"The server refused: {said(status, answer)}")
    return answer
