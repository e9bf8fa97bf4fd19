"""What a device asks of its server beside its registration: images, certificates, and whether it is still there."""

from __future__ import annotations

from collections.abc import Callable

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.exchange import Delivery, Exchange
from lamplighter.coap.message import Message
from lamplighter.simulator.bootstrapping import Bootstrapping
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.fetching import Ended, Fetch
from lamplighter.simulator.image import Image
from lamplighter.simulator.keepalive import Keepalive
from lamplighter.simulator.renewal import Renewal


class Errands:
    """Each is made when it is first needed: most devices of a large fleet have none.

    ``renews``: the account of a client that lets its certificates be renewed. ``keepalive``: seconds between pings; 0: none.
    """

    __slots__ = ("_bootstrapping", "_endpoint", "_fetch", "_keepalive", "_renewal", "_server")

    def __init__(self, endpoint: Endpoint, server: str, *, renews: Bootstrapping | None, keepalive: float) -> None:
        self._endpoint = endpoint
        self._server = server
        self._bootstrapping = renews
        self._keepalive = Keepalive(endpoint, server, keepalive) if keepalive else None
        self._renewal: Renewal | None = None
        self._fetch: Fetch | None = None

    # Time

    def due(self) -> float | None:
        times = [each.due for each in (self._keepalive, self._fetch) if each is not None]
        return min((when for when in times if when is not None), default=None)

    def advance(self, now: float) -> None:
        if self._fetch is not None:
            self._fetch.advance(now)
        if self._keepalive is not None:
            self._keepalive.advance(now)

    def begin(self, now: float) -> None:
        """The device is registered."""
        if self._keepalive is not None:
            self._keepalive.begin(now)

    def stop(self) -> None:
        """It is not registered any more."""
        for each in (self._keepalive, self._fetch, self._renewal):
            if each is not None:
                each.stop()

    # What is asked for

    def fetch(self, image: Image, ended: Ended, seed: str, block_size: int, now: float) -> None:
        """Let the server get an image, or the rest of it."""
        if self._fetch is None:
            random = Draws(f"{seed}/fetch")
            self._fetch = Fetch(self._endpoint, self._server, random, ended, proxied=True, block_size=block_size)
        self._fetch.begin(image, now)

    def renew(self, request: RequestReceived, now: float) -> bool:
        """Whether the server asked for a renewal: it is answered when that is done."""
        if self._bootstrapping is None or not Renewal.concerns(request.message):
            return False
        if self._renewal is None:
            self._renewal = Renewal(self._endpoint, self._server, self._bootstrapping)
        self._renewal.begin(request, now)
        return True

    # What the endpoint says: whether it was for one of these

    def take_response(self, exchange: Exchange, message: Message, now: float) -> bool:
        return self._any(lambda each: each.take_response(exchange, message, now))

    def take_silence(self, exchange: Exchange, now: float) -> bool:
        return self._any(lambda each: each.take_silence(exchange, now))

    def settle(self, delivery: Delivery) -> bool:
        return self._keepalive is not None and self._keepalive.settle(delivery)

    def _any(self, takes: Callable[[Fetch | Renewal], bool]) -> bool:
        return any(takes(each) for each in (self._fetch, self._renewal) if each is not None)
