"""The resources that the CoAP plugtest asks for, on our endpoint and a socket on loopback."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import DeliveryAcknowledged, DeliveryReset, DeliveryTimedOut, RequestReceived
from lamplighter.coap.exchange import Delivery
from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from lamplighter.coap.parameters import Parameters
from lamplighter.transport.udp import UdpTransport
from tests.conformance.wire import Wire

LARGE = " ".join(str(number) for number in range(600)).encode()
NEW = LARGE.replace(b"1", b"one")
"""Another body of that kind."""
XML = b"<lamp/>"


@dataclass(slots=True)
class Observer:
    """Who observes, by the request that began it. ``delivery``: the notification under way."""

    peer: Hashable
    request: Message
    delivery: Delivery | None = None
    stale: bool = False


@dataclass(slots=True)
class Resource:
    payload: bytes = b"a lamp"
    content_format: int = ContentFormat.TEXT
    confirmable: bool = True
    observers: list[Observer] = field(default_factory=list)


class PlugtestServer:
    """``resources`` by path; what the peer and we say is on the ``wire``."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.endpoint = Endpoint(Random(1), parameters)
        self.wire = Wire(self.endpoint)
        self.transport = UdpTransport(self.wire, self.take)
        self.flush = self.transport.flush
        self.changed = asyncio.Event()
        """Set when an observer comes, goes or has acknowledged."""
        self.resources = {
            "test": Resource(),
            "seg1/seg2/seg3": Resource(),
            "query": Resource(),
            "separate": Resource(),
            "multi-format": Resource(),
            "validate": Resource(),
            "large": Resource(LARGE),
            "large-update": Resource(),
            "obs": Resource(),
            "obs-non": Resource(confirmable=False),
            "obs-large": Resource(LARGE),
            "obs-pumping": Resource(),
        }
        self._counter = 1

    @property
    def port(self) -> int:
        port: int = self.transport.socket.address[1]
        return port

    def observers(self, path: str) -> list[Observer]:
        return self.resources[path].observers

    async def until(self, holds: Any) -> None:
        """Until that is true of the observers."""
        async with asyncio.timeout(20):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    def change(self, path: str, payload: bytes, content_format: int = ContentFormat.TEXT) -> None:
        """The resource has another state; its observers are told."""
        resource = self.resources[path]
        gone = content_format != resource.content_format
        resource.payload, resource.content_format = payload, content_format
        for observer in list(resource.observers):
            if gone:
                self._end(resource, observer, Code.NOT_ACCEPTABLE)
            else:
                self._tell(path, observer)
        self.flush()

    def take(self, event: Any) -> None:
        """An event of the endpoint."""
        now = asyncio.get_running_loop().time()
        match event:
            case RequestReceived(_, message) if message.uri_path() == ("separate",):
                self.endpoint.acknowledge(event)
                asyncio.get_running_loop().call_soon(self._answer_later, event)
            case RequestReceived(peer, message):
                self.endpoint.respond(event, self._answer(peer, message), now)
            case DeliveryAcknowledged(delivery) | DeliveryReset(delivery) | DeliveryTimedOut(delivery):
                self._settle(event, delivery)
                self.changed.set()

    def _answer_later(self, request: RequestReceived) -> None:
        self.endpoint.respond(request, self._content("separate"), asyncio.get_running_loop().time())
        self.flush()

    def _answer(self, peer: Hashable, message: Message) -> Message:
        path = "/".join(message.uri_path())
        match message.code:
            case Code.POST:
                return self._post(path, message)
            case Code.PUT:
                exists = path in self.resources
                self.resources.setdefault(path, Resource())
                self.change(path, message.payload, message.content_format or 0)
                return Message(Code.CHANGED if exists else Code.CREATED)
        if path not in self.resources:
            return Message(Code.NOT_FOUND)
        if message.code == Code.DELETE:
            resource = self.resources.pop(path)
            for observer in resource.observers:
                self._end(resource, observer, Code.NOT_FOUND)
            return Message(Code.DELETED)
        return self._get(path, peer, message)

    def _get(self, path: str, peer: Hashable, message: Message) -> Message:
        if path == "query":
            return self._text("&".join(message.uri_query()).encode())
        if path == "multi-format" and message.accept == ContentFormat.XML:
            return Message(Code.CONTENT, payload=XML).add(Option.CONTENT_FORMAT, ContentFormat.XML)
        if path == "validate" and self._etag(path) in message.all(Option.ETAG):
            return Message(Code.VALID).add(Option.ETAG, self._etag(path))
        answer = self._content(path)
        if path == "validate":
            answer.add(Option.ETAG, self._etag(path))
        if path.startswith("obs") and message.observe is not None:
            observers = self.resources[path].observers
            observers[:] = [each for each in observers if each.request.token != message.token]
            if message.observe == 0:
                observers.append(Observer(peer, message))
                answer.add(Option.OBSERVE, self._next())
            self.changed.set()
        return answer

    def _post(self, path: str, message: Message) -> Message:
        match path:
            case "large-post":
                return self._text(message.payload.upper(), Code.CHANGED)
            case "large-create":
                self.resources["large-create/1"] = Resource(message.payload)
                segments = ["large-create", "1"]
            case "location-query":
                return Message(Code.CREATED, path_options(["first=1", "second=2"], Option.LOCATION_QUERY))
            case _:
                segments = ["location1", "location2", "location3"]
        return Message(Code.CREATED, path_options(segments, Option.LOCATION_PATH))

    def _tell(self, path: str, observer: Observer) -> None:
        if observer.delivery is not None:
            observer.stale = True
            return
        message = self._content(path).add(Option.OBSERVE, self._next())
        message.type = Type.CON if self.resources[path].confirmable else Type.NON
        token = observer.request.token
        delivery = self.endpoint.notify(
            observer.peer, token, message, asyncio.get_running_loop().time(), request=observer.request
        )
        # Of a non-confirmable notification nobody tells that it has arrived.
        observer.delivery = delivery if self.resources[path].confirmable else None
        observer.stale = False

    def _end(self, resource: Resource, observer: Observer, code: Code) -> None:
        now = asyncio.get_running_loop().time()
        self.endpoint.notify(observer.peer, observer.request.token, Message(code), now, tell=False)
        resource.observers.remove(observer)

    def _settle(self, event: Any, delivery: Delivery) -> None:
        for path, resource in self.resources.items():
            for observer in list(resource.observers):
                if observer.request.token != delivery.token:
                    continue
                observer.delivery = None
                if not isinstance(event, DeliveryAcknowledged):
                    resource.observers.remove(observer)
                elif observer.stale:
                    self._tell(path, observer)

    def _content(self, path: str) -> Message:
        resource = self.resources[path]
        return Message(Code.CONTENT, payload=resource.payload).add(Option.CONTENT_FORMAT, resource.content_format)

    def _text(self, payload: bytes, code: Code = Code.CONTENT) -> Message:
        return Message(code, payload=payload).add(Option.CONTENT_FORMAT, ContentFormat.TEXT)

    def _etag(self, path: str) -> bytes:
        return hashlib.sha256(self.resources[path].payload).digest()[:4]

    def _next(self) -> int:
        self._counter += 1
        return self._counter


@asynccontextmanager
async def plugtest_server(**parameters: Any) -> AsyncIterator[PlugtestServer]:
    """The server on a port of its own."""
    server = PlugtestServer(Parameters(**parameters))
    server.transport.open("127.0.0.1", 0)
    try:
        yield server
    finally:
        server.transport.close()
