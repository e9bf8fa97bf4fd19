"""An application with a channel that outlives the server's restarts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.soak.api import AGAIN, Api


class Application(Api):
    """:param port: of the API over plain HTTP"""

    def __init__(self, port: int, key: str) -> None:
        super().__init__(port, key)
        self._news = threading.Condition()
        self._values: dict[tuple[str, str], str] = {}
        self._responses: Counter[str] = Counter()
        self._statuses: Counter[tuple[int, str]] = Counter()
        self._payloads: dict[str, str] = {}
        self._socket: ClientConnection | None = None
        self._closed = False
        self.call("PUT", "/v2/notification/websocket", {})
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

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
        super().close()

    # Inside

    def _wait(self, count: Callable[[], int], number: int, timeout: float) -> int:
        with self._news:
            self._news.wait_for(lambda: count() >= number, timeout)
            return count()

    def _follow(self) -> None:
        decode = msgspec.json.Decoder(dict[str, list[Any]]).decode
        url = f"ws://127.0.0.1:{self.port}/v2/notification/websocket-connect"
        while not self._closed:
            try:
                options: Any = {"max_size": None, "compression": None, "ping_interval": None}
                with connect(url, additional_headers=self.headers, **options) as self._socket:
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
