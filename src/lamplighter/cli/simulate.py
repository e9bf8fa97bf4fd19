"""``lamplighter simulate``"""

from __future__ import annotations

import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TextIO
from urllib.parse import urlsplit

from lamplighter.cli.channel import Api
from lamplighter.cli.developer import DEVICES_OF_CERTIFICATE, developer_accounts
from lamplighter.cli.fail import Failure
from lamplighter.cli.rest import Rest
from lamplighter.roles.fleet import (
    NETWORK,
    Account,
    Behaviour,
    BehaviourUnknown,
    Conduct,
    Credential,
    Profile,
    Summary,
    behaviours_of,
    credentials,
    parse_behaviours,
    run_name,
    run_until_stopped,
)

#: Devices of one process; several processes share a seed by ``--first``.
MOST_DEVICES = 99_999
#: The highest number that a device may have.
LAST_DEVICE = 9_999_999
#: Devices of one developer certificate that may bootstrap from one address in a second; a server puts more off.
VENDOR_RATE = 0.9
#: Seconds between attempts when the server says that there were too many requests.
_PATIENCE = 1.0
_SCRIPTED = ("profile", "tls", "behaviours", "lifetime", "rate")
_TAKEN = "KEY_ALREADY_EXISTS_FOR_ENDPOINT"


class Server(Api, Protocol):
    """The REST API, and the host that it is on."""

    host: str


def simulate(
    devices: int,
    data: Path,
    server: str | None,
    seed: int,
    *,
    first: int = 1,
    profile: str | None = None,
    behaviour: Sequence[str] = (),
    script: Path | None = None,
    lifetime: int | None = None,
    rate: float | None = None,
    tls: bool = False,
) -> int:
    if not 1 <= devices <= MOST_DEVICES:
        raise Failure(f"--devices is a number from 1 to {MOST_DEVICES}.")
    if not 1 <= first <= LAST_DEVICE:
        raise Failure(f"--first is a number from 1 to {LAST_DEVICE}.")
    conduct = conduct_of(first, profile, behaviour, script, lifetime, rate, tls)
    if conduct.profile is not None and conduct.profile.is_vendor:
        most = VENDOR_RATE * certificates(devices)
        conduct = replace(conduct, starts_per_second=min(conduct.starts_per_second, most))
    rest = Rest(data, server, keep=True)
    key = (data / "admin-key").read_text().strip()
    show = Progress(sys.stdout)
    known: Sequence[Credential | Account]
    if conduct.profile is not None and conduct.profile.is_vendor:
        known = _vendor_devices(rest, data, f"simulated {run_name(key, seed)}", devices, first)
        host, port = device_address(rest, server, "bootstrap")
    else:
        keyed = credentials(key, seed, devices, first)
        store_keys(rest, keyed)
        known = keyed
        host, port = device_address(rest, server)
    where = f"coaps://{host}:{port}{' over TLS' if conduct.tls else ''}"
    show.line(f"{devices} simulated devices connect to {where}. Ctrl-C stops them.")
    try:
        last = run_until_stopped(known, host, port, seed=seed, report=show.summary, conduct=conduct)
    except OSError as error:
        raise Failure(f"The devices cannot connect to {host}:{port}: {error.strerror or error}") from None
    show.line(f"Stopped. Before: {last}")
    if not last.registered:
        raise Failure(f"No device was registered at the end. {_advice(last)}")
    return 0


def store_keys(rest: Server, devices: Sequence[Credential]) -> None:
    """Give the server the devices' keys, those that it does not have yet. Raises Failure."""
    known = _names(rest)
    for device in devices:
        if device.endpoint_name in known:
            continue
        body = {"endpoint_name": device.endpoint_name, "secret_hex": device.key.hex()}
        status, answer = rest.call("POST", "/v2/device-shared-keys", body)
        while status == 429:
            time.sleep(_PATIENCE)
            status, answer = rest.call("POST", "/v2/device-shared-keys", body)
        if status != 201 and not (status == 409 and answer == _TAKEN):
            raise Failure(f"The server did not take the key of {device.endpoint_name}: {said(status, answer)}")


def device_address(rest: Server, server: str | None, service: str = "lwm2m") -> tuple[str, int]:
    """Where devices connect to: the port that the server tells them, on this machine or the host given."""
    status, answer = rest.call("GET", "/v3/server-credentials")
    try:
        if status != 200:
            raise ValueError
        port = urlsplit(answer[service]["url"]).port or (5684 if service == "lwm2m" else 5784)
    except (ValueError, KeyError, TypeError):
        raise Failure(f"The server did not say where devices connect to: {said(status, answer)}") from None
    return rest.host if server else "127.0.0.1", port


