"""What a simulated device tells the program round it. The names but the first are in the past: each has happened."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """The device wants a session with its server. Answer with ``connected`` or ``disconnected``."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The server accepted the registration."""

    location: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistrationUpdated:
    """The server accepted an update."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """There is no session, or no registration. The device tries again in ``delay`` seconds."""

    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """The device was told to restart, or installed firmware: its session and its observations are gone."""


@dataclass(frozen=True, slots=True)
class Deregistered:
    """The device left, and comes back in ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The device is off for good."""


Event = ConnectRequested | Registered | RegistrationUpdated | ConnectionLost | Restarted | Deregistered | Stopped
