"""A device on a stream: RFC 8323, or the vendor's client over TLS with one message a record (wire facts section 0.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamplighter.coap.framing import Framing
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import Event


class StreamDevice:
    """The face that a stream's transport asks for. The vendor's messages are those of UDP, so its device need not know."""

    def __init__(self, device: Device, framing: Framing) -> None:
        self._device = device
        self._framing = framing

    def connected(self, peer: Any, now: float, *, records: bool, framing: Framing | None = None) -> None:
        """That it may speak, the device is told by whoever connects."""
        self._device.open_stream(now, records=records)

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
        return self._framing

    def streams_to_close(self) -> Sequence[tuple[Any, str]]:
        """Where the server broke the rules, or said that it closes."""
        return self._device.streams_to_close()
