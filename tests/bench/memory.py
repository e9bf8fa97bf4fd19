"""Resident memory of a secured session and its CoAP record, beside pyOpenSSL.

The design's goals are for a registered device with five observations: these rows are the part of it below registration.
"""

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
    goals = {"talking": "a part of ≤ 8 KB", "idle": "a part of ≤ 8 KB", "exported": "a part of ≤ 1 KB"}
    return [
        Row(what=f"{what}, {name}", ours=found[which], unit="KB", peer="pyOpenSSL", theirs=theirs, goal=goals[which])
        for which, name in named.items()
    ]
