"""The objects that manage the device itself: LwM2M Server (1) and Device (3), OMA LwM2M Core 1.1 appendix E."""

from __future__ import annotations

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import Value
from lamplighter.lwm2m.registration import BINDINGS_1_0, MAX_LIFETIME, TRANSPORTS_1_1
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.instance import Content, Effect, Instance, Refused

LIFETIME, MINIMUM_PERIOD, MAXIMUM_PERIOD, DISABLE, DISABLE_TIMEOUT, BINDING, UPDATE_TRIGGER = 1, 2, 3, 4, 5, 7, 8
MUTE_SEND = 23
REBOOT, FACTORY_RESET, BATTERY, ERROR_CODES, RESET_ERRORS, CURRENT_TIME = 4, 5, 9, 11, 12, 13
FIRMWARE_VERSION = 3

#: Seconds from one percent of battery to the next, on average; an empty battery is changed.
_BATTERY_SECONDS = 600.0


class Server(Instance):
    """The server account: how long a registration holds, and when it is renewed."""

    object_id = 1
    executable = frozenset({DISABLE, UPDATE_TRIGGER})

    def __init__(self, lifetime: int, version: str, *, binding: str = "U", least_lifetime: int = 1) -> None:
        """Lifetimes in seconds."""
        resources: dict[int, Content] = {
            0: 1,
            LIFETIME: lifetime,
            MINIMUM_PERIOD: 0,
            MAXIMUM_PERIOD: 0,
            DISABLE_TIMEOUT: 86400,
            6: True,
            BINDING: binding,
        }
        if version == "1.1":
            resources[MUTE_SEND] = False
        super().__init__(resources)
        self._version = version
        self._least = least_lifetime

    @property
    def lifetime(self) -> int:
        """Seconds."""
        return self.number(LIFETIME)

    def number(self, resource: int) -> int:
        """A resource known to be a whole number."""
        value = self.content[resource]
        assert isinstance(value, int)
        return value

    @property
    def binding(self) -> str:
        return str(self.content[BINDING])

    def check(self, number: int, value: Value) -> Value:
        value = super().check(number, value)
        if isinstance(value, str):
            transports = set(value)
            known = (
                value in BINDINGS_1_0
                if self._version == "1.0"
                else bool(value) and transports <= TRANSPORTS_1_1 and len(transports) == len(value)
            )
            if not known:
                raise Refused(Code.BAD_REQUEST, "not a binding")
        elif number == LIFETIME and isinstance(value, int) and 0 < value < self._least:
            raise Refused(Code.NOT_ACCEPTABLE, f"a lifetime below {self._least} s")
        elif isinstance(value, int) and not (1 if number == LIFETIME else 0) <= value <= MAX_LIFETIME:
            raise Refused(Code.BAD_REQUEST, "not a number of seconds")
        return value

    def write(self, number: int, value: Value, now: float) -> None:
        super().write(number, value, now)
        if number in (LIFETIME, BINDING):
            self.effects.append(Effect.UPDATE)

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        self.effects.append(Effect.DISABLE if number == DISABLE else Effect.UPDATE)


class Device(Instance):
    """What the device is, its clock and its battery."""

    object_id = 3
    executable = frozenset({REBOOT, FACTORY_RESET, RESET_ERRORS})

    def __init__(self, serial_number: str, random: Draws, now: float, epoch: float) -> None:
        """``epoch``: what to add to ``now`` for seconds since 1970."""
        super().__init__(
            {
                0: "Lamplighter",
                1: "Simulated lamp",
                2: serial_number,
                FIRMWARE_VERSION: "1.0.0",
                6: {0: 1},
                7: {0: 3300 + random.randint(-50, 50)},
                BATTERY: random.randint(60, 100),
                10: 64,
                ERROR_CODES: {0: 0},
                CURRENT_TIME: int(now + epoch),
                14: "+00:00",
                15: "Etc/UTC",
                16: "U",
                17: "lamp",
                18: "1",
                21: 256,
            }
        )
        self._random = random
        self._epoch = epoch
        self._next = now + random.expovariate(1 / _BATTERY_SECONDS)

    def write(self, number: int, value: Value, now: float) -> None:
        if number == CURRENT_TIME and isinstance(value, int):
            self._epoch = value - now
        super().write(number, value, now)

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        if number == RESET_ERRORS:
            self.put(ERROR_CODES, {0: 0})
        else:
            self.effects.append(Effect.REBOOT if number == REBOOT else Effect.FACTORY_RESET)

    def due(self) -> float | None:
        return self._next

    def advance(self, now: float) -> None:
        # Not through put(): who observes the instance does not want a notification every second.
        self.own()
        self.content[CURRENT_TIME] = int(now + self._epoch)
        while self._next <= now:
            level = self.content[BATTERY]
            assert isinstance(level, int)
            self.put(BATTERY, level - 1 if level > 1 else 100)
            self._next += self._random.expovariate(1 / _BATTERY_SECONDS)

    def reset(self) -> None:
        kept = {number: self.content[number] for number in (FIRMWARE_VERSION, BATTERY, CURRENT_TIME)}
        super().reset()
        for number, content in kept.items():
            self.put(number, content)
