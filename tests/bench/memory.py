"""Resident memory of a secured session that is idle, its CoAP record included, beside pyOpenSSL."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.bench.dtls import write_credentials
from tests.bench.measure import Options, Row, child

SESSIONS, EXPORTED, THEIRS = 20_000, 5_000, 1_000


def measure(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as folder:
        write_credentials(Path(folder))
        found: dict[str, float] = {}
        runs = (("talking idle", SESSIONS), ("exported", EXPORTED), ("pyopenssl", THEIRS))
        for names, many in runs:
            with child("tests.bench.memory_child", names, str(many), folder) as (_, kilobytes):
                found |= dict(zip(names.split(), map(float, kilobytes), strict=True))
    what = "memory of a secured session"
    named = {
        "talking": "just established, one request answered",
        "idle": "idle for ten minutes",
        "exported": "exported, to be taken up later",
    }
    theirs = found["pyopenssl"]
    return [
        Row(
            what=f"{what}, {name}",
            ours=found[which],
            unit="KB",
            peer="pyOpenSSL",
            theirs=theirs,
            goal=goal,
            limit=limit,
        )
        for (which, name), (goal, limit) in zip(
            named.items(), (("≤ 8 KB", 8.0), ("≤ 8 KB", 8.0), ("≤ 1 KB", 1.0)), strict=True
        )
    ]
