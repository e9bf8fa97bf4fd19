"""Firmware Update (5) and its states, OMA LwM2M Core 1.1 appendix E.6."""

from __future__ import annotations

import re
from enum import IntEnum

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import Value
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.instance import Effect, Instance, Refused

PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT = 0, 1, 2, 3, 5

_URI = re.compile(r"(?:coaps?|https?)(?:\+tcp)?://[^\s/]+(?:/\S*)?")


class State(IntEnum):
    """Resource 3."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class Result(IntEnum):
    """Resource 5, as far as this device knows them."""

    INITIAL = 0
    SUCCESS = 1
    NO_FLASH = 2
    CONNECTION_LOST = 4
    INTEGRITY = 5
    INVALID_URI = 7
    FAILED = 8


_DOWNLOAD_FAILURES = (Result.NO_FLASH, Result.CONNECTION_LOST, Result.INTEGRITY)


class FirmwareUpdate(Instance):
    """Takes any package. What a URI names is not fetched: the time that it would take passes, and then it is there.

    ``failing``: the part of the downloads and of the installations that fail.
    """

    object_id = 5
    executable = frozenset({UPDATE})
    punctual = True

    def __init__(self, random: Draws, failing: float = 0.0) -> None:
        super().__init__(
            {PACKAGE_URI: "", STATE: State.IDLE.value, RESULT: Result.INITIAL.value, 8: {0: 0, 1: 2}, 9: 2}
        )
        self._random = random
        self._failing = failing
        self._next: float | None = None

    @property
    def state(self) -> State:
        value = self.content[STATE]
        assert isinstance(value, int)
        return State(value)

    def only_written(self, number: int) -> bool:
        return number == PACKAGE

    def write(self, number: int, value: Value, now: float) -> None:
        if self.state is State.UPDATING:
            raise Refused(Code.METHOD_NOT_ALLOWED, "an update is being installed")
        self._next = None
        if not value:
            self._become(State.IDLE, Result.INITIAL)
            self.put(PACKAGE_URI, "")
        elif self.state is State.DOWNLOADED:
            raise Refused(Code.METHOD_NOT_ALLOWED, "write an empty package first to drop the one that is here")
        elif number == PACKAGE:
            self._become(State.DOWNLOADED, Result.INITIAL)
        else:
            self.put(PACKAGE_URI, value)
            if _URI.fullmatch(str(value)):
                self._become(State.DOWNLOADING, Result.INITIAL)
                self._next = now + self._random.uniform(2.0, 10.0)
            else:
                self._become(State.IDLE, Result.INVALID_URI)

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        if self.state is not State.DOWNLOADED:
            raise Refused(Code.METHOD_NOT_ALLOWED, "there is no package to install")
        self._become(State.UPDATING, Result.INITIAL)
        self._next = now + self._random.uniform(2.0, 10.0)

    def due(self) -> float | None:
        return self._next

    def advance(self, now: float) -> None:
        if self._next is None or now < self._next:
            return
        self._next = None
        failed = self._failing > 0 and self._random.random() < self._failing
        if self.state is State.DOWNLOADING:
            if failed:
                self._become(State.IDLE, self._random.choice(_DOWNLOAD_FAILURES))
            else:
                self._become(State.DOWNLOADED, Result.INITIAL)
        elif failed:
            self._become(State.DOWNLOADED, Result.FAILED)
        else:
            self.put(PACKAGE_URI, "")
            self._become(State.IDLE, Result.SUCCESS)
            self.effects.append(Effect.INSTALL)

    def reset(self) -> None:
        self._next = None
        super().reset()

    def _become(self, state: State, result: Result) -> None:
        self.put(STATE, state.value)
        self.put(RESULT, result.value)
