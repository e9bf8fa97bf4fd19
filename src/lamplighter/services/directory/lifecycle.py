"""The events of a device's life that are not an update's: one table of codes, ours, because the public ones are unknown.

An update's codes (``UPD…``, ``SYS_…``) belong to the update service.
"""

from __future__ import annotations

from enum import Enum

from lamplighter.services.directory import events
from lamplighter.services.directory.model import Happening


class Lifecycle(Enum):
    """What can happen to a device."""

    CREATED = Happening("DEV_CREATED", "Device record created", "INFO_RECORD", "INFO", True, events.DEVICE_CREATED)
    UPDATED = Happening("DEV_UPDATED", "Device record updated", "INFO_RECORD", "INFO", False, events.DEVICE_UPDATED)
    DELETED = Happening("DEV_DELETED", "Device record deleted", "INFO_RECORD", "INFO", False, events.DEVICE_DELETED)
    BOOTSTRAPPED = Happening(
        "DEV_BOOTSTRAPPED", "Device bootstrapped", "SUCCESS_CONNECTIVITY", "SUCCESS", True, events.DEVICE_BOOTSTRAPPED
    )
    BOOTSTRAP_FAILED = Happening(
        "DEV_BOOTSTRAP_FAILED",
        "Device bootstrap failed",
        "FAIL_CONNECTIVITY",
        "FAIL",
        False,
        events.DEVICE_BOOTSTRAP_FAILED,
    )
    REGISTERED = Happening(
        "DEV_REGISTERED", "Device registered", "SUCCESS_CONNECTIVITY", "SUCCESS", True, events.DEVICE_REGISTERED
    )
    REGISTRATION_UPDATED = Happening(
        "DEV_REGISTRATION_UPDATED",
        "Device reported new facts about itself",
        "INFO_CONNECTIVITY",
        "INFO",
        False,
        events.DEVICE_FACTS_CHANGED,
    )
    DEREGISTERED = Happening(
        "DEV_DEREGISTERED", "Device deregistered", "INFO_CONNECTIVITY", "INFO", True, events.DEVICE_DEREGISTERED
    )
    REGISTRATION_EXPIRED = Happening(
        "DEV_REGISTRATION_EXPIRED",
        "Device registration expired",
        "INFO_CONNECTIVITY",
        "INFO",
        True,
        events.DEVICE_REGISTRATION_EXPIRED,
    )
    SUSPENDED = Happening(
        "DEV_SUSPENDED", "Device suspended by an operator", "INFO_LIFECYCLE", "INFO", False, events.DEVICE_SUSPENDED
    )
    RESUMED = Happening(
        "DEV_RESUMED", "Device resumed by an operator", "INFO_LIFECYCLE", "INFO", False, events.DEVICE_RESUMED
    )
    TURNED_AWAY = Happening(
        "DEV_TURNED_AWAY",
        "Suspended device tried to connect",
        "FAIL_CONNECTIVITY",
        "FAIL",
        False,
        events.DEVICE_TURNED_AWAY,
    )
    SYSTEM_SUSPENDED = Happening(
        "DEV_SYSTEM_SUSPENDED",
        "Device suspended by the system",
        "INFO_LIFECYCLE",
        "INFO",
        False,
        events.DEVICE_SUSPENDED,
    )
    SYSTEM_RESUMED = Happening(
        "DEV_SYSTEM_RESUMED", "Device resumed by the system", "INFO_LIFECYCLE", "INFO", False, events.DEVICE_RESUMED
    )
