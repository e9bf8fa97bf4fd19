"""The events that the directory appends to the event log, for other services.

Every one names the device in ``device_id`` and has in ``data`` the ``endpoint_name``; what else it has is said here.
"""

from __future__ import annotations

DEVICE_CREATED = "DeviceCreated"
"""A record was made, by the API or for a device that came for the first time. ``state``: its state."""

DEVICE_UPDATED = "DeviceUpdated"
"""An application changed the record. ``changed``: names of the fields, joined by commas."""

DEVICE_DELETED = "DeviceDeleted"
"""The record is gone: end its session, forget its registration, refuse its credentials."""

DEVICE_BOOTSTRAPPED = "DeviceBootstrapped"
"""The device was given its credentials for LwM2M."""

DEVICE_BOOTSTRAP_FAILED = "DeviceBootstrapFailed"
"""A bootstrap was begun and not finished. ``reason``: why, in words."""

DEVICE_REGISTERED = "DeviceRegistered"
"""The state has become registered."""

DEVICE_FACTS_CHANGED = "DeviceFactsChanged"
"""A device that is registered said something new. ``changed``: names of the fields, joined by commas."""

DEVICE_DEREGISTERED = "DeviceDeregistered"
"""The state has become deregistered, because the device said so."""

DEVICE_REGISTRATION_EXPIRED = "DeviceRegistrationExpired"
"""The state has become deregistered, because the device was not heard of within its lifetime."""

DEVICE_SUSPENDED = "DeviceSuspended"
"""The device is blocked: end its session and refuse it. ``category``, ``description``; ``by``: operator or system."""

DEVICE_TURNED_AWAY = "DeviceTurnedAway"
"""The device tried to connect while it was blocked. At most once an hour of each process."""

DEVICE_RESUMED = "DeviceResumed"
"""One block was lifted. ``category``, ``description``; ``by``: operator or system. ``lifecycle_status``: whether the
device may connect now (enabled) or the other of the two still blocks it (blocked)."""
