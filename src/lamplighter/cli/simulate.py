"""``lamplighter simulate``"""

from __future__ import annotations

import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TextIO
from urllib.parse import urlsplit

from lamplighter.cli.channel import Api
from lamplighter.cli.developer import DEVICES_OF_CERTIFICATE, developer_accounts
from lamplighter.cli.fail import Failure
from lamplighter.cli.rest import Rest, said
from lamplighter.roles.fleet import (
    NETWORK,
    Account,
    Behaviour,
    BehaviourUnknown,
    Conduct,
    Credential,
    Profile,
    Summary,
    Transport,
    awake_seconds,
    behaviours_of,
    credentials,
    parse_behaviours,
    require_transport,
    run_name,
    run_until_stopped,
)
from lamplighter.settings import load

#: Devices of one process; several processes share a seed by ``--first``.
MOST_DEVICES = 99_999
#: The highest number that a device may have.
LAST_DEVICE = 9_999_999
#: Devices of one developer certificate that may bootstrap from one address in a second; a server puts more off.
VENDOR_RATE = 0.9
#: Seconds between attempts when the server says that there were too many requests.
_PATIENCE = 1.0
_SCRIPTED = ("profile", "transport", "bootstrap", "behaviours", "lifetime", "rate", "awake", "ping")
_ORDINARY = Conduct()
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
    transport: str | None = None,
    bootstrap: bool = False,
    port: int | None = None,
    awake: float | None = None,
    ping: float | None = None,
) -> int:
    if not 1 <= devices <= MOST_DEVICES:
        raise Failure(f"--devices is a number from 1 to {MOST_DEVICES}.")
    if not 1 <= first <= LAST_DEVICE:
        raise Failure(f"--first is a number from 1 to {LAST_DEVICE}.")
    conduct = conduct_of(Wanted(first, profile, transport, bootstrap, behaviour, lifetime, rate, awake, ping), script)
    if conduct.profile is not None and conduct.profile.is_vendor:
        most = VENDOR_RATE * certificates(devices)
        conduct = replace(conduct, starts_per_second=min(conduct.starts_per_second, most))
    rest = Rest(data, server, keep=True)
    ca = data / "pki" / "ca.pem"
    conduct = replace(conduct, anchors=str(ca) if ca.exists() else "")
    key = (data / "admin-key").read_text().strip()
    show = Progress(sys.stdout)
    known: Sequence[Credential | Account]
    if conduct.profile is not None and conduct.profile.is_vendor:
        known = _vendor_devices(rest, data, f"simulated {run_name(key, seed)}", devices, first)
    else:
        known = keyed = credentials(key, seed, devices, first)
        if conduct.transport.is_secure:
            store_keys(rest, keyed)
    host, known_port = device_address(rest, server, conduct)
    port = port or known_port
    what = "device connects" if devices == 1 else "devices connect"
    way = "the bootstrap server" if conduct.bootstraps else "the LwM2M server"
    show.line(f"{devices} simulated {what} to {way}, {conduct.transport} to {host}:{port}. Ctrl-C stops.")
    try:
        last = run_until_stopped(known, host, port, seed=seed, report=show.summary, conduct=conduct)
    except OSError as error:
        raise Failure(f"The devices cannot connect to {host}:{port}: {error.strerror or error}") from None
    show.line(f"Stopped. Before: {last}")
    if not last.registered:
        raise Failure(f"No device was registered at the end. {_advice(last, host, port, conduct.transport)}")
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


def device_address(rest: Server, server: str | None, conduct: Conduct = _ORDINARY) -> tuple[str, int]:
    """Where devices connect to: this machine or the host given, and the port that the server tells or the settings say."""
    host = rest.host if server else "127.0.0.1"
    service = "bootstrap" if conduct.bootstraps else "lwm2m"
    if not conduct.transport.is_secure:
        settings = load()
        return host, settings.bootstrap.plain_port if conduct.bootstraps else settings.coap.port
    status, answer = rest.call("GET", "/v3/server-credentials")
    try:
        if status != 200:
            raise ValueError
        port = urlsplit(answer[service]["url"]).port or (5684 if service == "lwm2m" else 5784)
    except (ValueError, KeyError, TypeError):
        raise Failure(f"The server did not say where devices connect to: {said(status, answer)}") from None
    return host, port


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


