"""A simulated device's end of DTLS: one socket, one server, a core above. A thousand of them share a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lamplighter.dtls import CloseReason, DataReceived, Event, HandshakeFailed, SessionClosed, SessionEstablished
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig

from .core import DatagramCore, earliest, hand_on
from .datagram_socket import DatagramSocket, connect
from .timer import Timer


class HandshakeRefused(ConnectionError):
    """The handshake failed; the text says why."""


class DtlsClientTransport:
    """A connected socket with a client engine. The core's peer is the DTLS session."""

    def __init__(
        self,
        config: ClientConfig,
        core: DatagramCore,
        on_event: Callable[[Any], None],
        *,
        on_close: Callable[[CloseReason], None] = lambda reason: None,
        source: str = "",
    ) -> None:
        """``source``: the address of this machine that the socket is bound to; empty: any."""
        self.client = DtlsClient(config)
        self.core = core
        self._on_event = on_event
        self._on_close = on_close
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._timer = Timer(self._loop, self._tick)
        self._socket: DatagramSocket | None = None
        self._established: asyncio.Future[SessionEstablished] | None = None

    async def connect(self, host: str, port: int) -> SessionEstablished:
        """Make a session. Raises HandshakeRefused, or OSError when there is no such host."""
        self.open(host, port)
        self._established = self._loop.create_future()
        self.client.connect(self._loop.time())
        self.flush()
        return await self._established

    def open(self, host: str, port: int) -> None:
        """A socket only: to go on with a session that was imported into ``client``, or after the address changed."""
        if self._socket is not None:
            self._socket.close()
        self._socket = DatagramSocket(connect(host, port, self._source), self._receive, self.flush, self._loop)

    @property
    def socket(self) -> DatagramSocket:
        """The open socket, with its address and counters."""
        assert self._socket is not None, "open or connect first"
        return self._socket

    def close(self) -> None:
        """End the session with close_notify, and close the socket."""
        if self._socket is not None and not self._socket.closed:
            self.client.close(self._loop.time())
            self.flush()
            self._socket.close()
        self._timer.cancel()
        if self._established is not None and not self._established.done():
            self._established.cancel()

    def flush(self) -> None:
        """Hand on events, send what there is, set the timer."""
        if self.socket.closed:
            return
        now = self._loop.time()
        client, core = self.client, self.core
        while True:
            while (below := client.next_event()) is not None:
                self._take(below, now)
            while (event := core.next_event()) is not None:
                hand_on(self._loop, event, self._on_event)
            for data, _ in core.datagrams_to_send(now):
                client.send(data, now)
            datagrams = client.datagrams_to_send(now)
            if not datagrams:
                break
            for datagram, address in datagrams:
                self.socket.send(datagram, address)
        self._timer.set(earliest(client.get_timer(), core.get_timer()))

    def _take(self, event: Event, now: float) -> None:
        waiting = self._established if self._established is not None and not self._established.done() else None
        match event:
            case DataReceived(session, data):
                self.core.receive_datagram(data, session, now)
            case SessionEstablished() if waiting is not None:
                waiting.set_result(event)
            case HandshakeFailed(_, reason, detail) if waiting is not None:
                waiting.set_exception(HandshakeRefused(f"{reason.value}: {detail}"))
            case SessionClosed(_, reason):
                hand_on(self._loop, reason, self._on_close)

    def _receive(self, data: bytes, address: Any) -> None:
        self.client.receive_datagram(data, address, self._loop.time())

    def _tick(self, when: float) -> None:
        now = self._loop.time()
        self.client.handle_timer(now)
        self.core.handle_timer(now)
        self.flush()
