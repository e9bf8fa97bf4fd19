"""A device's notification to many channels of one application, and to a webhook. One process of ``serve``, on SQLite, synced.

What counts is that it has arrived: at each of the channels, or in a request of the webhook. There is no peer to measure beside.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import Coroutine
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import msgspec
import uvloop
from websockets.asyncio.client import connect

from lamplighter.coap.numbers import Code
from tests.bench.application import Caller, Delivered
from tests.bench.device import PATIENCE
from tests.bench.device_load import Crowd, p99
from tests.bench.measure import Options, Row, child, microseconds
from tests.bench.notification import RESOURCE, Observed
from tests.bench.registration import registered

DEVICES = 200
CHANNELS = 64
PACED = 4.0
"""Seconds at a fixed pace."""
FAN_OUT_PACE, WEBHOOK_PACE = 50.0, 500.0
"""Notifications a second, while the time of each is taken."""

Result = TypeVar("Result")
_decode = msgspec.json.Decoder(dict[str, list[dict[str, Any]]]).decode


class Receivers:
    """The applications' ends of channels, on an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.delivered = Delivered()
        self._loop = uvloop.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def follow(self, url: str, headers: dict[str, str]) -> None:
        """Take every notification from a WebSocket."""
        self._run(self._follow(url, headers))

    def listen(self) -> str:
        """The URL of a webhook."""
        return self._run(self._listen())

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _follow(self, url: str, headers: dict[str, str]) -> None:
        socket = await connect(url, additional_headers=headers, max_size=None, compression=None, ping_interval=None)

        async def take() -> None:
            async with socket:
                async for text in socket:
                    self.delivered.take(_decode(text).get("notifications", ()))

        self._tasks.add(asyncio.create_task(take()))

    async def _listen(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                self.delivered.take(_decode(await reader.readexactly(length)).get("notifications", ()))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # a task that start_server made may not end as cancelled: it would be shown as an error
        finally:
            writer.close()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def measure(options: Options) -> list[Row]:
    webhook = _measured(options, 0, WEBHOOK_PACE)
    fan_out = _measured(options, CHANNELS, FAN_OUT_PACE)
    return [
        Row(what="notification, DTLS, stored and delivered to a webhook (SQLite)", ours=webhook.cpu),
        Row(what="notifications a second, as seen by the webhook", ours=webhook.rate, unit="/s"),
        Row(what=f"datagram to webhook, p99 at {WEBHOOK_PACE:,.0f}/s", ours=webhook.p99, unit="ms"),
        Row(what=f"notification to {CHANNELS} WebSockets of an application", ours=fan_out.cpu),
        Row(what="the same, for each of the channels", ours=fan_out.cpu / CHANNELS),
        Row(what="deliveries a second, as seen by the application", ours=fan_out.rate * CHANNELS, unit="/s"),
        Row(what=f"datagram to each WebSocket, p99 at {FAN_OUT_PACE:,.0f}/s", ours=fan_out.p99, unit="ms"),
    ]


class _Measured(msgspec.Struct):
    cpu: float
    """Microseconds of the server for a notification."""
    rate: float
    """Notifications a second."""
    p99: float
    """Milliseconds."""


def _measured(options: Options, channels: int, pace: float) -> _Measured:
    """With so many WebSockets, or none and a webhook."""
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        with child("tests.bench.lwm2m_server", name, "all", str(DEVICES), errors=folder / "log") as (pid, (said,)):
            secure, _, port, key = json.loads(said)
            application, receivers = Caller(port, key), Receivers()
            if channels:
                for number in range(channels):
                    path = f"/v2/notification/channels/channel-{number}"
                    application.call("PUT", path, {"type": "websocket"})
                    receivers.follow(f"ws://127.0.0.1:{port}{path}/connect", application.headers)
            else:
                application.call("PUT", "/v2/notification/callback", {"url": receivers.listen()})
            devices = registered(secure, Observed, DEVICES)
            for device in devices:
                application.subscribe(device, RESOURCE)
            crowd, arrived, each = (
                Crowd(devices, Observed.send_notification, Code.EMPTY),
                receivers.delivered,
                max(1, channels),
            )

            def load(seconds: float) -> int:
                before = arrived.count
                done = crowd.load(seconds)
                arrived.wait(before + done * each)
                return done

            cpu = microseconds({"ours": (pid, load)}, options)["ours"]
            before = arrived.count
            arrived.latencies.clear()
            arrived.wait(before + each * len(crowd.pace(pace, PACED)))
            latencies = sorted(arrived.latencies)
            receivers.close()
    return _Measured(cpu, median(crowd.rates), p99(latencies))
