"""A device on loopback: the client side of our own cores, with resources that it serves from a dict."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import DeliveryAcknowledged, DeliveryReset, RequestReceived, ResponseReceived
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.dtls import CloseReason, TrustAnchor
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.lwm2m.link import Link, parse_links
from lamplighter.lwm2m.registration import (
    Registration,
    RegistrationUpdate,
    deregister_request,
    register_request,
    update_request,
)
from lamplighter.services.certificates.authority import Credential
from lamplighter.transport.dtls_client import DtlsClientTransport
from lamplighter.transport.udp import UdpTransport
from lamplighter.transport.udp_client import open_udp_client

PATIENCE = 10.0
"""Seconds after which a test gives up."""
LINKS = tuple(parse_links("</1/0>,</3/0>;obs,</3303/0/5700>;obs"))


class Device:
    """Answers GET, PUT, POST and Observe; ``location`` is where it is registered."""

    def __init__(self, changed: asyncio.Event) -> None:
        """``changed`` is set whenever it was asked something."""
        self.changed = changed
        self.endpoint = Endpoint(Random(7))
        self.resources: dict[str, bytes] = {"/3/0/0": b"maker", "/1/0/1": b"60", "/3303/0/5700": b"21.5"}
        self.executed: list[str] = []
        self.requests: list[Message] = []
        self.observers: dict[str, bytes] = {}
        self.location: tuple[str, ...] = ()
        self.ended: list[str] = []
        """How its notifications ended."""
        self.closed: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()
        self.deaf = False
        """Whether it leaves requests without any answer."""
        self._counter = 1
        self._waiting: dict[Exchange, asyncio.Future[Message]] = {}
        self._peer: Any = None
        self.transport: DtlsClientTransport | UdpTransport | None = None

    async def connect(self, config: ClientConfig, port: int) -> None:
        """Raises HandshakeRefused."""
        self.transport = transport = DtlsClientTransport(
            config, self.endpoint, self._on_event, on_close=self.closed.set_result
        )
        async with asyncio.timeout(PATIENCE):
            self._peer = (await transport.connect("127.0.0.1", port)).session

    async def shake_hands_again(self) -> None:
        """A new session from the same socket, in place of the one that there is."""
        assert isinstance(self.transport, DtlsClientTransport)
        loop = asyncio.get_running_loop()
        self.transport._established = loop.create_future()
        self.transport.client.connect(loop.time())
        self.transport.flush()
        async with asyncio.timeout(PATIENCE):
            self._peer = (await self.transport._established).session

    def go_to(self, port: int) -> None:
        """Go on with the session from a new socket, at that port of the server."""
        assert isinstance(self.transport, DtlsClientTransport)
        self.transport.open("127.0.0.1", port)

    @property
    def dtls(self) -> DtlsClient:
        """Its end of the session."""
        assert isinstance(self.transport, DtlsClientTransport)
        return self.transport.client

    def connect_plain(self, port: int) -> None:
        self.transport = open_udp_client(self.endpoint, self._on_event, "127.0.0.1", port)
        self._peer = self.transport.socket._socket.getpeername()

    def close(self) -> None:
        assert self.transport is not None
        self.transport.close()

    async def ask(self, message: Message) -> Message:
        """The server's answer to a request."""
        assert self.transport is not None
        exchange = self.endpoint.request(self._peer, message, asyncio.get_running_loop().time())
        self._waiting[exchange] = asyncio.get_running_loop().create_future()
        self.transport.flush()
        async with asyncio.timeout(PATIENCE):
            return await self._waiting[exchange]

    async def register(self, name: str, links: tuple[Link, ...] = LINKS, **more: Any) -> Message:
        answer = await self.ask(register_request(Registration(endpoint_name=name, links=links, **more)))
        if answer.code == Code.CREATED:
            self.location = answer.location_path()
            self.observers.clear()
        return answer

    async def update(self, **changes: Any) -> Message:
        return await self.ask(update_request(self.location, RegistrationUpdate(**changes)))

    async def deregister(self) -> Message:
        return await self.ask(deregister_request(self.location))

    def notify(self, path: str, payload: bytes) -> None:
        """Send a notification to whoever observes the path."""
        self.resources[path] = payload
        message = self._content(path)
        self.send_notification(self.observers[path], message)

    def send_notification(self, token: bytes, message: Message) -> None:
        assert self.transport is not None
        self.endpoint.notify(self._peer, token, message, asyncio.get_running_loop().time())
        self.transport.flush()

    def _content(self, path: str) -> Message:
        self._counter += 1
        message = Message(Code.CONTENT, payload=self.resources[path])
        message.add(Option.CONTENT_FORMAT, ContentFormat.TEXT)
        return message.add(Option.OBSERVE, self._counter) if path in self.observers else message

    def _on_event(self, event: Any) -> None:
        match event:
            case RequestReceived(_, message):
                self.requests.append(message)
                if self.deaf:
                    self.changed.set()
                    return
                self.endpoint.respond(event, self._answer(message), asyncio.get_running_loop().time())
                self.changed.set()
            case ResponseReceived(exchange, message):
                self._waiting.pop(exchange).set_result(message)
            case DeliveryAcknowledged() | DeliveryReset():
                self.ended.append(type(event).__name__)
                self.changed.set()

    def _answer(self, message: Message) -> Message:
        path = "/" + "/".join(message.uri_path())
        if message.code == Code.POST:
            self.executed.append(path)
            return Message(Code.CHANGED)
        if path not in self.resources:
            return Message(Code.NOT_FOUND)
        if message.code == Code.PUT:
            self.resources[path] = message.payload
            return Message(Code.CHANGED)
        if message.observe == 0:
            self.observers[path] = message.token
        elif message.observe == 1:
            self.observers.pop(path, None)
        return self._content(path)


def with_key(name: str, secret: bytes, **more: Any) -> ClientConfig:
    return ClientConfig(wall_time=time.time, psk_identity=name.encode(), psk=secret, **more)


def with_certificate(credential: Credential, authority: x509.Certificate) -> ClientConfig:
    return ClientConfig(
        wall_time=time.time,
        certificate_chain=(credential.certificate_der,),
        private_key=credential.key,
        trust_anchors=(TrustAnchor.from_der(authority.public_bytes(Encoding.DER)),),
    )
