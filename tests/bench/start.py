"""The second start of ``lamplighter serve``, from the command to the first answer and to the first registration."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.device import Device, SecureDevice, key_of
from tests.bench.measure import Options, Row, cpu_seconds, udp_ports

ENDPOINT = "the-first-lamp-of-all"
LWM2M = -1
"""Its port among those of serve: it is opened last."""
AS_A_USER = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""A second start finds what the first one compiled."""


@dataclass(slots=True)
class Started:
    """A server that has said that it runs."""

    pid: int
    port: int
    """Of HTTPS."""
    folder: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call as the administrator. Raises RuntimeError when it is refused."""
        tls = ssl.create_default_context(cafile=str(self.folder / "pki" / "ca.pem"))
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=tls)
        headers = {"Authorization": f"Bearer {(self.folder / 'admin-key').read_text().strip()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path} was answered with {answer.status}: {text!r}")
            return json.loads(text) if text else None
        finally:
            connection.close()


@contextmanager
def started(folder: Path) -> Iterator[Started]:
    """``lamplighter serve`` on that folder, on ports that it finds by itself, until the block ends."""
    moved = {
        "LAMPLIGHTER_HTTP_HOST": "127.0.0.1",
        "LAMPLIGHTER_HTTP_PORT": "0",
        "LAMPLIGHTER_HTTP_PLAIN_PORT": "0",
        "LAMPLIGHTER_LWM2M_PORT": "0",
        "LAMPLIGHTER_BOOTSTRAP_PORT": "0",
    }
    command = [str(Path(sys.executable).parent / "lamplighter"), "serve", "--data", str(folder)]
    process = subprocess.Popen(
        command, env={**AS_A_USER, **moved}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if "Lamplighter is running" in line:
                break
        else:
            raise RuntimeError(f"serve ended with {process.wait()} before it answered: {''.join(said[-20:])}")
        yield Started(process.pid, int(said[-1].rpartition("localhost:")[2].partition("/")[0]), folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def first_answer(folder: Path) -> tuple[float, float]:
    """Seconds from the command to the first good answer to a REST call: on the wall, and of CPU."""
    before = time.monotonic()
    with started(folder) as server:
        server.call("GET", "/v3/devices")
        return time.monotonic() - before, cpu_seconds(server.pid)


def first_registration(folder: Path) -> float:
    """Seconds from the command to the answer to a device's Register, its handshake by key before it."""
    before = time.monotonic()
    with started(folder) as server:
        device: Device = SecureDevice(udp_ports(server.pid)[LWM2M], ENDPOINT)
        device.register()
        took = time.monotonic() - before
        device.close()
        return took


def measure(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        first, _ = first_answer(folder)
        with started(folder) as server:
            key = {"endpoint_name": ENDPOINT, "secret_hex": key_of(ENDPOINT).hex()}
            server.call("POST", "/v2/device-shared-keys", key)
        again = [first_answer(folder) for _ in range(options.rounds)]
        registered = [first_registration(folder) for _ in range(options.rounds)]
    goal, limit = "≤ 1.5 s", 1.5
    return [
        Row(what="first start, to the first answer", ours=first, unit="s", goal="≤ 60 s", limit=60.0),
        Row(what="second start, to the first answer", ours=median(wall for wall, _ in again), unit="s"),
        Row(what="the same, CPU time", ours=median(cpu for _, cpu in again), unit="s"),
        Row(
            what="second start, to the first registration",
            ours=median(registered),
            unit="s",
            peer="a JVM's (published)",
            theirs=4.0,
            goal=goal,
            limit=limit,
        ),
    ]
