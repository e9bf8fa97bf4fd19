"""A device on a stream that keeps records apart: the vendor's client over TLS, one message a record (wire facts section 0.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamplighter.coap.framing import Framing
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import Event


class RecordCore:
    """The face that a stream's transport asks for. The messages are those of UDP, so the device need not know."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def connected(self, peer: Any, now: float, *, records: bool, framing: Framing | None = None) -> None:
        """The device is told by whoever connects, once it may speak."""

    def receive_datagram(self, data: bytes, peer: Any, now: float) -> None:
        self._device.receive_datagram(data, peer, now)

    def handle_timer(self, now: float) -> None:
        self._device.handle_timer(now)

    def datagrams_to_send(self, now: float) -> Sequence[tuple[bytes, Any]]:
        return self._device.datagrams_to_send(now)

    def get_timer(self) -> float | None:
        return self._device.get_timer()

    def next_event(self) -> Event | None:
        return self._device.next_event()

    def framing_of(self, peer: Any) -> Framing | None:
        return Framing.RECORD

    def streams_to_close(self) -> Sequence[tuple[Any, str]]:
        """None: the device keeps its connection until it restarts."""
        return ()
