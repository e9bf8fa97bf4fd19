"""Commands that wait for sleeping devices: each device wakes, sends an Update, and does what waits for it, one after another.

One process of ``serve``, on SQLite, synced. It is started anew once the devices are registered, so that all of them sleep. A
command is done once its response has arrived at the application's WebSocket. There is no peer to measure beside.
"""

from __future__ import annotations

import json
import select
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from websockets.sync.client import connect

from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Type
from lamplighter.lwm2m.registration import Registration
from tests.bench.application import Delivered
from tests.bench.device import LIFETIME, LINKS, VERSION, Refused, SecureDevice
from tests.bench.device_load import TOGETHER
from tests.bench.measure import Options, Row, child, cpu_seconds
from tests.bench.registration import registered
from tests.soak.api import Api

COMMANDS = 100_000
EACH = 20
"""What waits for one device: as many as its queue takes."""
DIMMER = "/3311/0/5851"
PATIENCE = 600.0
"""Seconds for all of it."""


class Sleeper(SecureDevice):
    """A device in queue mode that answers what it is asked."""

    answered = 0

    @property
    def registration(self) -> Registration:
        return Registration(
            endpoint_name=self.name, lifetime=LIFETIME, version=VERSION, links=LINKS, binding="U", queue_mode=True
        )

    def move(self, port: int) -> None:
        self.socket.connect(("127.0.0.1", port))

    def take(self) -> None:
        """Do what was asked."""
        for data in self.receive():
            message = decode(data)
            if message.code == Code.PUT:
                answer = Message(Code.CHANGED, token=message.token, mid=message.mid, type=Type.ACK)
                self.send(answer.encode())
                self.answered += 1
            elif message.code not in (Code.EMPTY, Code.CHANGED):
                raise Refused(f"{self.name} was sent {message}")


def measure(options: Options) -> list[Row]:
    commands = options.devices or COMMANDS
    many = commands // EACH
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        server = ("tests.bench.lwm2m_server", name, "all")
        with child(*server, str(many), errors=folder / "log") as (_, (said,)):
            devices = registered(json.loads(said)[0], Sleeper, many)
        with child(*server, "0", errors=folder / "log") as (pid, (said,)):
            secure, _, port, key = json.loads(said)
            for device in devices:
                device.move(secure)
            api, responses = Api(port, key), _Responses(port, key)
            began = time.monotonic()
            answered = api.call_all(_asked(device, number) for number in range(EACH) for device in devices)
            if answered[202] != many * EACH:
                raise Refused(f"the commands were answered {dict(answered)}")
            taken = time.monotonic() - began
            cpu, began = cpu_seconds(pid), time.monotonic()
            _wake(devices)
            responses.delivered.wait(many * EACH, PATIENCE)
            cpu, took = cpu_seconds(pid) - cpu, time.monotonic() - began
            responses.close()
            api.close()
    done = many * EACH
    return [
        Row(what=f"queued command, of {done:,}: sent to a waking device, answered, told", ours=cpu / done * 1e6),
        Row(what="commands a second, as seen by the application", ours=done / took, unit="/s"),
        Row(what="commands taken a second, by the API", ours=done / taken, unit="/s"),
    ]


def _asked(device: Sleeper, number: int) -> tuple[str, str, Any]:
    path = f"/v2/device-requests/{device.location[-1]}?async-id={device.name}-{number}"
    body = {"method": "PUT", "uri": DIMMER, "content-type": "text/plain", "payload-b64": "NTA="}
    return "POST", path, body  # a read could be answered by the value of the one before it


def _wake(devices: Sequence[Sleeper]) -> None:
    """So many at once; the next one when one has nothing left to do."""
    asleep, awake = deque(devices), dict[int, Sleeper]()
    poll, end = select.epoll(), time.monotonic() + PATIENCE
    while asleep or awake:
        while asleep and len(awake) < TOGETHER:
            device = asleep.popleft()
            awake[device.socket.fileno()] = device
            poll.register(device.socket, select.EPOLLIN)
            device.send_update()
        for number, _ in poll.poll(1.0):
            device = awake[number]
            device.take()
            if device.answered == EACH:
                poll.unregister(number)
                del awake[number]
        if time.monotonic() > end:
            raise Refused(f"{len(awake)} devices still wait to be asked")
    poll.close()


class _Responses:
    """Counts the responses that arrive at the application's WebSocket."""

    def __init__(self, port: int, key: str) -> None:
        self.delivered = Delivered()
        headers = {"Authorization": f"Bearer {key}"}
        Api(port, key).call("PUT", "/v2/notification/websocket", {})
        url = f"ws://127.0.0.1:{port}/v2/notification/websocket-connect"
        self._socket = connect(url, additional_headers=headers, max_size=None, compression=None, ping_interval=None)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()
        self._thread.join()

    def _follow(self) -> None:
        read = msgspec.json.Decoder(dict[str, list[Any]]).decode
        for text in self._socket:
            self.delivered.add(len(read(text).get("async-responses", ())))
