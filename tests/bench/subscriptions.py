"""Subscriptions to 100,000 devices, five resources each: listing those of one device, and rules in the place of those that made
them. One process of ``serve``, on SQLite and on PostgreSQL. There is no peer to measure beside.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from lamplighter.clock import SystemClock
from lamplighter.ids import Ids
from lamplighter.roles.process import Process
from lamplighter.services.access.tables import applications
from lamplighter.services.connect.tables import presubscriptions, subscriptions
from lamplighter.storage.query import Query, insert
from tests.bench.application import Caller
from tests.bench.device import Refused
from tests.bench.device_load import p99
from tests.bench.measure import Options, Row, child, microseconds
from tests.bench.registration import on_postgresql
from tests.roles.serving import settings_for
from tests.soak.api import Api

DEVICES = 100_000
PATHS = ("/3303/0/5700", "/3303/0/5701", "/3311/0/5850", "/3311/0/5851", "/3/0/9")
RULES = [{"resource-path": list(PATHS)}]
ENDING = 120.0
"""Seconds for the end of what rules made."""
_TOGETHER = 5000
_SUBSCRIBE = Query(insert(subscriptions).values({column.name: sa.bindparam(column.name) for column in subscriptions.c}))
_RULES = Query(
    insert(presubscriptions).values({column.name: sa.bindparam(column.name) for column in presubscriptions.c})
)

_APPLICATION = Query(sa.select(applications.c.id).where(applications.c.account_id == sa.bindparam("account_id")))


def measure(options: Options) -> list[Row]:
    many = options.devices or DEVICES
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lamplighter-bench-")))
        url = stack.enter_context(on_postgresql())
        for name, *database in (("SQLite",), ("PostgreSQL", url)):
            data = folder / name
            data.mkdir()
            devices = asyncio.run(_fill(data, many, *database))
            server = ("tests.bench.lwm2m_server", str(data), "all", "0", *database)
            with child(*server, errors=folder / "log") as (pid, (said,)):
                _, _, port, key = json.loads(said)
                rows += _rows(name, pid, Api(port, key), Caller(port, key), devices, options)
    return rows


def _rows(name: str, pid: int, api: Api, caller: Caller, devices: list[str], options: Options) -> list[Row]:
    chance, latencies = random.Random(1), list[float]()

    def load(seconds: float) -> int:
        end, done = time.monotonic() + seconds, 0
        while (began := time.monotonic()) < end:
            status, text = api.call("GET", f"/v2/subscriptions/{chance.choice(devices)}")
            if status != 200 or len(text.split("\n")) != len(PATHS):
                raise Refused(f"the list was answered {status} {text!r}")
            latencies.append(time.monotonic() - began)
            done += 1
        return done

    cpu = microseconds({"ours": (pid, load)}, options)["ours"]
    what = f"subscriptions of one device of {len(devices):,} ({name})"
    began = time.monotonic()
    caller.call("PUT", "/v2/subscriptions", [{"resource-path": [PATHS[0]]}])
    took = time.monotonic() - began
    while len(api.call("GET", f"/v2/subscriptions/{devices[-1]}")[1].split("\n")) > 1:
        if time.monotonic() - began > ENDING:
            raise Refused(f"the subscriptions have not ended in {ENDING:g} s")
        time.sleep(0.1)
    ended = time.monotonic() - began
    api.close()
    return [
        Row(what=what, ours=cpu),
        Row(what=f"{what}, p99", ours=p99(sorted(latencies)), unit="ms"),
        Row(what=f"rules that end {len(devices) * 4:,} subscriptions, answered ({name})", ours=took, unit="s"),
        Row(what="the last of them has ended", ours=ended, unit="s"),
    ]


async def _fill(folder: Path, many: int, database_url: str = "") -> list[str]:
    """Subscriptions of the administrator's application, made by its rules; the devices' ids."""
    process = Process(folder, settings_for(database_url), "worker")
    await process.start()
    account_id, ids = await process.access.root_account(), Ids(SystemClock())
    subject_id = await _subject(process, account_id)
    devices = [ids.new() for _ in range(many)]
    own = {"account_id": account_id, "subject_id": subject_id}
    made = {**own, "async_id": "", "active": 1, "created_at": 0, "session": "", "token": "", "by_rule": 1}
    async with process.database.transaction() as tx:
        await tx.execute(_RULES, **own, rules=json.dumps(RULES), updated_at=0)
    for start in range(0, many, _TOGETHER):
        some = devices[start : start + _TOGETHER]
        async with process.database.transaction() as tx:
            rows = [{**made, "device_id": each, "path": path} for each in some for path in PATHS]
            await tx.execute_many(_SUBSCRIBE, rows)
    await process.close()
    return devices


async def _subject(process: Process, account_id: str) -> str:
    """The administrator's application."""
    row = await process.database.fetch_one(_APPLICATION, account_id=account_id)
    assert row is not None
    return str(row["id"])
