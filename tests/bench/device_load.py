"""Load from many devices at once, each with one request under way: as fast as they are answered, or at a fixed pace."""

from __future__ import annotations

import itertools
import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tests.bench.device import PATIENCE, Device, Refused

TOGETHER = 128
"""Devices that wait for an answer at once. Their datagrams fit the socket buffers that a kernel grants unasked."""
REPEAT = 2.0
"""Seconds after which a device repeats what was not answered (ACK_TIMEOUT, RFC 7252 section 4.8)."""

AnyDevice = TypeVar("AnyDevice", bound=Device)


class Crowd(Generic[AnyDevice]):
    """Devices that ask in turn, so that none does it too often.

    :param ask: sends one request of that device
    :param good: the code of a good answer
    """

    def __init__(self, devices: Sequence[AnyDevice], ask: Callable[[AnyDevice], None], good: int) -> None:
        self.rates: list[float] = []
        """Answers a second of each turn."""
        self._ask = ask
        self._good = good
        self._idle = deque(devices)
        self._known = {device.socket.fileno(): device for device in devices}
        self._sent: dict[AnyDevice, float] = {}
        self._latencies: list[float] = []
        self._again = 0.0
        self._poll = select.epoll()
        for number in self._known:
            self._poll.register(number, select.EPOLLIN)

    def load(self, seconds: float) -> int:
        """As fast as the server answers; how many answers came, the last ones included."""
        began = time.monotonic()
        done = 0
        while time.monotonic() - began < seconds:
            while len(self._sent) < TOGETHER:
                self._start(time.monotonic())
            done += self._take(1.0)
        took = time.monotonic() - began
        self.rates.append(done / took)
        return done + self._drain()

    def pace(self, rate: float, seconds: float) -> list[float]:
        """So many a second whatever the server does; seconds until each answer, from when it was due to be asked."""
        self._latencies = []
        began = time.monotonic()
        for number in itertools.count():
            due = began + number / rate
            if due > began + seconds:
                break
            while (left := due - time.monotonic()) > 0:
                self._take(min(left, 0.001))
            end = time.monotonic() + PATIENCE
            while not self._idle:  # the server is behind: what waits here counts as its time
                self._take(1.0)
                if time.monotonic() > end:
                    raise Refused(f"nobody was answered in {PATIENCE:g} s")
            self._start(due)
            self._take(0.0)
        self._drain()
        return sorted(self._latencies)

    def _start(self, due: float) -> None:
        device = self._idle.popleft()
        self._sent[device] = due
        self._ask(device)

    def _take(self, patience: float) -> int:
        """Take the answers that have come; how many. What was lost is asked again."""
        count = 0
        ready = self._poll.poll(patience)
        if not ready:
            self._repeat()
        for number, _ in ready:
            device = self._known[number]
            if device.answers(self._good) and device in self._sent:
                self._latencies.append(time.monotonic() - self._sent.pop(device))
                self._idle.append(device)
                count += 1
        return count

    def _repeat(self) -> None:
        now = time.monotonic()
        if now >= self._again:
            self._again = now + REPEAT
            for device, due in self._sent.items():
                if now - due > REPEAT:
                    device.send_again()

    def _drain(self) -> int:
        end = time.monotonic() + PATIENCE
        count = 0
        while self._sent:
            count += self._take(0.2)
            if time.monotonic() > end:
                raise Refused(f"{len(self._sent)} devices had no answer in {PATIENCE:g} s")
        return count


def p99(latencies: Sequence[float]) -> float:
    """Milliseconds that one in a hundred exceeds, of sorted seconds."""
    return latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] * 1000
