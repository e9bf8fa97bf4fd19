"""A network on loopback between a client and the service: it loses datagrams, or gives the client a new port, as a NAT does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

Judge = Callable[[bytes], bool]


def never(datagram: bytes) -> bool:
    return False


class These:
    """True for these datagrams of a handshake, counted from 1. Never for application data: who only echoes says nothing again."""

    APPLICATION_DATA = 23

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers
        self._seen = 0

    def __call__(self, datagram: bytes) -> bool:
        self._seen += datagram[0] != self.APPLICATION_DATA
        return datagram[0] != self.APPLICATION_DATA and self._seen in self._numbers


class _Side(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Any], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received(data, addr)


class Relay:
    """Of one client. What it carried, and the ports that the service saw."""

    def __init__(self, service: int, lose_up: Judge, lose_down: Judge, rebind: Judge) -> None:
        self._service = ("127.0.0.1", service)
        self._lose_up, self._lose_down, self._rebind = lose_up, lose_down, rebind
        self._client: Any = None
        self._inner: asyncio.DatagramTransport
        self._outer: list[asyncio.DatagramTransport] = []
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.lost = 0

    @property
    def port(self) -> int:
        """Where the client is to go."""
        port: int = self._inner.get_extra_info("sockname")[1]
        return port

    @property
    def ports(self) -> int:
        """How many ports the client had in the eyes of the service."""
        return len(self._outer)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._inner, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_client), local_addr=("127.0.0.1", 0)
        )
        await self._new_port()

    async def carry(self) -> None:
        while True:
            datagram = await self._queue.get()
            if self._rebind(datagram):
                await self._new_port()
            self._outer[-1].sendto(datagram)

    def close(self) -> None:
        for transport in (self._inner, *self._outer):
            transport.close()

    async def _new_port(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_service), remote_addr=self._service)
        self._outer.append(transport)

    def _from_client(self, datagram: bytes, address: Any) -> None:
        self._client = address
        self.up.append(datagram)
        if self._lose_up(datagram):
            self.lost += 1
        else:
            self._queue.put_nowait(datagram)

    def _from_service(self, datagram: bytes, address: Any) -> None:
        self.down.append(datagram)
        if self._lose_down(datagram):
            self.lost += 1
        else:
            self._inner.sendto(datagram, self._client)


@asynccontextmanager
async def relaying(
    service: int, *, lose_up: Judge = never, lose_down: Judge = never, rebind: Judge = never
) -> AsyncIterator[Relay]:
    """To the service at that port.

    :param rebind: true before a datagram that is to come from a new port
    """
    relay = Relay(service, lose_up, lose_down, rebind)
    await relay.open()
    carrying = asyncio.create_task(relay.carry())
    try:
        yield relay
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        relay.close()
