"""Applications' ends of notification channels: each keeps what arrived, and in which order it arrived first."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.soak.api import AGAIN, Api

SERIALIZATION = {"type": "v2", "cfg": {"include_uid": True, "deregistrations_as_object": True}}
STALL = 1.0
"""Seconds for which a webhook sometimes keeps the server waiting."""


class Receiver(Api, ABC):
    """An application with one channel. ``mechanism`` names it."""

    mechanism = ""

    def __init__(self, port: int, key: str, subject_id: str) -> None:
        super().__init__(port, key)
        self.subject_id = subject_id
        self.arrived: list[str] = []
        """What stands for each event, when it came first."""
        self.times: Counter[str] = Counter()
        self.closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._receive, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stand_in(self, key: str, item: Any, uid: str) -> str:
        """What an event is known by here: the channel may give it an id."""
        return uid

    def take(self, message: dict[str, list[Any]]) -> None:
        with self._lock:
            for key, items in message.items():
                for item in items:
                    known = self.stand_in(key, item, item.get("uid", "") if isinstance(item, dict) else "")
                    if not self.times[known]:
                        self.arrived.append(known)
                    self.times[known] += 1

    def close(self) -> None:
        self.closed = True
        super().close()

    @abstractmethod
    def _receive(self) -> None:
        """Until it is closed."""


class SocketReceiver(Receiver):
    mechanism = "WebSocket"

    def start(self) -> None:
        self.call("PUT", "/v2/notification/websocket", {"serialization": SERIALIZATION})
        super().start()

    def _receive(self) -> None:
        url = f"ws://127.0.0.1:{self.port}/v2/notification/websocket-connect"
        options: Any = {"max_size": None, "compression": None, "ping_interval": None}
        while not self.closed:
            try:
                with connect(url, additional_headers=self.headers, **options) as socket:
                    for text in socket:
                        self.take(json.loads(text))
            except (OSError, WebSocketException):
                time.sleep(AGAIN)


class PollReceiver(Receiver):
    """Its messages have no ids: an event is known by what it says."""

    mechanism = "long poll"

    def stand_in(self, key: str, item: Any, uid: str) -> str:
        return content(key, item)

    def start(self) -> None:
        self.call("GET", "/v2/notification/channel")  # the first poll makes the channel
        super().start()

    def _receive(self) -> None:
        while not self.closed:
            try:
                status, body = self.call("GET", "/v2/notification/pull")
            except (OSError, http.client.HTTPException):
                continue
            if status == 200 and isinstance(body, dict):
                self.take(body)
            elif status != 204:
                time.sleep(AGAIN)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """The server that was killed in the middle of a request says nothing new."""


class WebhookReceiver(Receiver):
    """Its receiver is not always well: it refuses, stalls, sends elsewhere, and hangs up.

    :param ill: the part of the requests that it treats so
    """

    mechanism = "webhook"

    def __init__(self, port: int, key: str, subject_id: str, *, ill: float = 0.003) -> None:
        super().__init__(port, key, subject_id)
        self._chance = random.Random(1)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                how = receiver.mood(ill)
                if how == "hang up":
                    self.close_connection = True
                    return
                if how == "stall":
                    time.sleep(STALL)
                if how in ("", "stall"):
                    receiver.take(json.loads(body))
                self.send_response({"refuse": 500, "redirect": 307}.get(how, 204))
                if how == "redirect":
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def mood(self, ill: float) -> str:
        with self._lock:
            if not self.times or self._chance.random() >= ill:
                return ""
            return self._chance.choice(("hang up", "stall", "refuse", "redirect"))

    def start(self) -> None:
        super().start()
        url = f"http://127.0.0.1:{self._server.server_port}/"
        status, body = self.call("PUT", "/v2/notification/callback", {"url": url, "serialization": SERIALIZATION})
        if status != 204:
            raise RuntimeError(f"the webhook was not registered: {status} {body}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        super().close()

    def _receive(self) -> None:
        self._server.serve_forever()


def content(key: str, item: Any) -> str:
    """An event by what it says."""
    return f"{key} {json.dumps(item, sort_keys=True)}"
