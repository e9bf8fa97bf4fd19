"""``lamplighter explain``"""

from __future__ import annotations

import json as jsons
import re
import textwrap
from pathlib import Path
from typing import Any

from lamplighter.cli.fail import Failure
from lamplighter.cli.rest import Rest, said
from lamplighter.errors import Error, example, find, load_all
from lamplighter.errors.editions import EDITIONS, row_of


def explain(what: str, data: Path, server: str | None, json: bool) -> int:
    if re.fullmatch(r"[0-9a-f]{32}", what):
        return _request(what, data, server, json)
    load_all()
    members = find(what) or find(what.lower().replace("_", "-")) or find(what.lower())
    if not members:
        return _device_request(what, data, server, json)
    if json:
        print(jsons.dumps([_facts(member) for member in members], indent=2))
    else:
        print("\n\n".join(_text(member) for member in members))
    return 0


def _request(request_id: str, data: Path, server: str | None, json: bool) -> int:
    status, body = Rest(data, server).call("GET", f"/v3/errors/{request_id}")
    if status == 404:
        return _device_request(request_id, data, server, json)
    if status != 200:
        raise Failure(f"The server does not explain it: {said(status, body)}")
    if json:
        print(jsons.dumps(body, indent=2))
        return 0
    rows = [
        ("Answered", f"{body['code']} {body['type']} ({body['error']})"),
        ("When", body["created_at"]),
        ("Request", f"{body['method']} {body['path']}" + (f" ({body['operation']})" if body["operation"] else "")),
        ("From", body["address"] + (f", {body['user_agent']}" if body["user_agent"] else "")),
        ("Caller", body["credential"] or "unknown"),
        ("Message", body["message"].removesuffix(body["remedy"]).strip()),
        *((f"  {fault['name']}", fault["message"]) for fault in body["fields"]),
        ("Why", body["cause"]),
        ("What to do", body["remedy"]),
        *((name.replace("_", " "), str(value)) for name, value in body["details"].items()),
        ("More", body["help"]),
    ]
    print(_table(rows))
    return 0


def _device_request(name: str, data: Path, server: str | None, json: bool) -> int:
    """What became of a request to a device, by async-id or request ID."""
    status, body = 404, dict[str, Any]()
    if re.fullmatch(r"[\w\-]{1,40}", name, re.ASCII):
        status, body = Rest(data, server).call("GET", f"/v3/device-requests/{name}")
    if status == 404:
        raise Failure(
            f"{name} is neither the request ID of an error (32 hex digits), nor the async-id or request ID of a request to a "
            "device that waits or has failed, nor a type such as not_found, nor a member such as path-unknown."
        )
    if status != 200:
        raise Failure(f"The server does not explain it: {said(status, body)}")
    if json:
        print(jsons.dumps(body, indent=2))
        return 0
    ended = f"{body['status']} {body['error'] or ''}".strip() if body["state"] == "ended" else body["state"]
    rows = [
        ("Ended" if body["state"] == "ended" else "State", ended),
        ("When", body["ended_at"] or ""),
        ("Request", f"{body['method']} {body['uri']} of the device {body['device_id']}"),
        ("async-id", body["async_id"]),
        ("Request ID", body["id"]),
        ("Why", body["why"]),
        *((name.replace("_", " "), str(value)) for name, value in body["details"].items()),
        ("Since", body["created_at"] or ""),
        ("Expires", body["expires_at"]),
    ]
    print(_table(rows))
    return 0


def _facts(member: type[Error]) -> dict[str, Any]:
    shown = example(member)
    return {
        "member": member.name,
        "status": member.status,
        "type": member.type,
        "summary": member.__doc__,
        "message": shown.public_message,
        "cause": member.cause,
        "remedy": shown.advice,
        "word": member.word,
        "coap": member.coap,
    }


def _text(member: type[Error]) -> str:
    shown = example(member)
    rows = [
        ("Answer", f"{member.status} {member.type}"),
        ("Message", shown.text),
        ("Why", member.cause),
        ("What to do", shown.advice),
    ]
    for edition, title in EDITIONS.items():
        row = row_of(edition, member.status, member.type)
        if row is not None:
            rows.append((title.partition(" ")[0], " ".join(row.advice).replace("{contact}", "your operator")))
    if member.word:
        rows.append(("/v2 word", member.word))
    rows.append(("More", f"/docs/errors#{member.name}"))
    return f"{member.name}: {(member.__doc__ or '').strip()}\n" + _table(rows)


def _table(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(
        textwrap.fill(text, 100, initial_indent=f"{name:<{width}}", subsequent_indent=" " * width)
        for name, text in rows
        if text
    )
