"""The API as an application with many threads calls it, through restarts of the server."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Call = tuple[str, str, Any]
"""Method, path, body."""
THREADS = 8
TIMEOUT = 60.0
AGAIN = 0.2


class Api:
    """:param port: of the API over plain HTTP"""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(THREADS)
        self._connections: list[http.client.HTTPConnection] = []

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body. Tries again while the server is not there."""
        payload = json.dumps(body) if body is not None else None
        end = time.monotonic() + TIMEOUT
        self._local.tries = 0
        while True:
            self._local.tries += 1
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
                self._local.connection = connection
                self._connections.append(connection)
            try:
                connection.request(method, path, payload, self.headers)
                answer = connection.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text and text[:1] in b"{[" else text.decode()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.connection = None
                if time.monotonic() > end:
                    raise
                time.sleep(AGAIN)

    @property
    def tries(self) -> int:
        """How often the last call of this thread was sent: an answer may be lost together with its server."""
        return int(self._local.tries)

    def call_all(self, calls: Iterable[Call]) -> Counter[int]:
        """Many calls at a time; how many were answered with which status."""
        return Counter(status for status, _ in self._pool.map(lambda each: self.call(*each), calls))

    def close(self) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()
