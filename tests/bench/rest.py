"""Get, list 50 and create through the whole server, credential and limits included, beside bare ASGI on the same SQLite."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.http_load import Ask, load
from tests.bench.measure import Options, Row, child, microseconds

DEVICES = 100_000
CREATE = '{"name": "Lamp %d", "description": "A lamp made to measure how long that takes."}'


@dataclass(slots=True)
class Served:
    pid: int
    port: int
    key: str
    account_id: str
    folder: Path
    ids: tuple[str, ...]

    @property
    def gets(self) -> Ask:
        return Ask("get a device", "GET", "/v3/devices/%s", 200, self.key, ids=self.ids)

    @property
    def lists(self) -> Ask:
        return Ask("list 50 devices", "GET", "/v3/devices?limit=50", 200, self.key)

    @property
    def creates(self) -> Ask:
        return Ask("create a device", "POST", "/v3/devices", 201, self.key, CREATE)


@contextmanager
def served(options: Options) -> Iterator[Served]:
    """The server with many devices."""
    many = options.devices or DEVICES
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        with child("tests.bench.rest_server", name, str(many), errors=folder / "log") as (pid, (said,)):
            port, key, account_id = json.loads(said)
            with sqlite3.connect(folder / "peer.db") as connection:
                ids = tuple(row[0] for row in connection.execute("SELECT id FROM devices ORDER BY random() LIMIT 1000"))
            yield Served(pid, port, key, account_id, folder, ids)


def measure(options: Options) -> list[Row]:
    goals = (("gets", 1.35), ("lists", 1.10), ("creates", 1.45))
    rows = []
    with (
        served(options) as ours,
        child("tests.bench.rest_peer", str(ours.folder / "peer.db"), ours.account_id, ours.key) as (peer, (port,)),
    ):
        for name, goal in goals:
            ask: Ask = getattr(ours, name)
            found = microseconds(
                {
                    "ours": (ours.pid, load(ours.port, ask, ours.folder)),
                    "bare": (peer, load(int(port), ask, ours.folder)),
                },
                options,
            )
            rows.append(
                Row(
                    what=f"REST: {ask.what}",
                    ours=found["ours"],
                    peer="bare ASGI",
                    theirs=found["bare"],
                    goal=f"≤ {goal} × bare",
                    goal_ratio=goal,
                )
            )
    return rows
