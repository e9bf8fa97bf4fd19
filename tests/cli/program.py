"""The installed program as a user runs it: child processes with their own ports and data folder."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.servers import free_port

PROGRAM = [sys.executable, "-m", "lamplighter"]


class Program:
    """One data folder and its ports."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.data = data
        self.port, self.plain_port, self.lwm2m_port = free_port(), free_port(), free_port()
        self.environment = {
            **os.environ,
            "LAMPLIGHTER_HTTP_HOST": "127.0.0.1",
            "LAMPLIGHTER_HTTP_PORT": str(self.port),
            "LAMPLIGHTER_HTTP_PLAIN_PORT": str(self.plain_port),
            "LAMPLIGHTER_LWM2M_PORT": str(self.lwm2m_port),
            "LAMPLIGHTER_BOOTSTRAP_PORT": "0",
            **variables,
        }
        self.server: subprocess.Popen[str] | None = None
        self.log = ""
        self._grown = threading.Condition()

    def run(self, *arguments: str, given: str = "", data: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = [*PROGRAM, *arguments, *(["--data", str(self.data)] if data else [])]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, env=self.environment, timeout=60, check=False
        )

    def start(self) -> None:
        """Serve, and return when it says that it is running."""
        self.server = subprocess.Popen(
            [*PROGRAM, "serve", "--data", str(self.data)], stderr=subprocess.PIPE, text=True, env=self.environment
        )
        stream = self.server.stderr
        assert stream is not None
        running = threading.Event()

        def read() -> None:
            for line in stream:
                with self._grown:
                    self.log += line
                    self._grown.notify_all()
                if "Lamplighter is running" in line:
                    running.set()
            running.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        assert running.wait(60) and self.server.poll() is None, self.log

    def logs(self, text: str) -> bool:
        """Whether its log has that text, or soon will."""
        with self._grown:
            return self._grown.wait_for(lambda: text in self.log, 10)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        assert self.server is not None
        self.server.send_signal(how)
        status = self.server.wait(30)
        self._reader.join(10)
        assert self.server.stderr is not None
        self.server.stderr.close()
        return status

    @property
    def key(self) -> str:
        return (self.data / "admin-key").read_text().strip()

    def call(self, path: str, *, method: str = "GET", key: str | None = "", body: Any = None) -> tuple[int, Any]:
        """Status and body of one HTTPS request; ``key`` None sends none, empty the administrator's."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key or self.key}"
        request = urllib.request.Request(
            f"https://localhost:{self.port}{path}",
            method=method,
            headers=headers,
            data=json.dumps(body).encode() if body is not None else None,
        )
        context = ssl.create_default_context(cafile=str(self.data / "pki" / "ca.pem"))
        try:
            with urllib.request.urlopen(request, context=context, timeout=20) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
                return error.code, json.loads(text) if text.startswith(b"{") else text.decode()
