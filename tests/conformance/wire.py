"""What passes between two ends, as messages, and a network that loses some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lamplighter.coap.message import Message, decode
from lamplighter.transport.core import DatagramCore


class Seen(NamedTuple):
    """A message on the wire; ``ours``: we sent it."""

    ours: bool
    message: Message


Loss = Callable[[Seen], bool]


class Wire:
    """Stands between a socket and a core. ``loses`` says of each message whether the network loses it."""

    def __init__(self, core: DatagramCore) -> None:
        self.core = core
        self.seen: list[Seen] = []
        self.lost: list[Seen] = []
        self.loses: Loss = lambda seen: False
        self.listeners: list[Callable[[Seen], None]] = []

    def receive_datagram(self, data: bytes, peer: Any, now: float) -> None:
        if self._passes(data, ours=False):
            self.core.receive_datagram(data, peer, now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Any]]:
        return [(data, peer) for data, peer in self.core.datagrams_to_send(now) if self._passes(data, ours=True)]

    def handle_timer(self, now: float) -> None:
        self.core.handle_timer(now)

    def get_timer(self) -> float | None:
        return self.core.get_timer()

    def next_event(self) -> Any | None:
        return self.core.next_event()

    @property
    def ours(self) -> list[Message]:
        """What we sent and was not lost."""
        return [seen.message for seen in self.seen if seen.ours]

    @property
    def theirs(self) -> list[Message]:
        """What the peer sent and was not lost."""
        return [seen.message for seen in self.seen if not seen.ours]

    def _passes(self, data: bytes, *, ours: bool) -> bool:
        seen = Seen(ours, decode(data))
        lost = self.loses(seen)
        (self.lost if lost else self.seen).append(seen)
        for listener in self.listeners:
            listener(seen)
        return not lost


def once(wanted: Loss) -> Loss:
    """Lose the first such message."""
    left = [True]

    def loses(seen: Seen) -> bool:
        if left and wanted(seen):
            left.pop()
            return True
        return False

    return loses
