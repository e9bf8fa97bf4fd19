"""An application as a benchmark needs it: it calls the API, and counts what its channels are told."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol

from tests.bench.device import PATIENCE, Refused


class Observable(Protocol):
    """A device that waits to be asked to observe a resource."""

    location: tuple[str, ...]

    def consent(self) -> None: ...


class Caller:
    """:param port: of the API over plain HTTP"""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        """Call the API. Raises Refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise Refused(f"{method} {path} was answered {answer.status} {text!r}")
        return text

    def subscribe(self, device: Observable, path: str) -> None:
        self.call("PUT", f"/v2/subscriptions/{device.location[-1]}{path}")
        device.consent()


class Delivered:
    """What has arrived at channels. A value says when it was sent."""

    def __init__(self) -> None:
        self.count = 0
        self.latencies: list[float] = []
        """Seconds of each."""
        self._news = threading.Condition()

    def take(self, values: Iterable[dict[str, Any]]) -> None:
        now = time.monotonic()
        took = [now - float(base64.b64decode(each["payload"])) for each in values]
        with self._news:
            self.latencies += took
            self.count += len(took)
            self._news.notify()

    def add(self, number: int) -> None:
        """So many arrived, of which it does not matter when they were sent."""
        with self._news:
            self.count += number
            self._news.notify()

    def wait(self, number: int, patience: float = PATIENCE) -> None:
        """Until that many have arrived in all. Raises Refused."""
        with self._news:
            if not self._news.wait_for(lambda: self.count >= number, patience):
                raise Refused(f"{number - self.count} were not delivered in {patience:g} s")
