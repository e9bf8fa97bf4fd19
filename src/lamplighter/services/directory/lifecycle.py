"""The events of a device's life that are not an update's: one table of codes, ours, because the public ones are unknown.

An update's codes (``UPD…``, ``SYS_…``) belong to the update service.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

Outcome = Literal["SUCCESS", "FAIL", "INFO"]


class Happening(NamedTuple):
    """A kind of device event.

    :param code: ``event_type`` on the wire
    :param category: ``event_type_category`` on the wire
    :param outcome: ``event_type_description`` on the wire
    :param state_change: whether such an event changes the device's ``state``
    :param kind: the name under which the event log tells other services of it
    """

    code: str
    description: str
    category: str
    outcome: Outcome
    state_change: bool
    kind: str


class Lifecycle(Enum):
    """What can happen to a device."""

    CREATED = Happening("DEV_CREATED", "Device record created", "INFO_RECORD", "INFO", True, "DeviceCreated")
    UPDATED = Happening("DEV_UPDATED", "Device record updated", "INFO_RECORD", "INFO", False, "DeviceUpdated")
    DELETED = Happening("DEV_DELETED", "Device record deleted", "INFO_RECORD", "INFO", False, "DeviceDeleted")
    BOOTSTRAPPED = Happening(
        "DEV_BOOTSTRAPPED", "Device bootstrapped", "SUCCESS_CONNECTIVITY", "SUCCESS", True, "DeviceBootstrapped"
    )
    BOOTSTRAP_FAILED = Happening(
        "DEV_BOOTSTRAP_FAILED", "Device bootstrap failed", "FAIL_CONNECTIVITY", "FAIL", False, "DeviceBootstrapFailed"
    )
    REGISTERED = Happening(
        "DEV_REGISTERED", "Device registered", "SUCCESS_CONNECTIVITY", "SUCCESS", True, "DeviceRegistered"
    )
    REGISTRATION_UPDATED = Happening(
        "DEV_REGISTRATION_UPDATED",
        "Device reported new facts about itself",
        "INFO_CONNECTIVITY",
        "INFO",
        False,
        "DeviceFactsChanged",
    )
    DEREGISTERED = Happening(
        "DEV_DEREGISTERED", "Device deregistered", "INFO_CONNECTIVITY", "INFO", True, "DeviceDeregistered"
    )
    REGISTRATION_EXPIRED = Happening(
        "DEV_REGISTRATION_EXPIRED",
        "Device registration expired",
        "INFO_CONNECTIVITY",
        "INFO",
        True,
        "DeviceRegistrationExpired",
    )
    SUSPENDED = Happening(
        "DEV_SUSPENDED", "Device suspended by an operator", "INFO_LIFECYCLE", "INFO", False, "DeviceSuspended"
    )
    RESUMED = Happening(
        "DEV_RESUMED", "Device resumed by an operator", "INFO_LIFECYCLE", "INFO", False, "DeviceResumed"
    )
    SYSTEM_SUSPENDED = Happening(
        "DEV_SYSTEM_SUSPENDED", "Device suspended by the system", "INFO_LIFECYCLE", "INFO", False, "DeviceSuspended"
    )
    SYSTEM_RESUMED = Happening(
        "DEV_SYSTEM_RESUMED", "Device resumed by the system", "INFO_LIFECYCLE", "INFO", False, "DeviceResumed"
    )
