"""What the server watches on a device, and when it is told: RFC 7641, with the attributes of LwM2M."""

from __future__ import annotations

from collections.abc import Iterator

from lamplighter.coap.exchange import Delivery
from lamplighter.coap.message import Message
from lamplighter.lwm2m.codecs import Value, Values
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.attributes import Attributes, AttributeTable

_MODULUS = 1 << 24


class Observation:
    """One watched path. ``request`` is the GET that began it: its Accept holds for every notification."""

    __slots__ = ("delivery", "path", "pending", "reported", "request", "sent_at", "token", "_sequence")

    def __init__(self, path: Path, token: bytes, request: Message, values: Values, now: float) -> None:
        self.path = path
        self.token = token
        self.request = request
        self.pending = False
        """Something changed that is worth a notification, which may have to wait for pmin."""
        self.delivery: Delivery | None = None
        """The notification under way; the next waits for its acknowledgement, and then has the newest values."""
        self._sequence = 1
        self.report(values, now)

    def report(self, values: Values, now: float) -> int:
        """These values leave now; gives the sequence number of the message that carries them."""
        self.reported: dict[Path, Value] = dict(values)
        self.sent_at = now
        self.pending = False
        self._sequence = (self._sequence + 1) % _MODULUS
        return self._sequence

    @property
    def sequence(self) -> int:
        """Of the last message."""
        return self._sequence

    def judge(self, path: Path, value: Value | None, attributes: Attributes) -> None:
        """A resource in the watched path has another value now. None: it has several, or has gone."""
        reported = self.reported.get(path)
        if path == self.path and _is_number(value) and _is_number(reported):
            self.pending = attributes.calls_for(float(str(reported)), float(str(value))) or (
                self.pending and attributes.conditional
            )
        else:
            self.pending = True

    def due(self, attributes: Attributes) -> float | None:
        """When the next notification leaves; None while one is under way, or nothing is to be told."""
        if self.delivery is not None:
            return None
        if self.pending:
            return self.sent_at + (attributes.pmin or 0)
        return self.sent_at + attributes.pmax if attributes.pmax else None


class Observations:
    """All of a device: one a path, as there is one server. The latest request for a path wins."""

    def __init__(self, attributes: AttributeTable) -> None:
        self._attributes = attributes
        self._known: dict[Path, Observation] = {}

    def __iter__(self) -> Iterator[Observation]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def add(self, observation: Observation) -> None:
        self._known[observation.path] = observation

    def remove(self, path: Path) -> None:
        self._known.pop(path, None)

    def of_token(self, token: bytes) -> Observation | None:
        return next((observation for observation in self if observation.token == token), None)

    def clear(self) -> None:
        self._known.clear()

    def watches(self, instance: Path) -> bool:
        """Whether the instance, something in it or something above it is watched."""
        return any(path.contains(instance) or instance.contains(path) for path in self._known)

    def note(self, path: Path, value: Value | None) -> None:
        """A resource changed."""
        for observation in self._known.values():
            # An observation of one instance of a resource hears of every change of the resource.
            if observation.path.contains(path) or path.contains(observation.path):
                observation.judge(path, value, self._attributes.effective(observation.path))

    def next_due(self) -> float | None:
        times = [observation.due(self._attributes.effective(observation.path)) for observation in self]
        return min((when for when in times if when is not None), default=None)

    def take_due(self, now: float) -> list[Observation]:
        """Those whose notification leaves now."""
        found = []
        for observation in self:
            when = observation.due(self._attributes.effective(observation.path))
            if when is not None and when <= now:
                found.append(observation)
        return found


def _is_number(value: Value | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
