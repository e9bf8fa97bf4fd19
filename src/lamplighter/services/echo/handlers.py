"""What each event means for an echo. The log gives them in the order in which a device's happened."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from lamplighter.bus.event import Event
from lamplighter.clock import MICROSECONDS
from lamplighter.lwm2m.objects import Definitions
from lamplighter.services.connect.events import DESIRED, FINISHED, NOTIFIED, REGISTERED, TOLD
from lamplighter.services.connect.service import resource_values
from lamplighter.services.directory.events import DEVICE_DELETED
from lamplighter.services.echo.changes import Changes, Desire, DeviceChanges, Report
from lamplighter.services.echo.model import DesiredStatus

DATA_OF = frozenset({NOTIFIED, FINISHED, DESIRED, TOLD})
"""Kinds of events whose data is looked at here."""
OF_INTEREST = DATA_OF | {REGISTERED, DEVICE_DELETED}
_READING = frozenset({"GET", "FETCH", "OBSERVE"})
_WRITING = frozenset({"PUT", "IPATCH"})


def gather(changes: Changes, event: Event, definitions: Definitions | None) -> None:
    """Add what an event means.

    :param definitions: the LwM2M objects of its account, where its payload may need them
    """
    if event.device_id is None:
        return
    key = (event.account_id, event.device_id)
    if event.kind == DEVICE_DELETED:
        changes.delete(key)
        return
    device = changes.of(key, event.time)
    match event.kind:
        case "RegistrationMade":
            device.registered_at = event.time
        case "ResourceNotified":
            _report(changes, device, event.data["item"], event.data["item"]["path"], event.time, definitions)
        case "ValuesRegistered":
            for item in event.data["values"]:
                _report(changes, device, item, item["path"], event.time, definitions)
        case "ValueDesired":
            _desire(changes, device, event, definitions)
        case "RequestFinished":
            _finish(changes, device, event, definitions)


def needs_definitions(event: Event) -> bool:
    """Whether its payload is of many resources at once, whose types say how to read it."""
    item = event.data.get("item")
    return isinstance(item, Mapping) and bool(item.get("payload")) and "tlv" in (item.get("ct") or "")


def _report(
    changes: Changes,
    device: DeviceChanges,
    item: Mapping[str, Any],
    path: str,
    at: int,
    definitions: Definitions | None,
) -> None:
    expires_at = at + int(item.get("max-age") or 0) * MICROSECONDS
    for value in resource_values(item, path, definitions):
        if changes.fits(value.payload):
            device.reports[value.path] = Report(value.payload, value.media_type, at, expires_at)


def _desire(changes: Changes, device: DeviceChanges, event: Event, definitions: Definitions | None) -> None:
    item, command_id = event.data["item"], event.data["command_id"]
    for value in resource_values(item, item["path"], definitions):
        if changes.fits(value.payload):
            desire = Desire(value.payload, command_id, event.time, DesiredStatus.PENDING, event.time)
            device.desires[value.path] = desire


def _finish(changes: Changes, device: DeviceChanges, event: Event, definitions: Definitions | None) -> None:
    request, item = event.data.get("request"), event.data["item"]
    if request is None:
        return
    done = item["status"] == 200
    if request["method"] in _WRITING:
        device.end(request["id"], DesiredStatus.OK if done else DesiredStatus.FAILED, event.time)
    elif request["method"] in _READING and done and base64.b64decode(item["payload"]):
        _report(changes, device, item, request["path"], event.time, definitions)
