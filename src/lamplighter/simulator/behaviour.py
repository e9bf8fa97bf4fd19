"""What a fleet is told to do to its server: behaviours with a measure each, and when each device does it.

``sleep,loss=0.1,reboot=3600``: names with or without a measure. Each device draws from its own seed, so that a run repeats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum

from lamplighter.simulator.draws import Draws


class Behaviour(StrEnum):
    """The value is the name on the command line; ``meaning`` and ``measure`` are its documentation."""

    SLEEP = "sleep"
    REBIND = "rebind"
    LOSS = "loss"
    REORDER = "reorder"
    DUPLICATE = "duplicate"
    SLOW = "slow"
    REBOOT = "reboot"
    MISBEHAVE = "misbehave"
    FIRMWARE = "firmware"
    BAD_IMAGE = "bad-image"
    NO_MEMORY = "no-memory"
    LOST_IMAGE = "lost-image"
    ROLLBACK = "rollback"

    @property
    def meaning(self) -> str:
        return _TABLE[self][0]

    @property
    def default(self) -> float:
        """The measure where none is given."""
        return _TABLE[self][1]

    @property
    def is_part(self) -> bool:
        """Whether the measure is a part of all, between 0 and 1; else it is seconds."""
        return _TABLE[self][2]


_TABLE: dict[Behaviour, tuple[str, float, bool]] = {
    Behaviour.SLEEP: (
        "queue mode: deaf once it has been silent (--awake), awake again after that many seconds",
        300.0,
        False,
    ),
    Behaviour.REBIND: ("a NAT gives it a new port, after that many seconds on average", 120.0, False),
    Behaviour.LOSS: ("that part of the datagrams is lost, each way", 0.05, True),
    Behaviour.REORDER: ("that part of the datagrams is late, by up to 2 s", 0.05, True),
    Behaviour.DUPLICATE: ("that part of the datagrams comes twice", 0.05, True),
    Behaviour.SLOW: ("it takes that many seconds on average to answer", 3.0, False),
    Behaviour.REBOOT: ("it restarts by itself, after that many seconds on average", 600.0, False),
    Behaviour.MISBEHAVE: ("the vendor's quirks, and a message against the rules every so many seconds", 60.0, False),
    Behaviour.FIRMWARE: ("that part of the firmware updates fails, in each of the four ways below", 0.3, True),
    Behaviour.BAD_IMAGE: ("that part of the firmware images comes damaged", 0.3, True),
    Behaviour.NO_MEMORY: ("for that part of the firmware images there is no room", 0.3, True),
    Behaviour.LOST_IMAGE: ("that part of the firmware downloads breaks off in the middle", 0.3, True),
    Behaviour.ROLLBACK: ("that part of new firmware does not start: the old one is back after the restart", 0.3, True),
}


class BehaviourUnknown(ValueError):
    """The text does not say what to do; the message says what can be said."""


#: Behaviours with their measures.
Behaviours = Mapping[Behaviour, float]


def parse_behaviours(texts: Iterable[str]) -> dict[Behaviour, float]:
    """Raises BehaviourUnknown. Of a behaviour given twice the last counts."""
    found: dict[Behaviour, float] = {}
    for part in filter(None, (part.strip() for text in texts for part in text.split(","))):
        name, given, measure = part.partition("=")
        try:
            behaviour = Behaviour(name)
        except ValueError:
            raise BehaviourUnknown(f"{name!r} is not one of {', '.join(Behaviour)}.") from None
        found[behaviour] = _measure(behaviour, measure) if given else behaviour.default
    return found


def behaviours_of(table: Mapping[str, object]) -> dict[Behaviour, float]:
    """The same from a table of a file, where ``true`` stands for the default measure. Raises BehaviourUnknown."""
    texts = [name if value is True else f"{name}={value}" for name, value in table.items() if value is not False]
    return parse_behaviours(texts)


class Plan:
    """When a device does by itself what it was told: each behaviour has a stream of its own, drawn from the seed."""

    def __init__(self, behaviours: Behaviours, seed: str, now: float) -> None:
        self._means = {each: behaviours[each] for each in _BY_ITSELF if each in behaviours}
        self._randoms = {each: Draws(f"{seed}/{each}") for each in self._means}
        self._next = {each: now + self._draw(each) for each in self._means}

    def due(self) -> float | None:
        return min(self._next.values(), default=None)

    def take_due(self, now: float) -> list[Behaviour]:
        """What happens now. What was missed happens once."""
        found = [each for each, when in self._next.items() if when <= now]
        for each in found:
            self._next[each] = now + self._draw(each)
        return found

    def _draw(self, behaviour: Behaviour) -> float:
        mean = self._means[behaviour]
        # Waking is regular, with a device's own phase; the others come as accidents do.
        if behaviour is Behaviour.SLEEP:
            return self._randoms[behaviour].uniform(0.9, 1.1) * mean
        return self._randoms[behaviour].expovariate(1 / mean)


NETWORK = frozenset({Behaviour.LOSS, Behaviour.REORDER, Behaviour.DUPLICATE})
"""What happens to datagrams, between a device and its server."""
_BY_ITSELF = (Behaviour.SLEEP, Behaviour.REBIND, Behaviour.REBOOT, Behaviour.MISBEHAVE)


def _measure(behaviour: Behaviour, text: str) -> float:
    try:
        measure = float(text)
    except ValueError:
        measure = math.nan
    highest = 1.0 if behaviour.is_part else 1e9
    if not 0.0 < measure <= highest:
        what = "a part, above 0 and at most 1" if behaviour.is_part else "a number of seconds above 0"
        raise BehaviourUnknown(f"{behaviour}={text[:20]} is not {what}.")
    return measure
