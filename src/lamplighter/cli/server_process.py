"""A server as a child of this program, for as long as it is needed."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from lamplighter.cli.fail import Failure

#: Seconds from the start until the server must be ready.
PATIENCE = 60.0
#: Seconds that it gets to stop.
FAREWELL = 20.0
_POLL = 0.1
_LOG_LINES = 12


class ServerProcess:
    """``lamplighter serve``, its output in ``LOG`` of the data folder. Use it in a ``with`` statement: leaving ends it.

    :param port: where HTTPS will listen
    :param changes: environment variables beside this program's own
    """

    def __init__(self, data: Path, config: Path | None, port: int, changes: Mapping[str, str]) -> None:
        self.log = data / "demo-serve.log"
        self._data = data
        self._port = port
        self._command = [sys.executable, "-m", "lamplighter", "serve", "--data", str(data)]
        if config is not None:
            self._command += ["--config", str(config)]
        self._environment = {**os.environ, **changes}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServerProcess:
        """Start it, and wait until it is ready. Raises Failure with the end of its log."""
        if _listens(self._port):
            raise Failure(
                f"Port {self._port} is in use, perhaps by a server of yours. Stop that one, or give this one other ports: "
                f"LAMPLIGHTER_HTTP_PORT, LAMPLIGHTER_HTTP_PLAIN_PORT, LAMPLIGHTER_LWM2M_PORT, LAMPLIGHTER_BOOTSTRAP_PORT."
            )
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C is for this program, which then lets the devices say goodbye first.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int | None:
        """End it, by force when it does not go; its exit code."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise Failure(f"The server ended by itself with code {self._process.returncode}. {self._tail()}")
            if _ready(self._data / "pki" / "ca.pem", self._port):
                return
            time.sleep(_POLL)
        raise Failure(f"The server was not ready after {PATIENCE:.0f} s. {self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return f"The end of {self.log}:\n" + "\n".join(f"  {line}" for line in lines)


def _listens(port: int) -> bool:
    """Whether somebody takes connections there: who answers later would not be our child."""
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


def _ready(ca: Path, port: int) -> bool:
    """Whether ``/readyz`` answers 200 over HTTPS."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=5)
    except (OSError, ssl.SSLError):  # the certificate is not written yet, or not whole
        return False
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
