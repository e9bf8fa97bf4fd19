"""The lists as the API shows them, for the API reference."""

from __future__ import annotations

import msgspec

from lamplighter.services.directory.model import BlockCategory, Device, DeviceEvent, DeviceGroup
from lamplighter.services.directory.queries import DeviceQuery


class Listed(msgspec.Struct, kw_only=True):
    """What every list has beside its data."""

    object: str = "list"
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int


class DevicePage(Listed, kw_only=True):
    """A page of devices."""

    data: list[Device]


class DeviceGroupPage(Listed, kw_only=True):
    """A page of device groups."""

    data: list[DeviceGroup]


class DeviceQueryPage(Listed, kw_only=True):
    """A page of device queries."""

    data: list[DeviceQuery]


class DeviceEventPage(Listed, kw_only=True):
    """A page of device events."""

    data: list[DeviceEvent]


class DeviceBlockCategoryPage(Listed, kw_only=True):
    """A page of block categories."""

    data: list[BlockCategory]
