"""A publisher on one connection to an MQTT broker: paho's client on a transport of ours.

paho opens its own sockets, and blocks while it does. Here it is given what it takes for a socket and is a connection that
was judged and made on the event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from lamplighter.outbound.client import IDLE_SECONDS
from lamplighter.outbound.failure import Kind, OutboundFailed
from lamplighter.outbound.mqtt import IN_FLIGHT, MqttAddress, MqttMessage
from lamplighter.outbound.network import GuardedNetwork

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

LARGEST_ANSWER = 64 * 1024
"""Bytes that a broker may send until it acknowledges something."""
CONNACK = 0x20
"""How the first answer begins (MQTT 5 section 3.2)."""
HEADROOM = 64
"""Bytes of a packet beside topic, payload and user properties, at most."""


class MqttClient:
    """Publishes messages. ``start`` it and ``close`` it."""

    def __init__(self, address: MqttAddress) -> None:
        self._address = address
        self._pipe = _Pipe(self._readable)
        self._client = _Paho(address, self._pipe)
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_register_write = self._writable
        self._waiting: set[int] = set()
        self._failed: OutboundFailed | None = None
        self._news = asyncio.Event()
        self._together = IN_FLIGHT
        self._largest: int | None = None

    @property
    def alive(self) -> bool:
        return self._failed is None and not self._pipe.closed

    async def start(self, network: GuardedNetwork, tls: ssl.SSLContext | None, timeout: float) -> None:
        """Connect, and be accepted. Raises OutboundFailed."""
        address = self._address
        await network.create_connection(lambda: self._pipe, address.host, address.port, tls)
        # Nothing is ever silent for longer than this, so no ping is needed.
        keepalive = round(2 * (timeout + IDLE_SECONDS))
        if address.version == "5":
            self._client.connect_async(address.host, address.port, keepalive, clean_start=True)
        else:
            self._client.connect_async(address.host, address.port, keepalive)
        self._client.reconnect()
        while not self._client.is_connected():
            await self._heard()

    async def send(self, messages: Sequence[MqttMessage]) -> None:
        """Publish the messages in their order. Raises OutboundFailed."""
        for message in messages:
            if self._largest is not None and _size(message) > self._largest:
                raise OutboundFailed("refused", f"a message is larger than the {self._largest} bytes that it takes")
        for message in messages:
            while len(self._waiting) >= self._together:
                await self._heard()
            sent = self._client.publish(message.topic, message.payload, qos=1, properties=self._properties(message))
            self._waiting.add(sent.mid)
        while self._waiting:
            await self._heard()

    async def _heard(self) -> None:
        """Wait for the next word of the broker. Raises OutboundFailed, also where the connection has ended already."""
        if self._failed is None:
            self._news.clear()
            await self._news.wait()
        if self._failed is not None:
            raise self._failed

    async def close(self) -> None:
        if self._client.is_connected():
            self._client.disconnect()
        self._pipe.close()

    def _properties(self, message: MqttMessage) -> Properties | None:
        if self._address.version != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1  # UTF-8 (MQTT 5 section 3.3.2.3.2)
        properties.ContentType = "application/json"
        properties.UserProperty = list(message.properties)
        return properties

    # What paho says

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._fail("refused", f"it refused the connection: {_said(reason)}")
            return
        if properties is not None:
            self._largest = getattr(properties, "MaximumPacketSize", None)
            self._together = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        self._acknowledged()

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._waiting.discard(mid)
        if reason.is_failure:
            self._fail("refused", f"it refused a message: {_said(reason)}")
        else:
            self._acknowledged()

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._fail("refused", f"it ended the connection: {_said(reason)}")
        elif self._pipe.faulty or reason == "Protocol error":
            self._fail("protocol", "the answer is not MQTT's, or sends what nobody asked for")
        else:
            self._fail("connection", "the connection was closed before the acknowledgement")

    def _acknowledged(self) -> None:
        self._pipe.allowance = LARGEST_ANSWER
        self._news.set()

    def _fail(self, kind: Kind, reason: str) -> None:
        self._failed = self._failed or OutboundFailed(kind, reason)
        self._news.set()

    # What the transport says

    def _readable(self) -> None:
        """Have paho read what has come."""
        try:
            while self._client.socket() is not None and (self._pipe.pending() or self._pipe.closed):
                self._client.loop_read()
        except Exception:  # a packet that it cannot read
            self._fail("protocol", "the answer is not MQTT's")
            self._pipe.close()

    def _writable(self, client: Client, userdata: Any, socket: Any) -> None:
        """Have paho write what it has: not from inside it."""
        asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        if self._client.socket() is not None:
            self._client.loop_write()


class _Paho(Client):
    """paho's client, which is given its socket."""

    def __init__(self, address: MqttAddress, pipe: _Pipe) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=address.client_id,
            clean_session=True if address.version == "3.1.1" else None,
            protocol=MQTTv5 if address.version == "5" else MQTTv311,
            reconnect_on_failure=False,
        )
        self._pipe = pipe
        if address.login is not None:
            self.username_pw_set(address.login.user, address.login.password)

    def _create_socket(self) -> SocketLike:
        return self._pipe


class _Pipe(asyncio.Protocol):
    """A connection on the event loop, towards paho a socket that does not block.

    :param changed: called when there is something to read, or the end of it
    """

    def __init__(self, changed: Any) -> None:
        self._changed = changed
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self.closed = False
        self.faulty = False
        self._heard = False
        self.allowance = LARGEST_ANSWER

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.allowance -= len(data)
        if self.allowance < 0 or (not self._heard and data[0] != CONNACK):
            self.faulty = True
            self.close()
            self._received.clear()
        else:
            self._received += data
        self._heard = True
        self._changed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._changed()

    # paho's side

    def recv(self, buffer_size: int) -> bytes:
        if not self._received:
            if self.closed:
                return b""
            raise BlockingIOError
        taken = bytes(self._received[:buffer_size])
        del self._received[:buffer_size]
        return taken

    def send(self, buffer: bytes | bytearray) -> int:
        if self.closed or self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(bytes(buffer))
        return len(buffer)

    def pending(self) -> int:
        return len(self._received)

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def fileno(self) -> int:
        return -1

    def setblocking(self, flag: bool) -> None:
        """It never does."""


def _said(reason: ReasonCode) -> str:
    return str(reason).lower()


def _size(message: MqttMessage) -> int:
    """Bytes of the packet, or a few more."""
    properties = sum(len(name.encode()) + len(value.encode()) + 5 for name, value in message.properties)
    return len(message.topic.encode()) + len(message.payload) + properties + HEADROOM
