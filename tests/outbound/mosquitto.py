"""Eclipse mosquitto: a broker of its own for a test, and what its subscriber is sent."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.outbound.receivers import PATIENCE
from tests.servers import Program, free_port


class Mosquitto:
    """A broker on loopback. It may be stopped and started again, on the same port."""

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",), host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        config = folder / f"mosquitto-{self.port}.conf"
        # As whoever runs the tests: only root may be another, and the other cannot read what the test has written.
        config.write_text("\n".join([f"listener {self.port} {host}", "user root", "log_dest stderr", *lines, ""]))
        self._program = Program(("mosquitto", "-c", str(config)), " running")

    def start(self) -> None:
        self._program.start()

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        self._program.stop(how)


@contextmanager
def mosquitto(folder: Path, *lines: str, host: str = "127.0.0.1") -> Iterator[Mosquitto]:
    """A running broker with these lines in its configuration; without any, everybody may do everything."""
    broker = Mosquitto(folder, lines or ("allow_anonymous true",), host)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Subscriber:
    """What ``mosquitto_sub`` prints."""

    def __init__(self, output: asyncio.StreamReader) -> None:
        self._output = output
        self._early: deque[str] = deque()

    async def next(self) -> dict[str, Any]:
        """The next message: its topic, payload, QoS, and whether it is retained."""
        line = self._early.popleft() if self._early else await self._line()
        while not line.startswith("{"):
            line = await self._line()
        found: dict[str, Any] = json.loads(line)
        return found

    async def subscribed(self) -> None:
        while not (line := await self._line()).startswith("Subscribed"):
            if line.startswith("{"):  # what waited for a session comes before
                self._early.append(line)

    async def _line(self) -> str:
        async with asyncio.timeout(PATIENCE):
            line = await self._output.readline()
        assert line, "mosquitto_sub has ended"
        return line.decode()


@asynccontextmanager
async def subscribed(broker: Mosquitto, *options: str, topic: str = "#") -> AsyncIterator[Subscriber]:
    """A subscriber that the broker knows."""
    command = (
        "stdbuf",
        "-oL",
        "mosquitto_sub",
        "-d",
        "-h",
        broker.host,
        "-p",
        str(broker.port),
        "-V",
        "5",
        "-q",
        "1",
        "-t",
        topic,
    )
    process = await asyncio.create_subprocess_exec(
        *command, "-F", "%j", *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    subscriber = Subscriber(process.stdout)
    try:
        await subscriber.subscribed()
        yield subscriber
    finally:
        process.terminate()
        await process.wait()


def server_lines(certificate: Path, key: Path) -> tuple[str, ...]:
    """Lines of the configuration that have the listener speak TLS."""
    return (f"certfile {certificate}", f"keyfile {key}")
