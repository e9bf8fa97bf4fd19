"""Two stream endpoints joined in memory: what one writes the other reads, in pieces or record by record."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from lamplighter.coap.events import Event, NotificationReceived, RequestReceived
from lamplighter.coap.framing import Framing
from lamplighter.coap.message import Message
from lamplighter.coap.tcp import StreamEndpoint

DEVICE = "device"
SERVER = "server"


class StreamPair:
    """A device that opened the connection and chose ``framing``, and a server that has to find out."""

    def __init__(
        self,
        framing: Framing,
        *,
        handler: Callable[[RequestReceived], Message | None] | None = None,
        piece: int = 0,
        server: StreamEndpoint | None = None,
    ) -> None:
        """``piece``: bytes that arrive at once; 0: as written."""
        self.now = 0.0
        self.server = server or StreamEndpoint(Random(1))
        self.device = StreamEndpoint(Random(2))
        self.handler = handler
        self.piece = piece
        self.events: dict[str, list[Event]] = {DEVICE: [], SERVER: []}
        self.written: dict[str, list[bytes]] = {DEVICE: [], SERVER: []}
        self.closed: list[tuple[str, str]] = []
        records = framing is Framing.RECORD
        self.server.connected(DEVICE, 0.0, records=records)
        self.device.connected(SERVER, 0.0, records=records, framing=framing)
        if framing is not Framing.RFC8323:  # the device speaks first, and so shows its framing
            self.device.ping(SERVER, 0.0)
        self.exchange()

    def exchange(self) -> None:
        """Carry bytes both ways until nothing moves."""
        while self._carry(self.device, DEVICE, self.server) | self._carry(self.server, SERVER, self.device):
            pass

    def of(self, name: str, kind: type) -> list[Any]:
        return [event for event in self.events[name] if isinstance(event, kind)]

    def _carry(self, sender: StreamEndpoint, name: str, receiver: StreamEndpoint) -> bool:
        written = sender.datagrams_to_send(self.now)
        for data, _ in written:
            self.written[name].append(data)
            size = self.piece or len(data)
            for start in range(0, len(data), size):
                receiver.receive_datagram(data[start : start + size], name, self.now)
        self.closed += [(name, reason) for _, reason in sender.streams_to_close()]
        self._take_events(self.device, DEVICE)
        self._take_events(self.server, SERVER)
        return bool(written)

    def _take_events(self, endpoint: StreamEndpoint, name: str) -> None:
        while (event := endpoint.next_event()) is not None:
            self.events[name].append(event)
            if isinstance(event, RequestReceived) and self.handler is not None:
                response = self.handler(event)
                if response is not None:
                    endpoint.respond(event, response, self.now)
            elif isinstance(event, NotificationReceived):
                endpoint.accept_notification(event)


def frames(*data: str) -> bytes:
    return b"".join(bytes.fromhex(each) for each in data)


def opened(*, records: bool = False) -> StreamEndpoint:
    """A server's endpoint with a new connection from ``p``."""
    endpoint = StreamEndpoint(Random(1))
    endpoint.connected("p", 0.0, records=records)
    return endpoint


def said(endpoint: StreamEndpoint, now: float = 0.0) -> list[bytes]:
    return [data for data, _ in endpoint.datagrams_to_send(now)]