class Wanted(NamedTuple):
    """What the options say of the devices; None or empty: nothing."""

    first: int = 1
    profile: str | None = None
    transport: str | None = None
    bootstrap: bool = False
    behaviour: Sequence[str] = ()
    lifetime: int | None = None
    rate: float | None = None
    awake: float | None = None
    ping: float | None = None


def conduct_of(wanted: Wanted, script: Path | None) -> Conduct:
    """What the options and the script say; an option beats the script. Raises Failure."""
    table: dict[str, Any] = {} if script is None else _script(script)

    def said_of(name: str) -> Any:
        given = getattr(wanted, name)
        return table.get(name) if given is None else given

    try:
        behaviours = {**behaviours_of(table.get("behaviours", {})), **parse_behaviours(wanted.behaviour)}
        profile = None if said_of("profile") is None else Profile(said_of("profile"))
        transport = Transport.DTLS if said_of("transport") is None else Transport(said_of("transport"))
    except BehaviourUnknown as error:
        raise Failure(str(error)) from None
    except (ValueError, AttributeError):
        raise Failure(
            f"--profile is one of {', '.join(Profile)}; --transport is one of {', '.join(Transport)}."
        ) from None
    try:
        require_transport(profile, transport)
    except ValueError as error:
        raise Failure(f"--transport {transport} does not go with --profile {profile}: {error}.") from None
    if transport.is_stream and behaviours.keys() & NETWORK:
        raise Failure(f"Of what happens to datagrams ({', '.join(sorted(NETWORK))}) nothing is seen over {transport}.")
    conduct = Conduct(
        profile,
        behaviours,
        wanted.first,
        _number("lifetime", said_of("lifetime"), 1, 0xFFFFFFFF),
        _number("rate", said_of("rate"), 0.001, 100_000) or _ORDINARY.starts_per_second,
        transport,
        bool(wanted.bootstrap or table.get("bootstrap", False) or (profile is not None and profile.is_vendor)),
        _number("awake", said_of("awake"), 0.1, 86_400),
        _number("ping", said_of("ping"), 0, 86_400),
    )
    _require_sleep(conduct)
    return conduct


def _number(name: str, value: Any, least: float, most: float) -> Any:
    """Raises Failure."""
    unit = "devices switched on in a second" if name == "rate" else "seconds"
    if value is not None and (isinstance(value, bool | str) or not least <= value <= most):
        raise Failure(f"--{name} is a number of {unit}, from {least:.10g} to {most:.10g}.")
    return value


def _require_sleep(conduct: Conduct) -> None:
    """Raises Failure where a device that is told to sleep would never do so."""
    period = conduct.behaviours.get(Behaviour.SLEEP)
    awake = awake_seconds(conduct.profile, conduct.awake)
    if period is not None and period <= awake:
        raise Failure(
            f"With sleep={period:g} no device ever sleeps: it listens for {awake:g} s after it last spoke. "
            f"Choose a longer sleep, or a shorter --awake."
        )


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


def _advice(summary: Summary, host: str, port: int, transport: Transport) -> str:
    if not summary.failures:
        return "They were stopped before they could register."
    reason = summary.failures[0][0]
    if any(word in reason for word in ("no answer", "did not answer", "no socket", "timed out")):
        closed = "" if transport.is_secure else " (it listens there only with coap.insecure = true)"
        return (
            f"The reason told most often: {reason}. Is the server running, and does it listen at {host}:{port} over "
            f"{transport}{closed}? A firewall between may drop what the devices send; --port names another port."
        )
    if "4.04" in reason:
        return f"The reason told most often: {reason}. Port {port} may be that of another service: leave --port out."
    return f"The reason told most often: {reason}. `lamplighter doctor` checks the server."
