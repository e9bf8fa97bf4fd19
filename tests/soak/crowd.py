"""Simulated devices that do something all at once when they are told: ``python -m tests.soak.crowd SPEC`` (JSON)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from lamplighter.clock import SystemClock
from lamplighter.lwm2m.path import Path as ObjectPath
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import (
    AddressLost,
    ConnectionLost,
    ConnectRequested,
    Event,
    Registered,
    RegistrationUpdated,
)
from lamplighter.simulator.fleet import Certified, Credential, Fleet
from lamplighter.simulator.member import Member, Server
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.registration import Phase
from tests.bench.device_load import p99
from tests.soak.child import Answer, answer_questions
from tests.soak.provision import certified, keyed

OBSERVED = ("/3311/0/5850", "/3311/0/5851", "/3311/0/5706", "/3311/0/5750", "/1/0/6")
"""Resources that nothing but a soak changes: their notifications can be counted."""
AWAKE = 0.5
"""Seconds that a device in queue mode listens after it has spoken."""
TEXT = "/3200/0/5750"
"""A resource that nobody observes, for long values."""
_TICK = 0.05


class Spec(msgspec.Struct):
    """What devices these are."""

    folder: str
    host: str
    port: int
    source: str
    keys: tuple[int, int]
    """The first one with a pre-shared key, and how many."""
    certificates: tuple[int, int]
    lifetime: int
    rate: float
    """Devices switched on in a second."""
    together: int
    """How many of them may be on their way."""
    sleeping: bool = False
    """In queue mode, and awake only when told to update."""
    nice: int = 0
    """How much others go first: devices are many machines, and here they share the server's."""


