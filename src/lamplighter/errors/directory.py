"""What can go wrong with devices, their groups, saved queries and events."""

from __future__ import annotations

from lamplighter.errors import families as family


class DeviceNotFound(family.NotFound):
    """No device with this ID belongs to the account."""

    message = "There is no device {device_id}."
    cause = (
        "The ID is mistyped, the device was deleted, or it belongs to another account. An endpoint name is not an ID."
    )
    remedy = "List the devices of the account and take the ID from there."
    word = "DEVICE_NOT_FOUND"
    coap = "4.04"


class DeviceGroupNotFound(family.NotFound):
    """No device group with this ID belongs to the account."""

    message = "There is no device group {group_id}."
    cause = "The ID is mistyped, the group was deleted, or it belongs to another account."
    remedy = "List the device groups of the account and take the ID from there."


class DeviceQueryNotFound(family.NotFound):
    """No device query with this ID belongs to the account."""

    message = "There is no device query {query_id}."
    cause = "The ID is mistyped, the query was deleted, or it belongs to another account."
    remedy = "List the device queries of the account and take the ID from there."


class DeviceEventNotFound(family.NotFound):
    """No device event with this ID belongs to the account."""

    message = "There is no device event {event_id}."
    cause = "The ID is mistyped, or the event belongs to another account."
    remedy = "List the device events of the account and take the ID from there."


class BlockCategoryNotFound(family.NotFound):
    """There is no such reason to suspend a device."""

    message = "There is no block category {reference}."
    cause = "The reference is misspelt; it is written in lower case with underscores."
    remedy = "List the block categories and take the reference from there."


class EndpointNameTaken(family.Duplicate):
    """Another device of the account has this endpoint name."""

    message = "The endpoint name {endpoint_name} is already used by another device."
    cause = "The device has registered by itself already, or the same record was created twice."
    remedy = "Find the device with the filter endpoint_name__eq and use it, or choose another endpoint name."


class DeviceGroupNameTaken(family.Duplicate):
    """Another device group of the account has this name."""

    message = "The name {name} is already used by another device group."
    cause = "Names are compared after Unicode normalization (NFC), so two that look alike may be the same."
    remedy = "Use the group that exists, or choose another name."


class DeviceQueryNameTaken(family.Duplicate):
    """Another device query of the account has this name."""

    message = "The name {name} is already used by another device query."
    cause = "Names are compared after Unicode normalization (NFC), so two that look alike may be the same."
    remedy = "Change the query that exists, or choose another name."


class DeviceLimitReached(family.AccountLimitExceeded):
    """The account has as many devices as it may have."""

    message = "The account has {used} devices, and its limit {limit} allows {maximum}."
    cause = "The limit comes from the account's tier; devices that were suspended or are offline count too."
    remedy = "Delete devices that are not needed, or have the limit raised."
    coap = "5.03"


class DeviceNotDeletable(family.ValidationError):
    """Only devices with a developer certificate can be deleted."""

    message = "The device {device_id} has execution mode {mode} and cannot be deleted; only mode 1 can."
    cause = "The record of a production device outlives it, so that its identity cannot be taken by another."
    remedy = "Suspend the device instead."


class DeviceAlreadySuspended(family.Conflict):
    """The device is suspended already."""

    message = "The device {device_id} is suspended already, since {since}."
    cause = "The request was repeated, or somebody else suspended the device."
    remedy = "Nothing needs to be done; resume the device first to suspend it for another reason."


class DeviceNotSuspended(family.Conflict):
    """The device is not suspended by an operator, so there is nothing to resume."""

    message = "The device {device_id} is not suspended by an operator."
    cause = "The request was repeated, somebody else resumed the device, or the system suspended it."
    remedy = "Retrieve the device: where system_suspended is true, its certificate must be put right instead."
