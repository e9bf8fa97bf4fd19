"""Simulated devices and the real server core, joined in memory: no socket, and time is a number."""

from __future__ import annotations

from random import Random

from lamplighter.coap.blockwise import Block, block_of
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import (
    NotificationReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.registration import Registration
from lamplighter.lwm2m.server import (
    DeregisterRequested,
    Lwm2mEvent,
    Lwm2mServer,
    RegisterRequested,
    RequestDelegated,
    SendRequested,
    UpdateRequested,
)
from lamplighter.simulator.behaviour import parse_behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import ConnectRequested, DownloadRequested, Event
from lamplighter.simulator.image import Fault, ImageFailed
from lamplighter.simulator.profile import Profile
from tests.simulator.bootstrap_server import BootstrapServer


class Town:
    """A server, and the devices that were added; a device's number is the server's peer."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.endpoint = Endpoint(Random(1))
        self.server = Lwm2mServer(self.endpoint, delegated=frozenset({"bs", "est"}))
        self.devices: list[Device] = []
        self.reachable = True
        """Whether sessions can be made and datagrams arrive."""
        self.silent = False
        """Whether the server leaves requests of devices unanswered."""
        self.refusals: list[tuple[int, int | None]] = []
        """Code and Max-Age of the next answers to a Register."""
        self.registrations: dict[int, Registration] = {}
        self.asked: list[tuple[float, int, Lwm2mEvent]] = []
        self.told: list[tuple[float, int, Event]] = []
        self.notifications: list[tuple[float, int, Message]] = []
        self.responses: dict[Exchange, Message] = {}
        self.lost: list[Exchange] = []
        self.rejecting = False
        """Whether notifications are answered with a Reset."""
        self.grant: int | None = None
        """The lifetime that registrations are granted, in seconds."""
        self.bootstrap: BootstrapServer | None = None
        self.images: dict[str, bytes] = {}
        """What there is to fetch, by address."""
        self.blocks: list[Message] = []
        """What was asked for of images."""
        self.troubles: list[int] = []
        """Codes of the next answers to that; 2.05: the block."""
        self.datagrams: list[tuple[float, int, bytes]] = []
        """Everything that devices sent, as it was."""

    def add(self, device: Device, *, start: bool = True) -> int:
        self.devices.append(device)
        if start:
            device.start(self.now)
        return len(self.devices) - 1

    def settle(self) -> None:
        """Carry datagrams and answer until nothing moves."""
        while self._step():
            pass

    def run(self, seconds: float) -> None:
        """Let time pass, from timer to timer."""
        end = self.now + seconds
        self.settle()
        while True:
            times = [self.endpoint.get_timer(), *(device.get_timer() for device in self.devices)]
            due = min((when for when in times if when is not None), default=None)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.endpoint.handle_timer(self.now)
            for device in self.devices:
                when = device.get_timer()
                if when is not None and when <= self.now:
                    device.handle_timer(self.now)
            self.settle()
        self.now = end

    def ask(self, message: Message, device: int = 0) -> Message:
        """What the device answers."""
        exchange = self.endpoint.request(device, message, self.now)
        self.settle()
        return self.responses.pop(exchange)

    def observe(self, message: Message, device: int = 0) -> tuple[bytes, Message]:
        """The token of the observation, and its first answer."""
        exchange = self.endpoint.request(device, message, self.now)
        self.settle()
        return exchange.token, self.responses.pop(exchange)

    def of(self, kind: type[Event], device: int = 0) -> list[tuple[float, Event]]:
        """What a device told, with the time."""
        return [(when, event) for when, teller, event in self.told if isinstance(event, kind) and teller == device]

    def questions(self, kind: type[Lwm2mEvent]) -> list[tuple[float, Lwm2mEvent]]:
        """What devices asked the server for, with the time."""
        return [(when, event) for when, _, event in self.asked if isinstance(event, kind)]

    def _step(self) -> bool:
        moved = False
        for number, device in enumerate(self.devices):
            while (event := device.next_event()) is not None:
                moved = True
                self.told.append((self.now, number, event))
                if isinstance(event, ConnectRequested):
                    if self.reachable:
                        device.connected(self.now)
                    else:
                        device.disconnected("nobody is there", self.now)
                if isinstance(event, DownloadRequested):
                    device.image_ended(event.image, self._download(event), self.now)
            for data, _ in device.datagrams_to_send(self.now):
                moved = True
                self.datagrams.append((self.now, number, data))
                if self.reachable:
                    self.endpoint.receive_datagram(data, number, self.now)
        self._take_events()
        for data, peer in self.endpoint.datagrams_to_send(self.now):
            moved = True
            if self.reachable:
                self.devices[peer].receive_datagram(data, None, self.now)
        self._take_events()
        return moved

    def _download(self, wanted: DownloadRequested) -> Fault | None:
        data = self.images.get(wanted.image.uri)
        if data is None:
            return Fault.NOT_FOUND
        try:
            wanted.image.expect(len(data))
            wanted.image.add(data)
        except ImageFailed as error:
            return error.fault
        return None

    def _take_events(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            match event:
                case RequestReceived():
                    if not self.silent:
                        self._decide(event)
                case ResponseReceived(exchange, message):
                    if self.bootstrap is None or not self.bootstrap.take_response(exchange, message, self.now):
                        self.responses[exchange] = message
                case NotificationReceived(peer, _, message):
                    self.notifications.append((self.now, peer, message))
                    if self.rejecting:
                        self.endpoint.reject_notification(event)
                    else:
                        self.endpoint.accept_notification(event)
                case RequestTimedOut(exchange):
                    self.lost.append(exchange)

    def _serve(self, request: RequestReceived) -> None:
        """A block of the image that Proxy-Uri names, as the vendor's client asks for it."""
        message = request.message
        self.blocks.append(message)
        code = self.troubles.pop(0) if self.troubles else Code.CONTENT
        data = self.images.get((message.option(Option.PROXY_URI) or b"").decode())
        if data is None or code != Code.CONTENT:
            self.endpoint.respond(request, Message(Code.NOT_FOUND if data is None else code), self.now)
            return
        block = block_of(message, Option.BLOCK2)
        assert block is not None
        end = block.offset + block.size
        answer = Message(Code.CONTENT, payload=data[block.offset : end])
        answer.add(Option.BLOCK2, Block(block.num, end < len(data), block.szx).encode()).add(Option.SIZE2, len(data))
        self.endpoint.respond(request, answer, self.now)

    def _decide(self, request: RequestReceived) -> None:
        if request.message.uri_path() == ("fw",):
            self._serve(request)
            return
        number = request.peer
        event = self.server.handle(request, self.now, version=self._version(number))
        self.asked.append((self.now, number, event))
        match event:
            case RegisterRequested() if self.refusals:
                code, max_age = self.refusals.pop(0)
                self.server.reject(event, code, self.now, max_age=max_age, diagnostic="not now")
            case RegisterRequested(_, registration):
                self.registrations[number] = registration
                self.server.accept_registration(event, ("rd", str(number)), self.now, lifetime=self.grant)
            case RequestDelegated():
                assert self.bootstrap is not None
                self.bootstrap.take(event, self.now)
            case SendRequested():
                self.server.accept_send(event, self.now)
            case UpdateRequested() if number not in self.registrations:
                self.server.reject(event, Code.NOT_FOUND, self.now)
            case UpdateRequested():
                self.server.accept_update(event, self.now)
            case DeregisterRequested():
                del self.registrations[number]
                self.server.accept_deregistration(event, self.now)

    def _version(self, number: int) -> str:
        registration = self.registrations.get(number)
        return "1.0" if registration is None else registration.version


def town(version: str = "1.1", *, behaviours: str = "", **options: int) -> Town:
    """A town with one registered lamp."""
    place = Town()
    told = parse_behaviours([behaviours])
    profile = Profile(f"lwm2m-{version}")
    place.add(Device("lamp-1", place.now, seed=7, profile=profile, epoch=1_700_000_000.0, behaviours=told, **options))
    place.settle()
    return place
