"""A notification from a device's datagram to the application: stored, acknowledged, delivered to a WebSocket channel.

All in one process of ``serve``, on SQLite with every commit synced. Whoever counts is the application: a notification is
done once it is there. The peer's figure is a published one.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from websockets.sync.client import ClientConnection, connect

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from tests.bench.application import Caller, Delivered
from tests.bench.device import Refused, SecureDevice
from tests.bench.device_load import Crowd, p99
from tests.bench.measure import Options, Row, child, microseconds
from tests.bench.registration import registered

DEVICES = 200
RESOURCE = "/3303/0/5700"
GOAL = 6000
"""A second."""
THINGSBOARD = 1e6 / 560
"""Microseconds: 560 a second on one vCPU, as published."""
PACE = 1000.0
"""A second, while the time of each is taken."""
PACED = 4.0


class Observed(SecureDevice):
    """A device with one observed resource, whose value is the time at which it was sent."""

    token = b""

    def send_notification(self) -> None:
        assert self.token
        self._number += 1
        number = self._number
        message = Message(Code.CONTENT, payload=b"%.6f" % time.monotonic(), token=self.token, mid=number & 0xFFFF)
        message.add(Option.OBSERVE, number & 0xFFFFFF).add(Option.CONTENT_FORMAT, ContentFormat.TEXT)
        self._last = message.encode()
        self.send(self._last)

    def consent(self) -> None:
        """Wait to be asked to observe the resource, and agree."""
        asked = self._wait()
        if asked.observe != 0:
            raise Refused(f"{self.name} was asked {asked}")
        self.token = asked.token
        answer = Message(Code.CONTENT, payload=b"0", token=asked.token, mid=asked.mid, type=Type.ACK)
        self.send(answer.add(Option.OBSERVE, 0).add(Option.CONTENT_FORMAT, ContentFormat.TEXT).encode())


class Application(Caller):
    """Takes every notification from its WebSocket channel in a thread of its own."""

    def __init__(self, port: int, key: str) -> None:
        super().__init__(port, key)
        self.delivered = Delivered()
        self.call("PUT", "/v2/notification/websocket", {})
        url = f"ws://127.0.0.1:{port}/v2/notification/websocket-connect"
        self._socket: ClientConnection = connect(url, additional_headers=self.headers, max_size=None, compression=None)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()
        self._thread.join()

    def _follow(self) -> None:
        decode = msgspec.json.Decoder(dict[str, list[dict[str, Any]]]).decode
        for text in self._socket:
            self.delivered.take(decode(text).get("notifications", ()))


def measure(options: Options) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        with child("tests.bench.lwm2m_server", name, "all", str(DEVICES), errors=folder / "log") as (pid, (said,)):
            secure, _, port, key = json.loads(said)
            application = Application(port, key)
            devices = registered(secure, Observed, DEVICES)
            for device in devices:
                application.subscribe(device, RESOURCE)
            crowd = Crowd(devices, Observed.send_notification, Code.EMPTY)

            def load(seconds: float) -> int:
                before = application.delivered.count
                done = crowd.load(seconds)
                application.delivered.wait(before + done)
                return done

            ours = microseconds({"ours": (pid, load)}, options)["ours"]
            before = application.delivered.count
            application.delivered.latencies.clear()
            application.delivered.wait(before + len(crowd.pace(PACE, PACED)))
            latencies = sorted(application.delivered.latencies)
            application.close()
    return [
        Row(
            what="notification, DTLS, stored and delivered (SQLite)",
            ours=ours,
            peer="ThingsBoard (published)",
            theirs=THINGSBOARD,
            goal=f"≥ {GOAL:,}/s",
            limit=1e6 / GOAL,
        ),
        Row(what="notifications a second, as seen by the application", ours=median(crowd.rates), unit="/s"),
        Row(what=f"datagram to application, p99 at {PACE:,.0f}/s", ours=p99(latencies), unit="ms"),
    ]
