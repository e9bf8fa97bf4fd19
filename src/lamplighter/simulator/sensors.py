"""What a simulated lamp measures and lights: IPSO objects 3303, 3200, 3347 and 3311, which live from a seed.

Time that nobody watched is caught up when somebody looks, draw by draw: what is seen does not depend on when it is seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import Value
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.instance import Content, Instance, Refused

STATE, COUNTER, RESET_COUNTER = 5500, 5501, 5505
VALUE, LEAST, MOST, RESET_EXTREMES = 5700, 5601, 5602, 5605
ON, DIMMER, COLOUR, APPLICATION = 5850, 5851, 5706, 5750

#: After more steps than these (a day's) the device does not catch up any more: who looks after a month does not wait for it.
_MOST_STEPS = 50_000


class LiveInstance(Instance, ABC):
    """Changes by itself, one step after another."""

    def __init__(self, initial: Mapping[int, Content], random: Draws, now: float, instance_id: int = 0) -> None:
        super().__init__(initial, instance_id)
        self.random = random
        self._next = now + self.pause()

    @abstractmethod
    def pause(self) -> float:
        """Seconds until the next step."""

    @abstractmethod
    def step(self) -> None:
        """What happens then."""

    def due(self) -> float | None:
        return self._next

    def advance(self, now: float) -> None:
        for _ in range(_MOST_STEPS):
            if self._next > now:
                return
            self.step()
            self._next += self.pause()
        self._next = now + self.pause()


class Temperature(LiveInstance):
    """A walk round 21 degrees Celsius, a step about every two seconds."""

    object_id = 3303
    executable = frozenset({RESET_EXTREMES})

    def __init__(self, random: Draws, now: float) -> None:
        first = round(random.uniform(19.0, 23.0), 2)
        super().__init__(
            {VALUE: first, 5701: "Cel", LEAST: first, MOST: first, 5603: -20.0, 5604: 60.0},
            random,
            now,
        )

    def pause(self) -> float:
        return self.random.uniform(1.5, 2.5)

    def step(self) -> None:
        value = self._number(VALUE)
        value = round(min(60.0, max(-20.0, value + 0.02 * (21.0 - value) + self.random.gauss(0.0, 0.15))), 2)
        self.put(VALUE, value)
        self.put(LEAST, min(value, self._number(LEAST)))
        self.put(MOST, max(value, self._number(MOST)))

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        self.advance(now)
        self.put(LEAST, self._number(VALUE))
        self.put(MOST, self._number(VALUE))

    def _number(self, resource: int) -> float:
        value = self.content[resource]
        assert isinstance(value, float)
        return value


class _Switch(LiveInstance):
    """Something that is on and off by itself, and counts how often it came on."""

    def step(self) -> None:
        on = not self.content[STATE]
        self.put(STATE, on)
        if on:
            count = self.content[COUNTER]
            assert isinstance(count, int)
            self.put(COUNTER, count + 1)


class DigitalInput(_Switch):
    """Somebody passes the lamp about every half minute."""

    object_id = 3200
    executable = frozenset({RESET_COUNTER})

    def __init__(self, random: Draws, now: float) -> None:
        super().__init__({STATE: False, COUNTER: 0, APPLICATION: "motion"}, random, now)

    def pause(self) -> float:
        return self.random.uniform(1.0, 4.0) if self.content[STATE] else self.random.expovariate(1 / 30)

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        self.advance(now)
        self.put(COUNTER, 0)


class PushButton(_Switch):
    """Somebody presses it about once a minute, for a moment."""

    object_id = 3347

    def __init__(self, random: Draws, now: float) -> None:
        super().__init__({STATE: False, COUNTER: 0, APPLICATION: "button"}, random, now)

    def pause(self) -> float:
        return self.random.uniform(0.2, 0.8) if self.content[STATE] else self.random.expovariate(1 / 60)


class Light(Instance):
    """A light to switch, dim and colour. More of them can be created, and those deleted again."""

    object_id = 3311

    def __init__(self, instance_id: int = 0) -> None:
        super().__init__({ON: False, DIMMER: 100, COLOUR: "#ffb84d", APPLICATION: "lamp"}, instance_id)

    def check(self, number: int, value: Value) -> Value:
        value = super().check(number, value)
        if number == DIMMER and isinstance(value, int) and not 0 <= value <= 100:
            raise Refused(Code.BAD_REQUEST, "the dimmer takes 0 to 100 percent")
        return value
