"""How a registered device is reached: what it registered, the session it talks through, when it was last heard of."""

from __future__ import annotations

from lamplighter.clock import Clock
from lamplighter.coap.message import Message
from lamplighter.services.connect.peer import Peer
from lamplighter.services.connect.registering import Registered
from lamplighter.services.connect.resources import path_of
from lamplighter.services.connect.value_cache import Fresh, ValueCache

AWAKE = 93.0
"""Seconds after its last message that a device in queue mode still listens: MAX_TRANSMIT_WAIT, as OMA LwM2M Core 1.1
section 6.5 has it."""
VENDOR_AWAKE = 4.0
"""The same of the vendor's client, which sleeps after 4.5 (wire facts section 3.5)."""


class Reach:
    """What those share who deal with one device. In memory only, and small: there is one for each device of a process.

    :param value_age: seconds for which a value may be given again, see ``ValueCache``
    """

    __slots__ = ("_clock", "_heard", "peer", "registered", "silent", "values")
    registered: Registered
    peer: Peer | None
    silent: bool
    """Until it is heard of again it is not to be asked."""

    def __init__(self, clock: Clock, value_age: float) -> None:
        self.peer = None
        self.values = ValueCache(value_age)
        self.silent = True
        self._clock = clock
        self._heard = 0.0

    @property
    def key(self) -> tuple[str, str]:
        """Account and device id."""
        return self.registered.account_id, self.registered.device_id

    def hear(self) -> None:
        """A message of the device arrived."""
        self._heard = self._clock.monotonic()

    @property
    def seconds_since_heard(self) -> float:
        return self._clock.monotonic() - self._heard

    @property
    def sleeps(self) -> bool:
        """It is in queue mode and does not listen any more."""
        awake = self.seconds_since_heard < (VENDOR_AWAKE if self.registered.vendor else AWAKE)
        return self.registered.queue_mode and not awake

    @property
    def can_be_asked(self) -> bool:
        return not (self.silent or self.sleeps)

    def fresh(self, uri: str, accept: int | None = None) -> Fresh | None:
        """The value of a resource that is still of age."""
        now = self._clock.monotonic()
        found = self.values.fresh(path_of(uri), accept, now) if "?" not in uri else None
        return (
            Fresh(found.payload, found.content_format or 0, round(found.expires - now)) if found is not None else None
        )

    @property
    def has_fresh(self) -> bool:
        """Whether any value is of age."""
        return self.values.is_fresh(self._clock.monotonic())

    def remember(self, uri: str, message: Message) -> None:
        """The device told a value."""
        if "?" not in uri:
            now = self._clock.monotonic()
            self.values.put(path_of(uri), message.payload, message.content_format, message.max_age, now)
