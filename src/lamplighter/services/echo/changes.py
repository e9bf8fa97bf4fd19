"""What a batch of events means for echoes, gathered before anything is written: of many reports the last one counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lamplighter.services.echo.model import DesiredStatus

Key = tuple[str, str]
"""Account and device."""


class Report(NamedTuple):
    """A value that a device told. Times are microseconds UTC."""

    value: bytes
    media_type: str
    at: int
    expires_at: int


class Desire(NamedTuple):
    """A value that was to be written, by that command; later what became of it."""

    value: bytes
    command_id: str
    at: int
    status: DesiredStatus
    status_at: int


@dataclass
class DeviceChanges:
    """What is new of one device."""

    seen_at: int = 0
    registered_at: int = 0
    reports: dict[str, Report] = field(default_factory=dict)
    desires: dict[str, Desire] = field(default_factory=dict)
    ends: dict[str, tuple[DesiredStatus, int]] = field(default_factory=dict)
    """By the id of the command that was to write."""

    def end(self, command_id: str, status: DesiredStatus, at: int) -> None:
        """A write has ended."""
        for path, desire in self.desires.items():
            if desire.command_id == command_id:
                self.desires[path] = desire._replace(status=status, status_at=at)
        self.ends[command_id] = (status, at)


@dataclass
class Changes:
    """What a batch means."""

    value_size: int
    """Bytes that a value may have."""
    devices: dict[Key, DeviceChanges] = field(default_factory=dict)
    deleted: set[Key] = field(default_factory=set)
    too_large: int = 0
    """Values that are not kept."""

    def of(self, key: Key, at: int) -> DeviceChanges:
        """The device's, which was heard of then."""
        found = self.devices.setdefault(key, DeviceChanges())
        found.seen_at = max(found.seen_at, at)
        return found

    def fits(self, value: bytes) -> bool:
        """Whether a value is small enough; one that is not is counted."""
        if len(value) <= self.value_size:
            return True
        self.too_large += 1
        return False

    def delete(self, key: Key) -> None:
        """The device is gone, with all that was known of it."""
        self.devices.pop(key, None)
        self.deleted.add(key)
