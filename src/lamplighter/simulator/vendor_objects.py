"""The objects that only the vendor's client has: 14, 10252, 10255 and 35011 (wire facts sections 2.4, 4.1 and 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import IntEnum

from lamplighter.lwm2m.path import Path
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.image import Failures, Fault, Image, ImageFailed
from lamplighter.simulator.instance import Effect, Instance
from lamplighter.simulator.manifest import Manifest, ManifestMalformed, read_manifest

PACKAGE, STATE, RESULT = 1, 2, 3
IDENTITY, VERSION = 0, 2
ENROLMENT, ENROL = 35011, 27002
COMPONENT = "MAIN"
VENDOR_ID = hashlib.sha256(b"vendor: Lamplighter").digest()[:16]
CLASS_ID = hashlib.sha256(b"class: simulated lamp").digest()[:16]
NO_RESULT = -1

#: Observed by the client itself, from its registration on.
AUTOMATIC = frozenset(
    {Path(3, 0, 0), Path(3, 0, 1), Path(3, 0, 2), Path(10252, 0, STATE), Path(10252, 0, RESULT)}
    | {Path(10255, 0, number) for number in (0, 3, 4)}
)
#: With their values in the registration.
VALUED = AUTOMATIC | {Path(14, 0, IDENTITY), Path(14, 0, VERSION)}


class UpdateState(IntEnum):
    """Resource 2 of 10252."""

    IDLE = 1
    PROCESSING = 2
    AWAITING_DOWNLOAD = 3
    DOWNLOADING = 4
    AWAITING_INSTALL = 6
    INSTALLING = 7
    REBOOTING = 8


class UpdateResult(IntEnum):
    """Resource 3 of 10252, as far as this device knows them."""

    MALFORMED = 22
    DOWNLOAD_FAILED = 24
    PAYLOAD_CORRUPTED = 26
    VENDOR_MISMATCH = 30
    CLASS_MISMATCH = 31
    STORAGE = 33
    UNKNOWN_COMPONENT = 39
    INTERNAL = 41


_NEXT = {
    UpdateState.PROCESSING: UpdateState.AWAITING_DOWNLOAD,
    UpdateState.AWAITING_DOWNLOAD: UpdateState.DOWNLOADING,
    UpdateState.DOWNLOADING: UpdateState.AWAITING_INSTALL,
    UpdateState.AWAITING_INSTALL: UpdateState.INSTALLING,
    UpdateState.INSTALLING: UpdateState.REBOOTING,
}
#: An update in these goes on after a restart.
_UNDER_WAY = frozenset({*_NEXT} - {UpdateState.PROCESSING})
_RESULTS = {
    Fault.BAD_IMAGE: UpdateResult.PAYLOAD_CORRUPTED,
    Fault.NO_MEMORY: UpdateResult.STORAGE,
    Fault.LOST: UpdateResult.DOWNLOAD_FAILED,
    Fault.NOT_FOUND: UpdateResult.DOWNLOAD_FAILED,
    Fault.SCHEME: UpdateResult.INTERNAL,
}
#: Seconds that each state takes, drawn between these.
_STATE_SECONDS = (1.0, 4.0)


class Component(Instance):
    """The firmware's component, MAIN, and its version."""

    object_id = 14

    def __init__(self) -> None:
        super().__init__({IDENTITY: COMPONENT, VERSION: "0.0.0"})

    def reset(self) -> None:
        """A factory reset does not bring older firmware back."""


class Metadata(Instance):
    """What campaigns choose devices by."""

    object_id = 10255

    def __init__(self) -> None:
        super().__init__({0: 4, 3: VENDOR_ID, 4: CLASS_ID})


class CertificateEnrolment(Instance):
    """Lets the server have a certificate renewed. What comes of it is seen to by ``renewal``."""

    object_id = ENROLMENT
    executable = frozenset({ENROL})

    def __init__(self) -> None:
        super().__init__({})


