"""A gateway between a client and a server on loopback that loses datagrams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, NamedTuple


class Lost(NamedTuple):
    """The number of a datagram, from 0, and who sent it."""

    client: bool
    number: int


class _Side(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, client: bool) -> None:
        self.relay = relay
        self.client = client

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.relay.carry(self.client, data, address)


class Relay:
    """For one client. ``loses`` says which datagrams never arrive; ``lost`` are those that came and did not."""

    def __init__(self, loses: Collection[Lost]) -> None:
        self.loses = loses
        self.lost: list[Lost] = []
        self.near: Any = None
        self.far: Any = None
        self._client: Any = None
        self._counts = {True: 0, False: 0}

    @property
    def port(self) -> int:
        port: int = self.near.get_extra_info("sockname")[1]
        return port

    def carry(self, client: bool, data: bytes, address: Any) -> None:
        datagram = Lost(client, self._counts[client])
        self._counts[client] += 1
        if client:
            self._client = address
        if datagram in self.loses:
            self.lost.append(datagram)
        elif client:
            self.far.sendto(data)
        else:
            self.near.sendto(data, self._client)


@asynccontextmanager
async def relay_to(port: int, *loses: Lost) -> AsyncIterator[Relay]:
    """A relay to that port."""
    loop = asyncio.get_running_loop()
    relay = Relay(loses)
    relay.near, _ = await loop.create_datagram_endpoint(lambda: _Side(relay, True), local_addr=("127.0.0.1", 0))
    relay.far, _ = await loop.create_datagram_endpoint(lambda: _Side(relay, False), remote_addr=("127.0.0.1", port))
    try:
        yield relay
    finally:
        relay.near.close()
        relay.far.close()
