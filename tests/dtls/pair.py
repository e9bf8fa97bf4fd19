"""A server and a client joined in memory: no sockets, time is a number, the network does what a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lamplighter.dtls import (
    CertificateReceived,
    DataReceived,
    DtlsServer,
    Event,
    PskRequested,
    ServerConfig,
    SessionEstablished,
)
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.transport.dtls_openssl import OpensslServer

WALL = 1_700_000_000.0
KEYS = {b"lamp-1": b"0123456789abcdef", b"lamp-2": b"fedcba9876543210"}
CLIENT_ADDRESS = ("192.0.2.7", 49152)
SERVER_ADDRESS = ("192.0.2.1", 5684)

E = TypeVar("E", bound=Event)
Network = Callable[[bytes], list[bytes]]


def deliver(datagram: bytes) -> list[bytes]:
    """A network without faults."""
    return [datagram]


def server_config(**changes: Any) -> ServerConfig:
    return ServerConfig(**{"wall_time": lambda: WALL, **changes})


def psk_client(identity: bytes = b"lamp-1", **changes: Any) -> ClientConfig:
    values = {"wall_time": lambda: WALL, "psk_identity": identity, "psk": KEYS.get(identity, b"unknown"), **changes}
    return ClientConfig(**values)


class Pair:
    """Both ends, what they reported, and what was on the wire."""

    def __init__(
        self,
        client: ClientConfig | None = None,
        server: DtlsServer | OpensslServer | ServerConfig | None = None,
        address: Any = CLIENT_ADDRESS,
    ) -> None:
        if server is None or isinstance(server, ServerConfig):
            server = DtlsServer(server or server_config())
        self.server: Any = server  # either engine: they have one face
        self.client = DtlsClient(client or psk_client(), SERVER_ADDRESS)
        self.address = address
        self.now = 1000.0
        self.server_events: list[Event] = []
        self.client_events: list[Event] = []
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.up: Network = deliver
        self.down: Network = deliver
        self.answer: Callable[[Event], None] = self._answer

    def _answer(self, event: Event) -> None:
        match event:
            case PskRequested(handshake, identity):
                self.server.provide_psk(handshake, KEYS.get(identity), self.now)
            case CertificateReceived(handshake, _):
                self.server.accept_certificate(handshake, self.now, credential="a certificate")

    def pump(self) -> None:
        """Carry datagrams to and fro until nobody has more to say."""
        while True:
            self._take_events()
            sent = self.client.datagrams_to_send(self.now)
            received = self.server.datagrams_to_send(self.now)
            if not sent and not received:
                break
            for datagram, _ in sent:
                self.to_server.append(datagram)
                for arrived in self.up(datagram):
                    self.server.receive_datagram(arrived, self.address, self.now)
                    self._take_events()
            for datagram, address in received:
                self.to_client.append(datagram)
                if address == self.address:
                    for arrived in self.down(datagram):
                        self.client.receive_datagram(arrived, SERVER_ADDRESS, self.now)

    def _take_events(self) -> None:
        while (event := self.server.next_event()) is not None:
            self.server_events.append(event)
            self.answer(event)
        while (event := self.client.next_event()) is not None:
            self.client_events.append(event)

    def connect(self) -> None:
        self.client.connect(self.now)
        self.pump()

    def advance(self, seconds: float) -> None:
        """Let time pass, from timer to timer."""
        end = self.now + seconds
        while True:
            timers = [timer for timer in (self.server.get_timer(), self.client.get_timer()) if timer is not None]
            following = min(timers, default=end)
            if following > end:
                break
            self.now = max(self.now, following)
            self.server.handle_timer(self.now)
            self.client.handle_timer(self.now)
            self.pump()
            if following == end:
                break
        self.now = end

    def of_server(self, kind: type[E]) -> list[E]:
        return [event for event in self.server_events if isinstance(event, kind)]

    def of_client(self, kind: type[E]) -> list[E]:
        return [event for event in self.client_events if isinstance(event, kind)]


def talk(pair: Pair) -> None:
    """Both directions, and nothing but what was said."""
    (established,) = pair.of_server(SessionEstablished)
    assert pair.client.send(b"up", pair.now)
    pair.pump()
    assert pair.server.send(established.session, b"down", pair.now)
    pair.pump()
    assert [event.data for event in pair.of_server(DataReceived)] == [b"up"]
    assert [event.data for event in pair.of_client(DataReceived)] == [b"down"]
