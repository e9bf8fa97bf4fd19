"""``lamplighter webhook``"""

from __future__ import annotations

import json as jsons
from pathlib import Path
from typing import Any

from lamplighter.cli.fail import Failure
from lamplighter.cli.rest import Rest, said

PATH = "/v2/notification/callback"


def show(data: Path, key: Path | None, server: str | None, json: bool) -> int:
    state = _asked(Rest(data, server, key=key), "GET", f"{PATH}/deliveries")
    if json:
        print(jsons.dumps(state, indent=2))
        return 0
    print(f"{state['state']}, {state['queue_size']} events wait, {state['discarded']} were discarded by a limit")
    print(f"last acknowledged: {state['delivered_at'] or 'never'}; {'' if state['signed'] else 'not '}signed")
    if state["failing_since"]:
        print(f"failing since {state['failing_since']}, next attempt at {state['next_attempt_at']}")
    for each in state["failures"]:
        print(f"  {each['time']}  {each['reason']} ({each['seconds']:.1f} s)")
    return 0


def test(data: Path, key: Path | None, server: str | None, json: bool) -> int:
    outcome = _asked(Rest(data, server, key=key), "POST", f"{PATH}/test")
    if json:
        print(jsons.dumps(outcome, indent=2))
    else:
        word = "acknowledged" if outcome["acknowledged"] else "not acknowledged"
        print(f"{word} after {outcome['seconds']:.1f} s: {outcome['reason']}")
    return 0 if outcome["acknowledged"] else 1


def _asked(rest: Rest, method: str, path: str) -> dict[str, Any]:
    status, body = rest.call(method, path)
    if status != 200 or not isinstance(body, dict):
        raise Failure(f"The server refused: {said(status, body)}")
    return body
