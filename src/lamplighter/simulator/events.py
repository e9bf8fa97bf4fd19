"""What a simulated device tells the program round it. What is asked for ends in Requested; the rest has happened."""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.simulator.image import Image


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """The device wants a session. Answer with ``connected`` or ``disconnected``.

    ``bootstrap``: with the bootstrap server, else with the LwM2M server. ``resume``: go on with the session that there was, from
    another port, as a client does that kept it over a restart.
    """

    bootstrap: bool = False
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """The device has an account for LwM2M."""

    device_id: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The server accepted the registration."""

    location: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistrationUpdated:
    """The server accepted an update."""


@dataclass(frozen=True, slots=True)
class AddressLost:
    """The NAT between has forgotten the device: what it sends from now on comes from another port, in the same session."""


@dataclass(frozen=True, slots=True)
class DownloadRequested:
    """The device fetches firmware from where its address says. Answer with ``image_ended``."""

    image: Image


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """There is no session, or no registration. The device tries again in ``delay`` seconds."""

    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """The device restarted, by itself, on command, or with other firmware: its observations are gone."""


@dataclass(frozen=True, slots=True)
class Deregistered:
    """The device left, and comes back in ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The device is off for good."""


Event = (
    ConnectRequested
    | Bootstrapped
    | Registered
    | RegistrationUpdated
    | AddressLost
    | DownloadRequested
    | ConnectionLost
    | Restarted
    | Deregistered
    | Stopped
)
