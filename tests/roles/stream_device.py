"""The device of ``lwm2m_device`` over TLS and TCP."""

from __future__ import annotations

import asyncio
from random import Random

from lamplighter.coap.framing import Framing
from lamplighter.coap.message import Message
from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.transport.tcp_client import TcpClientTransport
from lamplighter.transport.tls_client import TlsClientTransport
from tests.roles.lwm2m_device import PATIENCE, Device


class StreamDevice(Device):
    """``mute``: it does not answer requests any more."""

    def __init__(self, changed: asyncio.Event, framing: Framing) -> None:
        super().__init__(changed)
        self.endpoint = StreamEndpoint(Random(7))
        self.framing = framing
        self.mute = False
        self.reasons: asyncio.Queue[str] = asyncio.Queue()
        """Why its connections ended."""

    async def connect_tls(self, config: ClientConfig, port: int) -> None:
        """Raises ConnectionRefused."""
        if self.transport is None:
            self.transport = TlsClientTransport(
                config, self.endpoint, self._on_event, framing=self.framing, on_close=self.reasons.put_nowait
            )
        await self._connect(port)

    async def connect_tcp(self, port: int) -> None:
        self.transport = TcpClientTransport(
            self.endpoint, self._on_event, framing=self.framing, on_close=self.reasons.put_nowait
        )
        await self._connect(port)

    async def _connect(self, port: int) -> None:
        async with asyncio.timeout(PATIENCE):
            self._peer = await self.transport.connect("127.0.0.1", port)

    def _on_event(self, event: object) -> None:
        message = getattr(event, "message", None)
        if self.mute and isinstance(message, Message) and message.code < 32:
            self.requests.append(message)
            self.changed.set()
        else:
            super()._on_event(event)