class ManifestUpdate(Instance):
    """Takes a manifest, has its image fetched, and walks through the states of an update.

    ``failures`` says which updates come to nothing.
    """

    object_id = 10252
    executable = frozenset({PACKAGE})
    punctual = True

    def __init__(self, random: Draws, failures: Failures) -> None:
        super().__init__({STATE: UpdateState.IDLE.value, RESULT: NO_RESULT})
        self.told: Callable[[], bool] = lambda: True
        """Whether the server has acknowledged the state: the client goes on only then."""
        self.version = ""
        """What runs after the restart."""
        self.image: Image | None = None
        """What is fetched, or waits to be installed."""
        self._manifest: Manifest | None = None
        self._random = random
        self._failures = failures
        self._next: float | None = None

    @property
    def state(self) -> UpdateState:
        return UpdateState(int(str(self.content[STATE])))

    @property
    def is_downloading(self) -> bool:
        return self.state is UpdateState.DOWNLOADING

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        if self.state is not UpdateState.IDLE:
            return  # busy, or the same manifest again: taken and forgotten
        try:
            manifest = read_manifest(arguments)
        except ManifestMalformed:
            self._fail(UpdateResult.MALFORMED)
            return
        if manifest.vendor_id != VENDOR_ID:
            self._fail(UpdateResult.VENDOR_MISMATCH)
        elif manifest.class_id != CLASS_ID:
            self._fail(UpdateResult.CLASS_MISMATCH)
        elif manifest.component != COMPONENT:
            self._fail(UpdateResult.UNKNOWN_COMPONENT)
        else:
            self.version = manifest.version
            self._manifest = manifest
            self.image = Image(manifest.uri, self._failures.draw())
            self.put(RESULT, NO_RESULT)
            self._become(UpdateState.AWAITING_DOWNLOAD, now)

    def image_ended(self, image: Image, fault: Fault | None, now: float) -> None:
        """The download is over, for this time."""
        if image is not self.image or self.state is not UpdateState.DOWNLOADING or self._manifest is None:
            return
        try:
            if fault is not None:
                raise ImageFailed(fault)
            if image.size != self._manifest.size:
                raise ImageFailed(Fault.BAD_IMAGE)
            image.finish(self._manifest.digest)
        except ImageFailed as error:
            self._fail(_RESULTS[error.fault])
        else:
            self._next = now

    def due(self) -> float | None:
        return self._next if self._next is None or self.told() else None

    def advance(self, now: float) -> None:
        due = self.due()
        if due is None or now < due:
            return
        if self.state is UpdateState.REBOOTING:
            self._next = None
            self.effects.append(Effect.INSTALL)
        else:
            self._become(_NEXT[self.state], now)

    def install(self) -> bool:
        """The device has restarted: whether the new firmware runs. The version tells the server (wire facts section 5.1)."""
        runs = self.image is not None and self.image.fault is not Fault.ROLLBACK
        self.image = self._manifest = None
        self.put(STATE, UpdateState.IDLE.value)
        self.put(RESULT, NO_RESULT)
        return runs

    def restarted(self, now: float) -> None:
        """The device restarted in the middle of an update: it goes on, with what of the image is here already."""
        if self.state in _UNDER_WAY and self.image is not None:
            self.image = self.image.again()
            self._become(UpdateState.PROCESSING, now)

    def reset(self) -> None:
        self._next = None
        self._drop()
        super().reset()

    def _become(self, state: UpdateState, now: float) -> None:
        self.put(STATE, state.value)
        self._next = now + self._random.uniform(*_STATE_SECONDS)
        image, manifest = self.image, self._manifest
        if state is UpdateState.DOWNLOADING and image is not None and manifest is not None:
            if image.size < manifest.size or not image.size:  # after a restart all of it may be here
                self._next = None
                self.effects.append(Effect.DOWNLOAD)

    def _fail(self, result: UpdateResult) -> None:
        """The result first, then the state (wire facts section 5.1)."""
        self._next = None
        self._drop()
        self.put(RESULT, result.value)
        self.put(STATE, UpdateState.IDLE.value)

    def _drop(self) -> None:
        if self.image is not None:
            self.image.over = True
        self.image = self._manifest = None
