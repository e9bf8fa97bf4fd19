"""A LwM2M device that costs the machine next to nothing: its datagrams are put together by hand, its answers looked at.

What it registers is what a device of ``lamplighter simulate`` registers.
"""

from __future__ import annotations

import hashlib
import select
import time

from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Type, format_code
from lamplighter.dtls import DataReceived
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.lwm2m.registration import Registration, RegistrationUpdate, register_request, update_request
from lamplighter.simulator.lamp import Lamp
from tests.bench.udp_load import connected

PATIENCE = 20.0
"""Seconds for an answer."""
LIFETIME = 3600
VERSION = "1.1"
LINKS = tuple(Lamp("1", "bench", 0.0, version=VERSION, lifetime=LIFETIME, epoch=0.0, behaviours={}).tree.links(VERSION))
PSK_CCM_8 = 0xC0A8


def key_of(name: str) -> bytes:
    """The pre-shared key of a device here."""
    return hashlib.sha256(name.encode()).digest()[:16]


class Refused(RuntimeError):
    """The server answered something else than it should."""


class Device:
    """A device without security."""

    def __init__(self, port: int, name: str) -> None:
        self.name = name
        self.socket = connected(port)
        self.location: tuple[str, ...] = ()
        self._number = 0
        self._register = self._tail(register_request(self.registration))
        self._update = b""
        self._last = b""

    @property
    def registration(self) -> Registration:
        return Registration(endpoint_name=self.name, lifetime=LIFETIME, version=VERSION, links=LINKS)

    @staticmethod
    def _tail(message: Message) -> bytes:
        """The code, and what follows the token."""
        encoded = message.encode()
        return encoded[1:2] + encoded[4:]

    # Loads

    def send_register(self) -> None:
        self._send(self._register)

    def send_update(self) -> None:
        self._send(self._update)

    def _send(self, tail: bytes) -> None:
        self._number += 1
        number = self._number
        self._last = b"\x44" + tail[:1] + (number & 0xFFFF).to_bytes(2, "big") + number.to_bytes(4, "big") + tail[1:]
        self.send(self._last)

    def send_again(self) -> None:
        """What was sent last, because no answer came (RFC 7252 section 4.2)."""
        self.send(self._last)

    def send(self, data: bytes) -> None:
        """Send a CoAP message."""
        self.socket.send(data)

    def receive(self) -> list[bytes]:
        """The CoAP messages that have come."""
        found = []
        try:
            while True:
                found.append(self.socket.recv(2048))
        except BlockingIOError:
            return found

    def answers(self, good: int) -> int:
        """How many answers have come. Raises Refused when one has another code."""
        count = 0
        for data in self.receive():
            kind = data[0] >> 4 & 3
            if kind == Type.RST:
                raise Refused(f"{self.name} was reset")
            if kind == Type.CON:  # the answer comes by itself
                self.send(b"\x60\x00" + data[2:4])
            if data[1] == good:
                count += 1
            elif data[1]:  # an empty acknowledgement says no more than that it takes a while
                raise Refused(f"{self.name} was answered {format_code(data[1])} {decode(data).payload!r}")
        return count

    # Once, and waited for

    def register(self) -> None:
        """Register, and remember the location."""
        self.send_register()
        self.registered()

    def registered(self) -> None:
        """Wait for the answer to Register, and remember the location."""
        answer = self._wait()
        if answer.code != Code.CREATED:
            raise Refused(f"{self.name} was answered {format_code(answer.code)} {answer.payload!r}")
        self.location = answer.location_path()
        self._update = self._tail(update_request(self.location, RegistrationUpdate()))

    def _wait(self) -> Message:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._await(1.0)
            for data in self.receive():
                if data[1]:
                    return decode(data)
        raise Refused(f"{self.name} had no answer in {PATIENCE:g} s")

    def _await(self, seconds: float) -> None:
        """Until something has come, or so long."""
        poll = select.poll()  # select() knows no more than 1024 files
        poll.register(self.socket, select.POLLIN)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        self.socket.close()


class SecureDevice(Device):
    """A device in a DTLS session by pre-shared key."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(port, name)
        config = ClientConfig(
            wall_time=time.time,
            psk_identity=name.encode(),
            psk=key_of(name),
            cipher_suites=(PSK_CCM_8,),
            connection_id=b"",
        )
        self.client = DtlsClient(config)
        self.client.connect(time.monotonic())
        end = time.monotonic() + PATIENCE
        while self.client.session is None:
            self._flush()
            self._await(0.5)
            self.client.handle_timer(time.monotonic())
            if time.monotonic() > end:
                raise Refused(f"{name} got no session in {PATIENCE:g} s")
            self._take()
        self._flush()

    def send(self, data: bytes) -> None:
        self.client.send(data, 0.0)
        self._flush()

    def receive(self) -> list[bytes]:
        self._take()
        found = []
        while (event := self.client.next_event()) is not None:
            if isinstance(event, DataReceived):
                found.append(event.data)
        return found

    def _take(self) -> None:
        now = time.monotonic()
        for datagram in super().receive():
            self.client.receive_datagram(datagram, "server", now)

    def _flush(self) -> None:
        for datagram, _ in self.client.datagrams_to_send(time.monotonic()):
            self.socket.send(datagram)
