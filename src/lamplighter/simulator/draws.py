"""Repeatable draws for a great many devices: Python's own generator takes 2.5 KB each, and a device has eight.

SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, seeded by any text. Not for keys.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


class Draws:
    """The same text gives the same draws. The methods are those of ``random.Random`` that devices use."""

    __slots__ = ("_state",)

    def __init__(self, seed: str) -> None:
        self._state = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest(), "big")

    def _next(self) -> int:
        self._state = mixed = (self._state + _GAMMA) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def random(self) -> float:
        """At least 0 and below 1."""
        return (self._next() >> 11) * 2.0**-53

    def getrandbits(self, k: int, /) -> int:
        """At most 64 of them."""
        return self._next() >> (64 - k)

    def uniform(self, least: float, most: float) -> float:
        return least + (most - least) * self.random()

    def expovariate(self, rate: float) -> float:
        """The wait for something that happens ``rate`` times a second on average."""
        return -math.log(1.0 - self.random()) / rate

    def gauss(self, mean: float, deviation: float) -> float:
        radius = math.sqrt(-2.0 * math.log(1.0 - self.random()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.random())

    def randrange(self, end: int) -> int:
        """At least 0 and below ``end``, which is far below 2**64."""
        return self._next() * end >> 64

    def randint(self, least: int, most: int) -> int:
        return least + self.randrange(most - least + 1)

    def choice(self, options: Sequence[T]) -> T:
        return options[self.randrange(len(options))]

    def randbytes(self, count: int) -> bytes:
        return b"".join([self._next().to_bytes(8, "big") for _ in range(count // 8 + 1)])[:count]
