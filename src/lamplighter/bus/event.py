"""What happened: the one form in which services tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, in the past tense: ``Event(kind="DeviceRegistered", …)``.

    :param kind: its name
    :param account_id: whose it is
    :param device_id: the device it is about, when it is about one
    :param time: when, microseconds since 1970 UTC
    :param data: what else there is to say, as JSON can; it is not to be changed
    """

    kind: str
    account_id: str
    time: int
    device_id: str | None = None
    data: Mapping[str, Any] = {}


class Recorded(msgspec.Struct, frozen=True):
    """An event in the log, and its place there.

    :param position: opaque; what lies behind it is read by giving it to ``EventLog.read``
    """

    position: str
    event: Event
