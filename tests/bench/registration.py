"""Register and Update through the LwM2M role, each on disk before its answer leaves; peer: aiocoap's resource directory.

The peer knows the same two requests (RFC 9176 took them from LwM2M), keeps them in memory only, and has no security.
"""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lamplighter.coap.numbers import Code
from tests.bench.device import Device, SecureDevice
from tests.bench.device_load import TOGETHER, AnyDevice, Crowd, p99
from tests.bench.lwm2m_server import name_of
from tests.bench.measure import Options, Row, child, microseconds
from tests.servers import PostgresServer

DEVICES = 2000
"""So many that none registers ten times in ten seconds, which would be put off as a loop."""
LIMIT = 25.0
"""Milliseconds."""
PACED = 4.0
"""Seconds of load at a fixed pace."""
SHARE = 0.7
"""Of what was done in a second: the pace where that is below the goal's."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A request, and the design's goal for it."""

    what: str
    ask: Callable[[Device], None]
    good: Code
    goal: int
    """A second."""


KINDS = (
    Kind("registration", Device.send_register, Code.CREATED, 2500),
    Kind("update", Device.send_update, Code.CHANGED, 8000),
)


@contextmanager
def on_postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL that syncs."""
    server = PostgresServer(sync=True)
    try:
        server.start()
        yield server.url("postgres")
    finally:
        server.remove()


def registered(port: int, kind: type[AnyDevice], many: int) -> list[AnyDevice]:
    """Devices that are registered: the directory knows them from here on."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each has a socket of its own
    devices = [kind(port, name_of(number)) for number in range(many)]
    for start in range(0, many, TOGETHER):  # many share a commit
        some = devices[start : start + TOGETHER]
        for device in some:
            device.send_register()
        for device in some:
            device.registered()
    return devices


def measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lamplighter-bench-")))
        url = stack.enter_context(on_postgresql())
        servers: dict[str, tuple[int, Sequence[Device]]] = {}
        for name, *database in (("SQLite",), ("PostgreSQL", url)):
            data = folder / name
            data.mkdir()
            pid, (said,) = stack.enter_context(
                child("tests.bench.lwm2m_server", str(data), "lwm2m", str(DEVICES), *database, errors=folder / "log")
            )
            servers[name] = (pid, registered(json.loads(said)[0], SecureDevice, DEVICES))
        pid, (port,) = stack.enter_context(child("tests.bench.coap_servers", "rd"))
        servers["aiocoap-rd"] = (pid, registered(int(port), Device, DEVICES))
        for kind in KINDS:
            crowds = {name: (pid, Crowd(devices, kind.ask, kind.good)) for name, (pid, devices) in servers.items()}
            found = microseconds({name: (pid, crowd.load) for name, (pid, crowd) in crowds.items()}, options)
            for name in ("SQLite", "PostgreSQL"):
                rows += _rows(kind, name, found, crowds[name][1])
    return rows


def _rows(kind: Kind, database: str, found: dict[str, float], crowd: Crowd[Device]) -> list[Row]:
    """CPU time, what was done in a second with the asking side on the other core, and how long it took at a fixed pace."""
    what = f"{kind.what}, DTLS, durable on {database}"
    ours = found[database]
    pace = min(float(kind.goal), median(crowd.rates) * SHARE)
    latency = p99(crowd.pace(pace, PACED))
    at_goal = pace == kind.goal
    return [
        Row(
            what=what,
            ours=ours,
            peer="aiocoap-rd: plain, in memory",
            theirs=found["aiocoap-rd"],
            goal=f"≥ {kind.goal:,}/s",
            limit=1e6 / kind.goal,
        ),
        Row(what=f"{kind.what}s a second, as seen by the devices ({database})", ours=median(crowd.rates), unit="/s"),
        Row(
            what=f"{kind.what} p99 at {pace:,.0f}/s ({database})",
            ours=latency,
            unit="ms",
            goal="≤ 25 ms" if at_goal else f"≤ 25 ms at {kind.goal:,}/s",
            limit=LIMIT if at_goal else None,
        ),
    ]
