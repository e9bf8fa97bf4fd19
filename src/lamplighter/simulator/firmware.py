"""Firmware Update (5) and its states, OMA LwM2M Core 1.1 appendix E.6."""

from __future__ import annotations

from enum import IntEnum
from urllib.parse import urlsplit

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import Value
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.image import Failures, Fault, Image, ImageFailed
from lamplighter.simulator.instance import Effect, Instance, Refused

PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT, PROTOCOLS, DELIVERY = 0, 1, 2, 3, 5, 8, 9
SCHEMES = ("coap", "coaps", "http", "https")
"""What is fetched, in the order of the numbers of resource 8."""
_PUSH_AND_PULL = 2


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
    UNSUPPORTED_PROTOCOL = 9


_RESULTS = {
    Fault.BAD_IMAGE: Result.INTEGRITY,
    Fault.NO_MEMORY: Result.NO_FLASH,
    Fault.LOST: Result.CONNECTION_LOST,
    Fault.NOT_FOUND: Result.INVALID_URI,
    Fault.SCHEME: Result.UNSUPPORTED_PROTOCOL,
    Fault.ROLLBACK: Result.FAILED,
}


class FirmwareUpdate(Instance):
    """Takes any package, written or fetched from its address; ``failures`` says which updates come to nothing."""

    object_id = 5
    executable = frozenset({UPDATE})
    punctual = True

    def __init__(self, random: Draws, failures: Failures) -> None:
        super().__init__(
            {
                PACKAGE_URI: "",
                STATE: State.IDLE.value,
                RESULT: Result.INITIAL.value,
                PROTOCOLS: dict(enumerate(range(len(SCHEMES)))),
                DELIVERY: _PUSH_AND_PULL,
            }
        )
        self.image: Image | None = None
        """What is fetched, or waits to be installed."""
        self._random = random
        self._failures = failures
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
        if not value:
            self._drop()
            self._become(State.IDLE, Result.INITIAL)
        elif self.state is not State.IDLE:
            raise Refused(Code.METHOD_NOT_ALLOWED, "write an empty package first to drop the one that is here")
        elif isinstance(value, bytes):
            self._take(value)
        else:
            self._fetch(str(value))

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        if self.state is not State.DOWNLOADED:
            raise Refused(Code.METHOD_NOT_ALLOWED, "there is no package to install")
        self._become(State.UPDATING, Result.INITIAL)
        self._next = now + self._random.uniform(2.0, 10.0)

    def image_ended(self, image: Image, fault: Fault | None, now: float) -> None:
        """The download is over; what nobody wants any more changes nothing."""
        if image is not self.image or self.state is not State.DOWNLOADING:
            return
        try:
            if fault is not None:
                raise ImageFailed(fault)
            image.finish()
        except ImageFailed as error:
            self._fail(error.fault)
        else:
            self._become(State.DOWNLOADED, Result.INITIAL)

    def due(self) -> float | None:
        return self._next

    def advance(self, now: float) -> None:
        if self._next is not None and now >= self._next:
            self._next = None
            self.effects.append(Effect.INSTALL)

    def install(self) -> bool:
        """The device has restarted with the package: whether it runs. Otherwise what ran before is back."""
        if self.image is not None and self.image.fault is Fault.ROLLBACK:
            self._become(State.DOWNLOADED, Result.FAILED)
            return False
        self._drop()
        self._become(State.IDLE, Result.SUCCESS)
        return True

    def restarted(self, now: float) -> None:
        """The device restarted for another reason: a download does not survive it."""
        if self.state is State.DOWNLOADING:
            self._fail(Fault.LOST)
        elif self.state is State.UPDATING:
            self._next = None
            self._become(State.DOWNLOADED, Result.FAILED)

    def reset(self) -> None:
        self._next = None
        self._drop()
        super().reset()

    def _take(self, package: bytes) -> None:
        """Written to the device in one or many blocks."""
        self.image = image = Image(fault=self._failures.draw())
        try:
            image.expect(len(package))
            image.add(package)
            image.finish()
        except ImageFailed as error:
            self._fail(error.fault)
        else:
            self._become(State.DOWNLOADED, Result.INITIAL)

    def _fetch(self, uri: str) -> None:
        self.put(PACKAGE_URI, uri)
        scheme, host = _address(uri)
        if not host:
            self._become(State.IDLE, Result.INVALID_URI)
        elif scheme not in SCHEMES:
            self._become(State.IDLE, Result.UNSUPPORTED_PROTOCOL)
        else:
            self.image = Image(uri, self._failures.draw())
            self._become(State.DOWNLOADING, Result.INITIAL)
            self.effects.append(Effect.DOWNLOAD)

    def _fail(self, fault: Fault) -> None:
        self._drop()
        self._become(State.IDLE, _RESULTS[fault])

    def _drop(self) -> None:
        if self.image is not None:
            self.image.over = True
            self.image = None
        self.put(PACKAGE_URI, "")

    def _become(self, state: State, result: Result) -> None:
        self.put(STATE, state.value)
        self.put(RESULT, result.value)


def _address(uri: str) -> tuple[str, str]:
    """Scheme and host; empty where there is none."""
    try:
        parts = urlsplit(uri)
        return parts.scheme, parts.hostname or "" if parts.port != 0 else ""
    except ValueError:
        return "", ""
