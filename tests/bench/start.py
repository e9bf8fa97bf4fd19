"""The second start of ``lamplighter serve``, from the command to the first answer: seconds on the wall."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.coap import free_port
from tests.bench.measure import Options, Row, cpu_seconds

LIMIT = 60.0
"""Seconds after which a start has failed."""


_AS_A_USER = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""A second start finds what the first one compiled."""


def start(folder: Path, port: int) -> tuple[float, float]:
    """Start, wait for the first good answer to a REST call, stop. Seconds until that answer: on the wall, and of CPU."""
    moved = {
        "LAMPLIGHTER_HTTP_HOST": "127.0.0.1",
        "LAMPLIGHTER_HTTP_PORT": str(free_port()),
        "LAMPLIGHTER_HTTP_PLAIN_PORT": str(port),
        "LAMPLIGHTER_HTTP_PLAINTEXT_API": "true",
        "LAMPLIGHTER_LWM2M_PORT": str(free_port()),
    }
    command = [str(Path(sys.executable).parent / "lamplighter"), "serve", "--data", str(folder)]
    before = time.monotonic()
    process = subprocess.Popen(
        command, env={**_AS_A_USER, **moved}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while time.monotonic() - before < LIMIT:
            if _answers(folder, port):
                return time.monotonic() - before, cpu_seconds(process.pid)
            if process.poll() is not None:
                raise RuntimeError(f"serve ended with {process.returncode} before it answered")
            time.sleep(0.005)
        raise RuntimeError(f"no answer within {LIMIT:g} s")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _answers(folder: Path, port: int) -> bool:
    key = folder / "admin-key"
    if not key.exists():
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v3/devices", headers={"Authorization": f"Bearer {key.read_text().strip()}"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def measure(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        first, _ = start(folder, free_port())
        again = [start(folder, free_port()) for _ in range(options.rounds)]
    return [
        Row(what="first start, to the first answer", ours=first, unit="s", goal="≤ 60 s", limit=60.0),
        Row(
            what="second start, to the first answer",
            ours=median(wall for wall, _ in again),
            unit="s",
            goal="≤ 1.5 s",
            limit=1.5,
        ),
        Row(what="the same, CPU time", ours=median(cpu for _, cpu in again), unit="s"),
    ]
