"""Developer certificates for simulated devices: made once by the API, found again by what is remembered in the data folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lamplighter.cli.channel import Api
from lamplighter.cli.fail import Failure
from lamplighter.roles.fleet import Account, developer_account

DEVICES_OF_CERTIFICATE = 100
"""Devices that one developer certificate serves (contract: developer certificates)."""
REMEMBERED = "simulated-devices.json"
"""In the data folder: certificates' names with their IDs. It holds no secret."""
_CREATE = "/v3/developer-certificates"


def developer_accounts(api: Api, data: Path, names: Mapping[int, str]) -> dict[int, Account]:
    """The account of each certificate, created where there is none of that name. Raises Failure."""
    status, servers = api.call("GET", "/v3/server-credentials")
    if status != 200:
        raise _failure("The server did not say where devices are bootstrapped", status, servers)
    place = servers["bootstrap"]
    accounts = {}
    remembered = _remembered(data)
    for number, name in names.items():
        found = _certificate(api, data, name, remembered)
        try:
            accounts[number] = developer_account(
                found["developer_certificate"], found["developer_private_key"], place["certificate"], place["url"]
            )
        except (ValueError, KeyError) as error:
            raise Failure(f"The developer certificate {name!r} cannot be used: {error}.") from None
    return accounts


def _certificate(api: Api, data: Path, name: str, remembered: dict[str, str]) -> dict[str, Any]:
    if name in remembered:
        status, answer = api.call("GET", f"{_CREATE}/{remembered[name]}")
        if status == 200:
            return dict(answer)
        if status != 404:
            raise _failure(f"The developer certificate {name!r} cannot be read", status, answer)
    body = {"name": name, "description": "of simulated devices (lamplighter simulate)"}
    status, answer = api.call("POST", _CREATE, body)
    if status == 409:
        answer = _of_name(api, name)
    elif status != 201:
        raise _failure(f"The server made no developer certificate {name!r}", status, answer)
    remembered[name] = answer["id"]
    (data / REMEMBERED).write_text(json.dumps(remembered, indent=1) + "\n")
    return dict(answer)


def _of_name(api: Api, name: str) -> dict[str, Any]:
    """A certificate that somebody else made, or that was made from another data folder."""
    status, page = api.call("GET", f"/v3/trusted-certificates?name__eq={quote(name)}")
    if status == 200 and page["data"]:
        status, answer = api.call("GET", f"{_CREATE}/{page['data'][0]['id']}")
        if status == 200:
            return dict(answer)
    raise Failure(f"The developer certificate {name!r} exists, and its ID is not known here. Choose another --seed.")


def _remembered(data: Path) -> dict[str, str]:
    try:
        return dict(json.loads((data / REMEMBERED).read_text()))
    except (OSError, ValueError):
        return {}


def _failure(what: str, status: int, answer: Any) -> Failure:
    if isinstance(answer, dict) and "message" in answer:
        return Failure(f"{what}: {status} {answer['message']} (request_id {answer.get('request_id', 'none')})")
    return Failure(f"{what}: {status} {str(answer)[:200]}")
