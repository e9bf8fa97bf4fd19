"""What the server watches on a device, and when it is told: RFC 7641, with the attributes of LwM2M."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamplighter.coap.exchange import Delivery
from lamplighter.coap.message import Message
from lamplighter.lwm2m.codecs import Value, Values
from lamplighter.lwm2m.path import ROOT, Path
from lamplighter.simulator.attributes import Attributes, AttributeTable

_MODULUS = 1 << 24


class Observation:
    """What is watched under one token. ``request`` is what began it: its Accept holds for every notification.

    ``paths``: one, but for a composite observation (1.1). ``automatic``: the vendor's client began it by itself, and neither a
    Reset nor a new registration ends it.
    """

    __slots__ = (
        "automatic",
        "composite",
        "delivery",
        "evaluated_at",
        "looked",
        "paths",
        "pending",
        "reported",
        "request",
        "sent_at",
        "token",
        "turn",
        "unseen",
        "_sequence",
    )

    def __init__(
        self,
        paths: Sequence[Path],
        token: bytes,
        request: Message,
        values: Values,
        now: float,
        *,
        composite: bool = False,
        automatic: bool = False,
    ) -> None:
        self.paths = tuple(paths)
        self.token = token
        self.request = request
        self.composite = composite
        self.automatic = automatic
        self.pending = False
        """Something changed that is worth a notification, which may have to wait for pmin."""
        self.turn = 0
        """When it began to be pending, counted among all of the device."""
        self.delivery: Delivery | None = None
        """The notification under way; the next waits for its acknowledgement, and then has the newest values."""
        self._sequence = 1
        self.report(values, now)

    @property
    def path(self) -> Path:
        """Where its attributes are: of a composite observation, those of the server account."""
        return ROOT if self.composite else self.paths[0]

    def report(self, values: Values, now: float) -> int:
        """These values leave now; gives the sequence number of the message that carries them."""
        self.reported: dict[Path, Value] = dict(values)
        self.looked: Value | None = None
        """What a Boolean was at the last look that told nothing."""
        self.sent_at = self.evaluated_at = now
        self.pending = False
        self.unseen: dict[Path, Value | None] | None = None
        """Changes that came too soon after the last look at them (epmin)."""
        self._sequence = (self._sequence + 1) % _MODULUS
        return self._sequence

    @property
    def sequence(self) -> int:
        """Of the last message."""
        return self._sequence

    def touches(self, path: Path) -> bool:
        """Whether a path is watched, or something in it or above it is."""
        return any(own.contains(path) or path.contains(own) for own in self.paths)

    def see(self, path: Path, value: Value | None, attributes: Attributes, now: float) -> None:
        """A resource in the watched path has another value now: look at it, at once or when epmin has passed."""
        if attributes.epmin and now < self.evaluated_at + attributes.epmin:
            self.unseen = {**(self.unseen or {}), path: value}
            return
        self.evaluated_at = now
        self.judge(path, value, attributes)

    def look(self, attributes: Attributes, now: float) -> None:
        """Look at what could not be looked at before."""
        if self.unseen and now >= self.evaluated_at + (attributes.epmin or 0):
            unseen, self.unseen = self.unseen, None
            self.evaluated_at = now
            for path, value in unseen.items():
                self.judge(path, value, attributes)

    def judge(self, path: Path, value: Value | None, attributes: Attributes) -> None:
        """Whether that value is worth a notification. None: there are several, or it has gone."""
        reported = self.reported.get(path)
        if attributes.edge is not None and self.looked is not None:
            reported = self.looked
        self.looked = value
        if path == self.path and isinstance(value, int | float) and isinstance(reported, int | float):
            self.pending = attributes.calls_for(float(reported), float(value)) or (
                self.pending and attributes.conditional
            )
        else:
            self.pending = True

    def due(self, attributes: Attributes) -> float | None:
        """When the next notification leaves, or a value is looked at; None while one is under way, or nothing is to be told."""
        if self.delivery is not None:
            return None
        if self.pending:
            return self.sent_at + (attributes.pmin or 0)
        times = [self.sent_at + attributes.pmax] if attributes.pmax else []
        if self.unseen:
            times.append(self.evaluated_at + (attributes.epmin or 0))
        return min(times, default=None)


class Observations:
    """All of a device: one a path and one a composite token, as there is one server. The latest request wins.

    ``one_at_a_time``: as the vendor's client, which sends the one that has waited longest.
    """

    def __init__(self, attributes: AttributeTable, *, one_at_a_time: bool = False) -> None:
        self._attributes = attributes
        self._one_at_a_time = one_at_a_time
        self._known: dict[Path | bytes, Observation] = {}
        self._turns = 0

    def __iter__(self) -> Iterator[Observation]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def add(self, observation: Observation) -> None:
        self._known[_key(observation)] = observation

    def at(self, path: Path) -> Observation | None:
        return self._known.get(path)

    def remove(self, observation: Observation) -> None:
        if self._known.get(_key(observation)) is observation:
            del self._known[_key(observation)]

    def of_token(self, token: bytes) -> Observation | None:
        return next((observation for observation in self if observation.token == token), None)

    def clear(self) -> None:
        """All but the automatic ones are over."""
        self._known = {key: observation for key, observation in self._known.items() if observation.automatic}
        for observation in self._known.values():
            observation.delivery = None

    def watches(self, instance: Path) -> bool:
        """Whether the instance, something in it or something above it is watched."""
        return any(observation.touches(instance) for observation in self._known.values())

    def note(self, path: Path, value: Value | None, now: float) -> None:
        """A resource changed."""
        for observation in self._known.values():
            # An observation of one instance of a resource hears of every change of the resource.
            if observation.touches(path):
                waited = observation.pending
                observation.see(path, value, self._attributes.effective(observation.path), now)
                if observation.pending and not waited:
                    self._turns += 1
                    observation.turn = self._turns

    def next_due(self) -> float | None:
        times = [observation.due(self._attributes.effective(observation.path)) for observation in self]
        return min((when for when in times if when is not None), default=None)

    def take_due(self, now: float) -> list[Observation]:
        """Those whose notification leaves now."""
        found: list[Observation] = []
        for observation in self:
            attributes = self._attributes.effective(observation.path)
            observation.look(attributes, now)
            when = observation.due(attributes)
            if when is not None and when <= now:
                found.append(observation)
        return sorted(found, key=lambda observation: observation.turn)[:1] if self._one_at_a_time else found


def _key(observation: Observation) -> Path | bytes:
    return observation.token if observation.composite else observation.paths[0]