def said(status: int, answer: object) -> str:
    """An answer of the API in words."""
    if isinstance(answer, dict) and "message" in answer:
        return f"{status} {answer.get('type', '')}: {answer['message']} (request_id {answer.get('request_id', 'none')})"
    return f"{status} {str(answer)[:200]}"


class Progress:
    """How a fleet is doing: on a terminal one line that changes, elsewhere a line whenever something important has changed."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._last: object = None
        self._open = False

    def summary(self, summary: Summary) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1  # a wrapped line could not be written over
            print(f"\r\x1b[K{str(summary)[:width]}", end="", file=self._out, flush=True)
            self._open = True
            return
        important = (summary.connected, summary.registered, summary.failures)
        if important != self._last:
            self._last = important
            print(summary, file=self._out, flush=True)

    def line(self, text: str) -> None:
        """A line of its own."""
        print(("\n" if self._open else "") + text, file=self._out, flush=True)
        self._open = False


def conduct_of(
    first: int,
    profile: str | None,
    behaviour: Sequence[str],
    script: Path | None,
    lifetime: int | None,
    rate: float | None,
    tls: bool = False,
) -> Conduct:
    """What the options and the script say; an option beats the script. Raises Failure."""
    table: dict[str, Any] = {} if script is None else _script(script)
    try:
        behaviours = {**behaviours_of(table.get("behaviours", {})), **parse_behaviours(behaviour)}
        named = profile or table.get("profile")
        chosen = None if named is None else Profile(named)
    except BehaviourUnknown as error:
        raise Failure(f"{error} What devices can be told: {', '.join(Behaviour)}.") from None
    except (ValueError, AttributeError):
        raise Failure(f"--profile is one of {', '.join(Profile)}.") from None
    lifetime = lifetime if lifetime is not None else table.get("lifetime")
    rate = rate if rate is not None else table.get("rate", Conduct().starts_per_second)
    if (lifetime is not None and not 1 <= lifetime <= 0xFFFFFFFF) or not 0 < rate <= 100_000:
        raise Failure("--lifetime is a number of seconds, and --rate the devices switched on in a second.")
    tls = tls or bool(table.get("tls", False))
    if tls and (chosen is None or not chosen.is_vendor):
        raise Failure("--tls is for the profiles vendor and gateway: the others come over DTLS.")
    if tls and behaviours.keys() & NETWORK:
        raise Failure(f"Of what happens to datagrams ({', '.join(sorted(NETWORK))}) nothing is seen over --tls.")
    return Conduct(chosen, behaviours, first, lifetime, rate, tls)


def _script(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise Failure(f"{path} is not TOML: {error}") from None
    unknown = table.keys() - set(_SCRIPTED)
    if unknown:
        raise Failure(f"{path}: {min(unknown)} is not one of {', '.join(_SCRIPTED)}.")
    return table


def _vendor_devices(rest: Rest, data: Path, name: str, devices: int, first: int) -> list[Account]:
    """An account for each device. Neighbours have different certificates: a server bootstraps so many of one at a time."""
    least, count = (first - 1) // DEVICES_OF_CERTIFICATE, certificates(devices)
    accounts = developer_accounts(rest, data, {place: f"{name} {place + 1}" for place in range(least, least + count)})
    return [accounts[least + number % count] for number in range(devices)]


def certificates(devices: int) -> int:
    """How many developer certificates so many devices need."""
    return -(-devices // DEVICES_OF_CERTIFICATE)


def _names(rest: Server) -> set[str]:
    """Endpoint names that have a key: asking first spares the server an error for each that exists."""
    names: set[str] = set()
    path = "/v2/device-shared-keys?limit=1000"
    after = ""
    while True:
        status, answer = rest.call("GET", path + after)
        if status != 200:
            raise Failure(f"The server does not list its pre-shared keys: {said(status, answer)}")
        names.update(key["endpoint_name"] for key in answer["data"])
        if not answer["has_more"]:
            return names
        after = f"&after={answer['continuation_marker']}"


def _advice(summary: Summary) -> str:
    if summary.failures:
        return f"The reason told most often: {summary.failures[0][0]}. `lamplighter doctor` checks the server."
    return "They were stopped before they could register."
