"""Two endpoints joined in memory, with a network between them that loses, repeats and delays as scripted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import Event, NotificationReceived, RequestReceived
from lamplighter.coap.message import Message, decode
from lamplighter.coap.parameters import Parameters

#: What the network does with a datagram: "pass", "lose", "twice", or "late" (delivered after the next one of its direction).
Fate = str
Handler = Callable[[RequestReceived], Message | None]


class Pair:
    """A client and a server; each knows the other by one name. ``fates`` are used up one a datagram, then all pass."""

    def __init__(
        self,
        *,
        parameters: Parameters | None = None,
        seed: int = 1,
        fates: dict[str, list[Fate]] | None = None,
        handler: Handler | None = None,
        **options: int,
    ) -> None:
        self.now = 0.0
        self.client = Endpoint(Random(seed), parameters, **options)
        self.server = Endpoint(Random(seed + 1), parameters, **options)
        self.fates = {"client": [], "server": []} | (fates or {})
        self.handler = handler
        self.accept = True
        self.events: dict[str, list[Event]] = {"client": [], "server": []}
        self.wire: list[tuple[float, str, Message]] = []
        self._late: dict[str, list[bytes]] = {"client": [], "server": []}

    def endpoint(self, name: str) -> Endpoint:
        return self.client if name == "client" else self.server

    def exchange(self) -> None:
        """Carry datagrams both ways, and answer with the handler, until nothing moves."""
        while self._carry("client", "server") | self._carry("server", "client"):
            pass

    def run(self, seconds: float) -> None:
        """Let time pass, from timer to timer."""
        end = self.now + seconds
        self.exchange()
        while True:
            due = [when for when in (self.client.get_timer(), self.server.get_timer()) if when is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            self.client.handle_timer(self.now)
            self.server.handle_timer(self.now)
            self.exchange()
        self.now = end

    def sent(self, name: str) -> list[Message]:
        """The messages that side has sent, the lost ones too."""
        return [message for _, sender, message in self.wire if sender == name]

    def of(self, name: str, kind: type) -> list[Event]:
        return [event for event in self.events[name] if isinstance(event, kind)]

    def _carry(self, sender: str, receiver: str) -> bool:
        outgoing = self.endpoint(sender).datagrams_to_send(self.now)
        for data, peer in outgoing:
            assert peer == receiver
            self.wire.append((self.now, sender, decode(data)))
            for arriving in self._fate(sender, data):
                self.endpoint(receiver).receive_datagram(arriving, sender, self.now)
        self._take_events(sender)
        self._take_events(receiver)
        return bool(outgoing)

    def _fate(self, sender: str, data: bytes) -> list[bytes]:
        fates = self.fates[sender]
        fate = fates.pop(0) if fates else "pass"
        if fate == "late":
            self._late[sender].append(data)
            return []
        arriving = {"pass": [data], "lose": [], "twice": [data, data]}[fate] + self._late[sender]
        self._late[sender] = []
        return arriving

    def _take_events(self, name: str) -> None:
        endpoint = self.endpoint(name)
        while (event := endpoint.next_event()) is not None:
            self.events[name].append(event)
            if isinstance(event, RequestReceived) and self.handler is not None:
                response = self.handler(event)
                if response is not None:
                    endpoint.respond(event, response, self.now, tell_when_sent=True)
            elif isinstance(event, NotificationReceived) and self.accept:
                endpoint.accept_notification(event)


def get(*path: str) -> Message:
    """A GET of that path."""
    return request(1, *path)


def request(code: int, *path: str, payload: bytes = b"") -> Message:
    message = Message(code, payload=payload)
    for segment in path:
        message.add(11, segment)
    return message
