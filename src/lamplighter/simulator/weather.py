"""The network between a device and its server on a bad day: datagrams lost, late, twice, each way, drawn from a seed."""

from __future__ import annotations

import heapq
from collections.abc import Hashable

from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.simulator.behaviour import NETWORK, Behaviour, Behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.events import Event

LATENESS = (0.05, 2.0)
"""Seconds by which a datagram is late, drawn between these: others overtake it meanwhile."""


class Weather:
    """One direction. ``pass_on`` takes a datagram, and says what arrives now; what is late comes out of ``take_due``."""

    def __init__(self, behaviours: Behaviours, seed: str) -> None:
        self._loss = behaviours.get(Behaviour.LOSS, 0.0)
        self._reorder = behaviours.get(Behaviour.REORDER, 0.0)
        self._duplicate = behaviours.get(Behaviour.DUPLICATE, 0.0)
        self._random = Draws(seed)
        self._lateness = Draws(f"{seed}/late")
        self._late: list[tuple[float, int, bytes]] = []
        self._count = 0
        self.lost = 0

    @staticmethod
    def is_fair(behaviours: Behaviours) -> bool:
        """Whether nothing happens to any datagram."""
        return not behaviours.keys() & NETWORK

    def pass_on(self, data: bytes, now: float) -> list[bytes]:
        # Three draws for every datagram, whatever they decide: one behaviour does not change when the others strike.
        draws = [self._random.random() for _ in range(3)]
        if draws[0] < self._loss:
            self.lost += 1
            return []
        copies = 2 if draws[1] < self._duplicate else 1
        if draws[2] < self._reorder:
            self._delay(data, now)
            copies -= 1
        return [data] * copies

    def next_due(self) -> float | None:
        return self._late[0][0] if self._late else None

    def take_due(self, now: float) -> list[bytes]:
        found = []
        while self._late and self._late[0][0] <= now:
            found.append(heapq.heappop(self._late)[2])
        return found

    def clear(self) -> None:
        """What is under way does not arrive any more."""
        self._late.clear()

    def _delay(self, data: bytes, now: float) -> None:
        self._count += 1
        heapq.heappush(self._late, (now + self._lateness.uniform(*LATENESS), self._count, data))


class WeatheredClient(DtlsClient):
    """A DTLS client in that weather: it strikes the datagrams of the socket, as between two machines."""

    def __init__(self, config: ClientConfig, behaviours: Behaviours, seed: str) -> None:
        super().__init__(config)
        self._out = Weather(behaviours, f"{seed}/out")
        self._in = Weather(behaviours, f"{seed}/in")

    def receive_datagram(self, data: bytes, address: Hashable, now: float) -> None:
        for each in self._in.pass_on(data, now):
            super().receive_datagram(each, address, now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Hashable]]:
        sent = [data for datagram, _ in super().datagrams_to_send(now) for data in self._out.pass_on(datagram, now)]
        return [(data, self.address) for data in (*sent, *self._out.take_due(now))]

    def handle_timer(self, now: float) -> None:
        for data in self._in.take_due(now):
            super().receive_datagram(data, self.address, now)
        super().handle_timer(now)

    def get_timer(self) -> float | None:
        times = (super().get_timer(), self._out.next_due(), self._in.next_due())
        return min((when for when in times if when is not None), default=None)


class WeatheredCore:
    """The same round a device without security."""

    def __init__(self, device: Device, behaviours: Behaviours, seed: str) -> None:
        self._device = device
        self._out = Weather(behaviours, f"{seed}/out")
        self._in = Weather(behaviours, f"{seed}/in")

    def receive_datagram(self, data: bytes, peer: object, now: float) -> None:
        for each in self._in.pass_on(data, now):
            self._device.receive_datagram(each, peer, now)

    def handle_timer(self, now: float) -> None:
        for data in self._in.take_due(now):
            self._device.receive_datagram(data, None, now)
        self._device.handle_timer(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, object]]:
        sent = [data for each, _ in self._device.datagrams_to_send(now) for data in self._out.pass_on(each, now)]
        return [(data, None) for data in (*sent, *self._out.take_due(now))]

    def get_timer(self) -> float | None:
        times = (self._device.get_timer(), self._out.next_due(), self._in.next_due())
        return min((when for when in times if when is not None), default=None)

    def next_event(self) -> Event | None:
        return self._device.next_event()
