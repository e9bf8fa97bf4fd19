"""Whether the server is still there, asked by a ping every so often: RFC 7252 section 4.3, RFC 8323 section 5.4."""

from __future__ import annotations

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Delivery


class Keepalive:
    """``period`` in seconds. The vendor's client over TCP: 540, its gateway 60 (wire facts section 0.1)."""

    __slots__ = ("due", "_delivery", "_endpoint", "_period", "_server")

    def __init__(self, endpoint: Endpoint, server: str, period: float) -> None:
        self.due: float | None = None
        self._endpoint = endpoint
        self._server = server
        self._period = period
        self._delivery: Delivery | None = None

    def begin(self, now: float) -> None:
        """The device is registered."""
        self.due = now + self._period
        self._delivery = None

    def stop(self) -> None:
        """It is not registered any more."""
        self.due = self._delivery = None

    def advance(self, now: float) -> None:
        if self.due is not None and self.due <= now:
            self.due = now + self._period
            if self._delivery is None:
                self._delivery = self._endpoint.ping(self._server, now)

    def settle(self, delivery: Delivery) -> bool:
        """Whether that was the ping: it was answered, or given up."""
        ours = delivery is self._delivery
        if ours:
            self._delivery = None
        return ours
