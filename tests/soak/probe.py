"""Established devices that ask at a fixed pace and take the time: ``python -m tests.soak.probe PORT FIRST DEVICES``."""

from __future__ import annotations

import asyncio
import select
import sys
import time
from typing import Any

from lamplighter.coap.numbers import Code
from tests.bench.device import PATIENCE, Device, Refused, SecureDevice
from tests.bench.device_load import Crowd
from tests.bench.lwm2m_server import name_of
from tests.soak.child import Answer, answer_questions

AGAIN = 0.02
"""Seconds between two attempts of the one that waits for a server."""


class Probe:
    def __init__(self, port: int, first: int, many: int) -> None:
        self._devices = [SecureDevice(port, name_of(number)) for number in range(first, first + many)]
        for device in self._devices:
            device.register()
        self._crowd = Crowd(self._devices, Device.send_update, Code.CHANGED)

    async def handle(self, do: str, more: dict[str, Any]) -> Answer:
        method: Any = getattr(self, f"do_{do}")
        return dict(method(**more))

    def do_ready(self) -> Answer:
        """Answered once all are registered."""
        return {}

    def do_pace(self, rate: float, seconds: float) -> Answer:
        """Updates at that rate; the latencies in milliseconds."""
        try:
            return {"latencies": [each * 1000 for each in self._crowd.pace(rate, seconds)]}
        except Refused as error:
            return {"latencies": [], "refused": str(error)}

    def do_first(self) -> Answer:
        """Ask until there is an answer; when that was, on the monotonic clock."""
        device = self._devices[0]
        session = device.client.session
        poll = select.poll()
        poll.register(device.socket, select.POLLIN)
        asked = False
        end = time.monotonic() + 6 * PATIENCE
        while time.monotonic() < end:
            try:
                if asked and poll.poll(AGAIN * 1000) and device.answers(Code.CHANGED):
                    assert session is not None and not session.closed
                    return {"at": time.monotonic()}
                device.send_again() if asked else device.send_update()
                asked = True
            except ConnectionRefusedError:  # nobody listens there at the moment
                time.sleep(AGAIN)
        raise Refused(f"no answer in {6 * PATIENCE:g} s")


async def main(port: int, first: int, many: int) -> None:
    await answer_questions(Probe(port, first, many).handle)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
