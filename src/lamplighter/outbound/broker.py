"""Message brokers that records are delivered to: what they have in common, and the connections to them.

A connection is kept for a while after a delivery, because the next one is likely to come soon. Nothing is buffered: a
delivery ends when the broker has acknowledged all of it, or has failed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from lamplighter.outbound.certificate import show
from lamplighter.outbound.client import IDLE_CONNECTIONS, IDLE_SECONDS, OutboundClient
from lamplighter.outbound.failure import OutboundFailed, tls_reason
from lamplighter.outbound.network import GuardedNetwork

R = TypeVar("R", contravariant=True)


@dataclass(frozen=True)
class Tls:
    """How a broker's connection is secured, in PEM; where it says nothing, as all outbound requests are."""

    ca: str = ""
    """The authorities trusted for this broker, instead of the system's."""
    certificate: str = ""
    """The certificate shown to it, with its chain."""
    private_key: str = field(default="", repr=False)

    def context(self) -> ssl.SSLContext:
        """Raises ValueError for what is no certificate, or not the key of it."""
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
            if self.certificate:
                show(context, self.certificate, self.private_key)
        except ssl.SSLError as error:
            raise ValueError(tls_reason(error)) from error
        return context


@dataclass(frozen=True)
class Login:
    """User and password."""

    user: str
    password: str = field(repr=False)


class Link(Protocol[R]):
    """An open connection to a broker."""

    @property
    def alive(self) -> bool:
        """Whether it can be used again, as far as is known."""

    async def send(self, records: Sequence[R]) -> None:
        """Deliver the records in their order; all are acknowledged when it returns. Raises OutboundFailed."""

    async def close(self) -> None: ...


class BrokerAddress(Protocol[R]):
    """Where a broker is, and how it is spoken to. Two that are equal share a connection."""

    @property
    def host(self) -> str: ...

    @property
    def tls(self) -> Tls | None: ...

    async def open(self, network: GuardedNetwork, tls: ssl.SSLContext | None, timeout: float) -> Link[R]:
        """Connect. Raises OutboundFailed."""

    def __hash__(self) -> int: ...


class Delivery(Generic[R]):
    """A place among the open requests: deliver while you have it, within the time of one request."""

    def __init__(self, brokers: Brokers, address: BrokerAddress[R]) -> None:
        self._brokers = brokers
        self._address = address
        self._until: float | None = None

    async def send(self, records: Sequence[R]) -> None:
        """Deliver the records in their order, after those before. Raises OutboundFailed."""
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._brokers.timeout
        await self._brokers.deliver(self._address, records, self._until)


class Brokers:
    """Delivers to brokers, within the bounds of all outbound requests. ``close`` it."""

    def __init__(self, client: OutboundClient) -> None:
        self.timeout = client.timeout
        self._client = client
        self._kept: OrderedDict[BrokerAddress[Any], tuple[Link[Any], asyncio.TimerHandle]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close what is kept for later."""
        while self._kept:
            self._drop(next(iter(self._kept)))
        if self._closing:
            await asyncio.wait(self._closing)

    @asynccontextmanager
    async def reserve(self, address: BrokerAddress[R], *, suspect: bool = False) -> AsyncIterator[Delivery[R]]:
        """Wait for a place among the open requests.

        :param suspect: as OutboundClient.place has it
        """
        async with self._client.place(address.host, suspect=suspect):
            yield Delivery(self, address)

    async def check(self, address: BrokerAddress[Any]) -> None:
        """Find out whether the broker would take records. Raises OutboundFailed."""
        async with self._client.place(address.host):
            async with self._until(asyncio.get_running_loop().time() + self.timeout):
                self._end(await self._opened(address))

    def forget(self, address: BrokerAddress[Any]) -> None:
        """Keep no connection there."""
        if address in self._kept:
            self._drop(address)

    async def deliver(self, address: BrokerAddress[R], records: Sequence[R], until: float) -> None:
        """Deliver before that time of the loop. Raises OutboundFailed."""
        async with self._until(until):
            await self._deliver(address, records)

    @asynccontextmanager
    async def _until(self, until: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(until):
                yield
        except TimeoutError:
            raise OutboundFailed("timeout", f"not acknowledged within {self.timeout:g} seconds") from None

    async def _deliver(self, address: BrokerAddress[R], records: Sequence[R]) -> None:
        link: Link[R] = self._taken(address) or await self._opened(address)
        try:
            await link.send(records)
        except BaseException:
            # What is under way is not known any more: the next delivery begins anew.
            self._end(link)
            raise
        self._keep(address, link)

    async def _opened(self, address: BrokerAddress[R]) -> Link[R]:
        return await address.open(self._client.network, await self._context(address.tls), self.timeout)

    async def _context(self, tls: Tls | None) -> ssl.SSLContext | None:
        if tls is None or tls == Tls():
            return None if tls is None else self._client.tls
        try:
            # In a thread, because reading the system's authorities takes a while.
            return await asyncio.to_thread(tls.context)
        except ValueError as error:
            raise OutboundFailed("tls", f"its certificates cannot be used: {error}") from error

    def _taken(self, address: BrokerAddress[R]) -> Link[R] | None:
        if address not in self._kept:
            return None
        link, timer = self._kept.pop(address)
        timer.cancel()
        if link.alive:
            return link
        self._end(link)
        return None

    def _keep(self, address: BrokerAddress[R], link: Link[R]) -> None:
        if address in self._kept:
            self._drop(address)
        timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop, address)
        self._kept[address] = link, timer
        while len(self._kept) > IDLE_CONNECTIONS:
            self._drop(next(iter(self._kept)))

    def _drop(self, address: BrokerAddress[Any]) -> None:
        link, timer = self._kept.pop(address)
        timer.cancel()
        self._end(link)

    def _end(self, link: Link[Any]) -> None:
        task = asyncio.create_task(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
