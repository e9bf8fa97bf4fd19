"""Handshakes that are under way: how many there may be, which questions they wait for, when to look at them again."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from .configuration import ServerConfig
from .halfopen import HalfOpen

_TICK = 0.05
"""Seconds. Handshakes that are due in the same tick share one timer: all open ones are looked through each time."""


class Opening(Protocol):
    """A handshake of either engine."""

    address: Hashable

    @property
    def due(self) -> float:
        """When something is to be done about it."""


H = TypeVar("H", bound=Opening)


class Openings(Generic[H]):
    """One of each address."""

    def __init__(self, config: ServerConfig) -> None:
        self.by_address: dict[Hashable, H] = {}
        self._half_open = HalfOpen(config.half_open, config.half_open_network)
        self._question_age = config.question_age
        self._questions: dict[H, float] = {}
        self._due = math.inf

    def __len__(self) -> int:
        return len(self.by_address)

    def has_room(self, address: Hashable, now: float) -> bool:
        """Whether one may begin there. None may while a question has waited for long: they would pile up behind it."""
        oldest = next(iter(self._questions.values()), now)
        return now - oldest <= self._question_age and self._half_open.has_room(address)

    def add(self, handshake: H) -> None:
        self.by_address[handshake.address] = handshake
        self._half_open.add(handshake.address)

    def remove(self, handshake: H) -> None:
        del self.by_address[handshake.address]
        self._half_open.remove(handshake.address)
        self._questions.pop(handshake, None)
        if not self.by_address:
            self._due = math.inf  # or the next handshake would seem late from its first moment

    def holds(self, handshake: H) -> bool:
        return self.by_address.get(handshake.address) is handshake

    # Questions

    def ask(self, handshake: H, now: float) -> None:
        """Somebody has to answer before it goes on."""
        self._questions[handshake] = now

    def is_answered(self, handshake: H) -> bool:
        """Note that it needs to wait no longer. False when it is gone: then the answer comes too late."""
        self._questions.pop(handshake, None)
        return self.holds(handshake)

    # Time

    def watch(self, handshake: H) -> None:
        """Look at it again when it is due."""
        self._due = min(self._due, handshake.due)

    def due(self, now: float) -> list[H]:
        """Those that something is to be done about. Each is then to be removed, or watched again."""
        if now < self._due:
            return []
        found, later = [], [math.inf]
        for handshake in self.by_address.values():
            if handshake.due <= now:
                found.append(handshake)
            else:
                later.append(handshake.due)
        self._due = min(later)
        return found

    def timer(self) -> float:
        """When to ask for those that are due; infinity: there is none."""
        return (math.floor(self._due / _TICK) + 1) * _TICK if self.by_address else math.inf
