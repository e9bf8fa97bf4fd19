"""The ten lists of ``directory`` as rows of the table: the p99 of first and deep page, milliseconds."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from tests.bench import directory
from tests.bench.measure import CORES, Options, Row

CALLS = 200


async def _measure(many: int, folder: Path) -> list[Row]:
    rows = []
    for kind, opened in (("SQLite", directory.on_sqlite), ("PostgreSQL", directory.on_postgresql)):
        async with opened(many, folder) as database:
            for name, _, _, _, first, _, deep, _ in await directory.measure(database, many, CALLS):
                rows.append(
                    Row(
                        what=f"list 50 of {many:,} on {kind}: {name}, p99",
                        ours=max(first, deep),
                        unit="ms",
                        goal=f"≤ {directory.GOAL:g} ms",
                        limit=directory.GOAL,
                    )
                )
    return rows


def measure(options: Options) -> list[Row]:
    os.sched_setaffinity(0, CORES)  # the server and the database are both in this process or below it
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        return asyncio.run(_measure(options.devices or 100_000, Path(name)))
