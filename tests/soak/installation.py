"""A real installation for a soak: ``lamplighter serve``, in one process on SQLite or in four on PostgreSQL and NATS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from tests.bench.start import AS_A_USER
from tests.servers import NatsServer, PostgresServer, free_port

PATIENCE = 120.0
_AS_DELIVERED = {"LAMPLIGHTER_LOG_LEVEL": "warning", "LAMPLIGHTER_HTTP_PLAINTEXT_API": "true"}
#: What a limit per credential would do to the one application here.
_NO_PACE = {"LAMPLIGHTER_API_RATE_PER_SECOND": "1000000", "LAMPLIGHTER_API_RATE_BURST": "1000000000"}


class DidNotServe(RuntimeError):
    """A server did not say that it runs."""


class Server:
    """One process of ``serve``, on ports that stay the same when it starts again."""

    def __init__(self, role: str, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        """For devices."""
        self.plain_port = free_port()
        self.role = role
        self.peak = 0
        """Bytes: the most that was resident since the last ``forget_peak``."""
        self._log = folder / f"serve-{role}-{self.port}.log"
        self._command = [sys.executable, "-m", "lamplighter", "serve", *([role] if role != "all" else [])]
        self._command += ["--data", str(folder)]
        self._environment = {
            **AS_A_USER,
            **_AS_DELIVERED,
            **_NO_PACE,
            "LAMPLIGHTER_HTTP_HOST": "127.0.0.1",
            "LAMPLIGHTER_HTTP_PORT": str(free_port()),
            "LAMPLIGHTER_HTTP_PLAIN_PORT": str(self.plain_port),
            "LAMPLIGHTER_LWM2M_PORT": str(self.port),
            "LAMPLIGHTER_LWM2M_VALUE_AGE_MAX": "0",  # every read goes to its device
            "LAMPLIGHTER_BOOTSTRAP_PORT": str(free_port()),
            "LAMPLIGHTER_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",  # webhooks are here too
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def has_devices(self) -> bool:
        return self.role in ("all", "lwm2m")

    def start(self) -> float:
        """Seconds until it said that it runs. Raises DidNotServe."""
        began = time.monotonic()
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while b"Lamplighter is running" not in self._log.read_bytes()[before:]:
            if self._process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise DidNotServe(self._log.read_text()[-3000:])
            time.sleep(0.002)
        return time.monotonic() - began

    def stop(self, how: signal.Signals) -> float:
        """Seconds until it had ended."""
        if self._process is None:
            return 0.0
        began = time.monotonic()
        self._process.send_signal(how)
        self._process.wait(PATIENCE)
        self._process = None
        return time.monotonic() - began

    def resident(self) -> int:
        """Bytes in memory now; 0 while it does not run."""
        try:
            process = self._process
            text = Path(f"/proc/{process.pid}/statm").read_text() if process is not None else "0 0"
        except (FileNotFoundError, ProcessLookupError):
            return 0
        size = int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.peak = max(self.peak, size)
        return size

    def forget_peak(self) -> None:
        self.peak = 0

    def cpu(self) -> float:
        """Seconds of CPU since it started."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metric(self, name: str) -> float:
        """The sum of a metric's samples; 0 where there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.plain_port}/metrics", timeout=PATIENCE) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


class Installation:
    """Use it in a ``with`` statement. ``servers``: what serves; those with devices are ``gateways``.

    :param keys: devices with a pre-shared key
    :param certificates: devices with a certificate
    """

    def __init__(self, keys: int, certificates: int, *, postgres: bool) -> None:
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lamplighter-soak-")))
        self._keys, self._certificates = keys, certificates
        self._postgres = postgres
        self.servers: list[Server] = []
        self.database_url = ""
        self._watching = threading.Event()

    def __enter__(self) -> Installation:
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def gateways(self) -> list[Server]:
        return [server for server in self.servers if server.has_devices]

    @property
    def api(self) -> Server:
        return self.servers[0]

    @property
    def key(self) -> str:
        """The administrator's."""
        return (self.folder / "admin-key").read_text().strip()

    def close(self) -> None:
        self._watching.set()
        for server in self.servers:
            server.stop(signal.SIGKILL)
        self._stack.close()

    def _make(self) -> None:
        environment: dict[str, str] = {}
        roles = ["all"]
        if self._postgres:
            database, bus = PostgresServer(sync=True), NatsServer()
            for each in (database, bus):
                self._stack.callback(each.remove)
                each.start()
            environment = {"LAMPLIGHTER_DATABASE_URL": database.url("postgres"), "LAMPLIGHTER_BUS_URL": bus.url}
            roles = ["api", "lwm2m", "lwm2m", "worker"]
        counts = str(self._keys), str(self._certificates)
        url = self.database_url = environment.get("LAMPLIGHTER_DATABASE_URL", "")
        command = [sys.executable, "-W", "ignore", "-m", "tests.soak.provision", str(self.folder), *counts]
        subprocess.run([*command, *([url] if url else [])], check=True)
        self.servers = [Server(role, self.folder, environment) for role in roles]
        for server in self.servers:
            server.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Memory is read all the time: what counts is the most that there was."""
        while not self._watching.wait(0.1):
            for server in self.servers:
                server.resident()
