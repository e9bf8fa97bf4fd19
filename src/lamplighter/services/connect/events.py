"""What happens on the device side, as events of the log; and how a channel shows each of them.

An event's data holds the item of the public NotificationMessage ready to be sent, so that delivering it needs no other table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from lamplighter.bus.event import Event

Key = Literal[
    "notifications",
    "registrations",
    "reg-updates",
    "de-registrations",
    "registrations-expired",
    "async-responses",
]
"""The members of the contract's NotificationMessage. A message carries one of them only: some clients read no more."""

# Not the names of services/directory/events.py, which tells the same of the device's record.
REGISTERED = "RegistrationMade"
UPDATED = "RegistrationUpdated"
DEREGISTERED = "RegistrationEnded"
EXPIRED = "RegistrationExpired"
NOTIFIED = "ResourceNotified"
FINISHED = "RequestFinished"
DESIRED = "ValueDesired"
TOLD = "ValuesRegistered"
PRESUBSCRIBED = "PreSubscriptionsReplaced"
"""These are for services: no channel shows them."""

KEYS: dict[str, Key] = {
    REGISTERED: "registrations",
    UPDATED: "reg-updates",
    DEREGISTERED: "de-registrations",
    EXPIRED: "registrations-expired",
    NOTIFIED: "notifications",
    FINISHED: "async-responses",
}


class Delivery(NamedTuple):
    """An event as a channel delivers it."""

    key: Key
    item: dict[str, Any] | str
    """An object, or for the two lists of device ids a string."""
    subjects: tuple[str, ...] | None
    """The applications (or API keys) it is for; None: every channel of the account."""
    endpoint_name: str
    """``original-ep``, for channels that ask for it."""


def registered(account_id: str, device_id: str, time: int, item: dict[str, Any], endpoint_name: str) -> Event:
    """A full registration. ``item``: ep, original-ep, ept, q, resources."""
    return _event(REGISTERED, account_id, device_id, time, item, endpoint_name)


def updated(account_id: str, device_id: str, time: int, item: dict[str, Any], endpoint_name: str) -> Event:
    """A registration update."""
    return _event(UPDATED, account_id, device_id, time, item, endpoint_name)


def deregistered(account_id: str, device_id: str, time: int, endpoint_name: str, *, expired: bool = False) -> Event:
    """The end of a registration, asked for or by expiry."""
    return _event(EXPIRED if expired else DEREGISTERED, account_id, device_id, time, device_id, endpoint_name)


def notified(
    account_id: str, device_id: str, time: int, item: dict[str, Any], endpoint_name: str, subjects: tuple[str, ...]
) -> Event:
    """A value that a device reported. ``item``: ep, path, ct, payload (base64), max-age."""
    return _event(NOTIFIED, account_id, device_id, time, item, endpoint_name, subjects)


def finished(
    account_id: str,
    device_id: str,
    time: int,
    item: dict[str, Any],
    endpoint_name: str,
    subject: str,
    request: Mapping[str, str] | None = None,
) -> Event:
    """The one end of a command. ``item``: id, status, error where there is one, payload (always), ct, max-age.

    :param request: id, method and path of the command; None where none was needed
    """
    event = _event(FINISHED, account_id, device_id, time, item, endpoint_name, (subject,))
    return event if request is None else msgspec.structs.replace(event, data={**event.data, "request": request})


def desired(account_id: str, device_id: str, time: int, command_id: str, item: dict[str, Any]) -> Event:
    """An application asked to write a value. ``item``: path, ct, payload (base64); the command's id tells its end."""
    data = {"item": item, "command_id": command_id}
    return Event(kind=DESIRED, account_id=account_id, device_id=device_id, time=time, data=data)


def told(account_id: str, device_id: str, time: int, values: Sequence[dict[str, Any]]) -> Event:
    """Values that a registration or its update carried. Each: path, ct, payload (base64)."""
    return Event(kind=TOLD, account_id=account_id, device_id=device_id, time=time, data={"values": values})


def presubscribed(account_id: str, time: int) -> Event:
    """An application of the account replaced its pre-subscriptions."""
    return Event(kind=PRESUBSCRIBED, account_id=account_id, time=time)


def delivery_of(event: Event) -> Delivery | None:
    """How a channel delivers an event; None: channels do not show it."""
    key = KEYS.get(event.kind)
    if key is None:
        return None
    subjects = event.data.get("subjects")
    return Delivery(
        key, event.data["item"], tuple(subjects) if subjects is not None else None, event.data["endpoint_name"]
    )


def _event(
    kind: str,
    account_id: str,
    device_id: str,
    time: int,
    item: dict[str, Any] | str,
    endpoint_name: str,
    subjects: tuple[str, ...] | None = None,
) -> Event:
    data: dict[str, Any] = {"item": item, "endpoint_name": endpoint_name}
    if subjects is not None:
        data["subjects"] = list(subjects)
    return Event(kind=kind, account_id=account_id, device_id=device_id, time=time, data=data)