class Crowd:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._loop = asyncio.get_running_loop()
        self._counts: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._device_ids: dict[int, str] = {}
        self._on_update: Callable[[Member], None] = lambda member: None
        devices: list[Credential | Certified] = []
        keys = keyed(*spec.keys)
        certificates = list(certified(Path(spec.folder), *spec.certificates))
        while keys or certificates:  # in turn, so that both come to the server all the time
            devices += [pile.pop() for pile in (keys, certificates) if pile]
        self._fleet = Fleet(
            devices,
            spec.host,
            spec.port,
            clock=SystemClock(),
            seed=1,
            profile=Profile.LWM2M_1_0,
            behaviours={Behaviour.SLEEP: 1e9} if spec.sleeping else {},
            awake=AWAKE,
            lifetime=spec.lifetime,
            starts_per_second=spec.rate,
            source=spec.source,
            told=self._told,
            starting_together=spec.together,
        )
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self._fleet.run(self._stop))

    async def handle(self, do: str, more: dict[str, Any]) -> Answer:
        method: Any = getattr(self, f"do_{do}")
        return dict(await method(**more))

    # What can be asked

    async def do_status(self) -> Answer:
        if self._running.done():
            self._running.result()
        summary = self._fleet.summary()
        return {
            "registered": summary.registered,
            "handshakes": self._counts["handshakes"],
            "registrations": self._counts["registrations"],
            "addresses_lost": self._counts["addresses lost"],
            "lost": dict(self._losses.most_common(5)),
            "failures": dict(summary.failures[:5]),
            "cpu": time.process_time(),
        }

    async def do_device_ids(self) -> Answer:
        return {"device_ids": [self._device_ids[id(member)] for member in self._fleet.members]}

    async def do_update(self, together: int, timeout: float) -> Answer:
        """Each sends an Update, so many at a time."""
        members = iter(self._fleet.members)
        sent: dict[Member, float] = {}
        latencies: list[float] = []
        done = asyncio.Event()
        skipped = 0

        def next_one() -> None:
            nonlocal skipped
            for member in members:
                if member.device.phase is Phase.REGISTERED:
                    sent[member] = self._loop.time()
                    member.device.update(self._loop.time())
                    member.flush()
                    return
                skipped += 1
            if not sent:
                done.set()

        def answered(member: Member) -> None:
            if (since := sent.pop(member, None)) is not None:
                latencies.append(self._loop.time() - since)
                self._loop.call_soon(next_one)

        self._on_update = answered
        began = time.monotonic()
        for _ in range(together):
            next_one()
        try:
            await asyncio.wait_for(done.wait(), timeout)
        except TimeoutError:
            skipped += len(sent)
        self._on_update = lambda member: None
        ordered = sorted(latencies) or [0.0]
        return {
            "answered": len(latencies),
            "unanswered": skipped,
            "seconds": time.monotonic() - began,
            "p50": ordered[len(ordered) // 2] * 1000,
            "p99": p99(ordered),
        }

    async def do_change(self, number: int, rate: float) -> Answer:
        """Change every observed resource, of so many devices in a second; how many observations there are."""
        observed = 0
        watched = [member for member in self._fleet.members if len(member.device.observations)]
        async for member in self._paced(watched, rate):
            device = member.device
            observed += len(device.observations)
            light, server = self._instance(device, OBSERVED[0]), self._instance(device, OBSERVED[-1])
            light.put(5850, number % 2 == 1)
            light.put(5851, number % 100)
            light.put(5706, f"#{number:06x}")
            light.put(5750, f"lamp {number}")
            server.put(6, number % 2 == 0)
            device.handle_timer(self._loop.time())
            member.flush()
        return {"observed": observed}

    async def do_arm(self, after: int) -> Answer:
        """Each loses its address when it has received so many datagrams."""
        for member in self._fleet.members:
            _lose_address_after(member.device, after)
        return {}

    async def do_write(self, text: str) -> Answer:
        for member in self._fleet.members:
            self._instance(member.device, TEXT).put(5750, text)
        return {}

    async def do_count(self, text: str) -> Answer:
        """How many have that text."""
        contents = (self._instance(member.device, TEXT).content[5750] for member in self._fleet.members)
        return {"devices": sum(content == text for content in contents)}

    async def do_restart(self, resume: bool) -> Answer:
        """All are switched off and on at this moment, and keep their session or do not."""
        self._losses.clear()
        now = self._loop.time()
        for member in self._fleet.members:
            member.device.restart(now, resume=resume)
            member.flush()
        return {}

    async def do_move(self, port: int) -> Answer:
        """All come to another port of the server, as a load balancer sends them."""
        self._spec.port = port
        server = Server(self._spec.host, port, source=self._spec.source)
        for member in self._fleet.members:
            member.move(server)
        return {}

    # Inside

    def _told(self, member: Member, event: Event) -> None:
        match event:
            case ConnectRequested(resume=False):
                self._counts["handshakes"] += 1
            case Registered(location):
                self._counts["registrations"] += 1
                self._device_ids[id(member)] = location[-1]
            case AddressLost():
                self._counts["addresses lost"] += 1
            case RegistrationUpdated():
                self._on_update(member)
            case ConnectionLost(reason):
                self._losses[reason.partition(" (")[0]] += 1

    async def _paced(self, members: list[Member], rate: float) -> AsyncIterator[Member]:
        together = max(1, int(rate * _TICK))
        due = self._loop.time()
        for number, member in enumerate(members):
            if number % together == together - 1:
                due += together / rate
                await asyncio.sleep(max(0.0, due - self._loop.time()))
            yield member

    @staticmethod
    def _instance(device: Device, path: str) -> Any:
        object_id, instance_id, _ = map(int, path[1:].split("/"))
        (instance,) = device.lamp.tree.instances(ObjectPath(object_id, instance_id))
        return instance


def _lose_address_after(device: Device, datagrams: int) -> None:
    receive, left = device.receive_datagram, datagrams

    def counted(data: bytes, peer: object, now: float) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            device.lose_address()
            device.receive_datagram = receive  # type: ignore[method-assign]
        receive(data, peer, now)

    device.receive_datagram = counted  # type: ignore[method-assign]


async def main(spec: Spec) -> None:
    await answer_questions(Crowd(spec).handle)


def _give_way(nice: int) -> None:
    """Linux may share the cores among sessions first, and looks at this process's own priority only within its session."""
    os.nice(nice)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Spec)
    _give_way(given.nice)
    uvloop.run(main(given))
