"""Plain UDP: a socket round any core with the five calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from .core import DatagramCore, hand_on
from .datagram_socket import DatagramSocket, bind, connect
from .refusal_log import RefusalLog
from .timer import Timer

log = logging.getLogger(__name__)


class UdpTransport:
    """Carries datagrams to a core and back, arms its timer, hands on its events.

    Call ``flush`` after acting on the core from outside (a request, an answer): it sends what that left.
    """

    def __init__(self, core: DatagramCore, on_event: Callable[[Any], None]) -> None:
        self.core = core
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer = Timer(self._loop, self._tick)
        self._refusals = RefusalLog(core, log)
        self._socket: DatagramSocket | None = None

    def open(self, host: str, port: int) -> None:
        """Listen. Raises CannotBind, naming the port."""
        self._socket = DatagramSocket(bind(host, port), self._receive, self.flush, self._loop)

    def connect(self, host: str, port: int) -> None:
        """Talk to one server only, from a port of the system's choice. Raises OSError when there is no such host."""
        self._socket = DatagramSocket(connect(host, port), self._receive, self.flush, self._loop)

    @property
    def socket(self) -> DatagramSocket:
        """The open socket, with its address and counters."""
        assert self._socket is not None, "open or connect first"
        return self._socket

    def close(self) -> None:
        """Close the socket and stop the timer. The core stays as it is."""
        self._timer.cancel()
        if self._socket is not None:
            self._socket.close()

    def flush(self) -> None:
        """Hand on events, send what the core has, set its timer."""
        if self.socket.closed:
            return
        core = self.core
        while True:
            while (event := core.next_event()) is not None:
                hand_on(self._loop, event, self._on_event)
            datagrams = core.datagrams_to_send(self._loop.time())
            if not datagrams:
                break
            for data, peer in datagrams:
                self.socket.send(data, peer)
        self._timer.set(core.get_timer())
        self._refusals.look(self._loop.time())

    def _receive(self, data: bytes, address: Any) -> None:
        self.core.receive_datagram(data, address, self._loop.time())

    def _tick(self, when: float) -> None:
        self.core.handle_timer(self._loop.time())
        self.flush()
