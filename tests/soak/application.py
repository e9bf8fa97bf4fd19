"""An application with many threads for the API and a channel that outlives the server's restarts."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

Call = tuple[str, str, Any]
"""Method, path, body."""
THREADS = 8
TIMEOUT = 60.0
AGAIN = 0.2


class Application:
    """:param port: of the API over plain HTTP"""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(THREADS)
        self._news = threading.Condition()
        self._values: dict[tuple[str, str], str] = {}
        self._responses: Counter[str] = Counter()
        self._statuses: Counter[tuple[int, str]] = Counter()
        self._payloads: dict[str, str] = {}
        self._connections: list[http.client.HTTPConnection] = []
        self._socket: ClientConnection | None = None
        self._closed = False
        self.call("PUT", "/v2/notification/websocket", {})
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    # Calls

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body. Tries again while the server is not there."""
        payload = json.dumps(body) if body is not None else None
        end = time.monotonic() + TIMEOUT
        while True:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
                self._local.connection = connection
                self._connections.append(connection)
            try:
                connection.request(method, path, payload, self._headers)
                answer = connection.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text and text[:1] in b"{[" else text.decode()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.connection = None
                if time.monotonic() > end:
                    raise
                time.sleep(AGAIN)

    def call_all(self, calls: Iterable[Call]) -> Counter[int]:
        """Many calls at a time; how many were answered with which status."""
        return Counter(status for status, _ in self._pool.map(lambda each: self.call(*each), calls))

    # What came through the channel

    def forget(self) -> None:
        """What has come so far does not count any more."""
        with self._news:
            self._values.clear()
            self._responses.clear()
            self._statuses.clear()
            self._payloads.clear()

    def wait_for_values(self, number: int, timeout: float) -> int:
        """Until so many resources have told a value, or so many seconds; how many have."""
        return self._wait(lambda: len(self._values), number, timeout)

    def wait_for_responses(self, number: int, timeout: float) -> int:
        """The same for asynchronous responses with different ids."""
        return self._wait(lambda: len(self._responses), number, timeout)

    @property
    def statuses(self) -> dict[str, int]:
        """How many asynchronous responses came with which status and error."""
        with self._news:
            return {f"{status} {error}".strip(): count for (status, error), count in self._statuses.most_common()}

    @property
    def repeated(self) -> int:
        """How many asynchronous responses came more than once."""
        with self._news:
            return sum(count > 1 for count in self._responses.values())

    def payloads(self) -> Counter[str]:
        """The payloads of asynchronous responses, in Base64, with their number."""
        with self._news:
            return Counter(self._payloads.values())

    def close(self) -> None:
        self._closed = True
        if self._socket is not None:
            self._socket.close()
        self._thread.join()
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    # Inside

    def _wait(self, count: Callable[[], int], number: int, timeout: float) -> int:
        with self._news:
            self._news.wait_for(lambda: count() >= number, timeout)
            return count()

    def _follow(self) -> None:
        decode = msgspec.json.Decoder(dict[str, list[Any]]).decode
        url = f"ws://127.0.0.1:{self._port}/v2/notification/websocket-connect"
        while not self._closed:
            try:
                options: Any = {"max_size": None, "compression": None, "ping_interval": None}
                with connect(url, additional_headers=self._headers, **options) as self._socket:
                    for text in self._socket:
                        self._take(decode(text))
            except (OSError, WebSocketException):
                pass
            time.sleep(0.0 if self._closed else AGAIN)

    def _take(self, message: dict[str, list[Any]]) -> None:
        with self._news:
            for each in message.get("notifications", ()):
                self._values[each["ep"], each["path"]] = each["payload"]
            for each in message.get("async-responses", ()):
                self._responses[each["id"]] += 1
                self._statuses[each["status"], each.get("error") or ""] += 1
                self._payloads[each["id"]] = each.get("payload") or ""
            self._news.notify_all()
