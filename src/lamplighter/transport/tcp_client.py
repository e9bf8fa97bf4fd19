"""A simulated device's end of TCP: one connection to one server, a core above."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from lamplighter.coap.framing import Framing

from .core import StreamCore, hand_on
from .stream_session import StreamSession
from .timer import Timer


class ConnectionRefused(ConnectionError):
    """The connection came to nothing; the text says why."""


class TcpClientTransport(asyncio.Protocol):
    """``framing``: how this device cuts its stream into messages; the vendor's client over TLS takes ``Framing.RECORD``.

    ``on_close`` is told the reason when an established connection ends.
    """

    records = False

    def __init__(
        self,
        core: StreamCore,
        on_event: Callable[[Any], None],
        *,
        framing: Framing = Framing.RFC8323,
        on_close: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.core = core
        self.session: StreamSession | None = None
        self._framing = framing
        self._on_event = on_event
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._timer = Timer(self._loop, self._tick)
        self._transport: asyncio.Transport | None = None
        self._established: asyncio.Future[StreamSession] | None = None
        self._reason = "the server closed the connection"

    async def connect(self, host: str, port: int) -> StreamSession:
        """Raises ConnectionRefused, or OSError when nobody listens there."""
        self._established = self._loop.create_future()
        await self._loop.create_connection(lambda: self, host, port)
        return await self._established

    def close(self, reason: str = "closed from this side") -> None:
        """End the connection."""
        self._timer.cancel()
        if self._transport is not None and not self._transport.is_closing():
            self._reason = reason
            self.finish()
            self._transport.close()

    def abort(self) -> None:
        """Let the connection break, as a device does whose power fails."""
        self._timer.cancel()
        if self._transport is not None:
            self._reason = "broken off from this side"
            self._transport.abort()

    def flush(self) -> None:
        """Hand on events, write what the core has, set its timer."""
        if self._transport is None or self._transport.is_closing():
            return
        core = self.core
        while True:
            while (event := core.next_event()) is not None:
                hand_on(self._loop, event, self._on_event)
            written = core.datagrams_to_send(self._loop.time())
            for data, _ in written:
                self.write(data)
            if closing := core.streams_to_close():
                self.close(closing[0][1])
                return
            if not written:
                break
        self._timer.set(core.get_timer())

    # From asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.opened()

    def data_received(self, data: bytes) -> None:
        self.read(data)
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        reason = self._reason if error is None else f"the connection broke: {error}"
        if self._established is not None and not self._established.done():
            self._established.set_exception(ConnectionRefused(reason))
        elif self.session is not None:
            self.session.closed = True
            hand_on(self._loop, reason, self._on_close)

    # What a layer does otherwise

    def opened(self) -> None:
        self.establish()

    def read(self, data: bytes) -> None:
        self.hand_up(data)

    def write(self, data: bytes) -> None:
        self.send(data)

    def finish(self) -> None:
        """Say goodbye, where the protocol has a word for it."""

    # What a layer builds on

    def establish(self) -> None:
        """The connection can be used."""
        assert self._transport is not None and self._established is not None
        self.session = StreamSession(self._transport.get_extra_info("peername"), time.time())
        self.core.connected(self.session, self._loop.time(), records=self.records, framing=self._framing)
        if not self._established.done():
            self._established.set_result(self.session)
        self.flush()

    def refuse(self, reason: str) -> None:
        """The connection cannot be used."""
        assert self._transport is not None
        self._reason = reason
        self._transport.close()

    def hand_up(self, data: bytes) -> None:
        self.core.receive_datagram(data, self.session, self._loop.time())

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _tick(self, when: float) -> None:
        self.core.handle_timer(self._loop.time())
        self.flush()
