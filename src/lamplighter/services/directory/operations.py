"""The REST operations of the directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamplighter.api.operation import Bound, Call, Operations
from lamplighter.api.page import Paging, envelope
from lamplighter.errors import directory as errors
from lamplighter.ids import is_id
from lamplighter.services.directory import blocks, device_events, filters, groups, model, pages, queries, store
from lamplighter.services.directory.listing import Found
from lamplighter.services.directory.service import Directory

devices = Operations("Device directory - devices")
lifecycle = Operations("Device directory - lifecycle")
device_groups = Operations("Device directory - groups")
device_queries = Operations("Device directory - device queries")
events = Operations("Device directory - events")
TABLES = (devices, lifecycle, device_groups, device_queries, events)
"""Everything that this service does over REST."""

PAGING = Paging()
LISTED: dict[str, Any] = {"paging": PAGING, "inner_filter": True}


def bind(directory: Directory) -> list[Bound]:
    """Every operation of the directory, for the API of a role."""
    tables = (devices, lifecycle, device_groups, device_queries, events)
    return [bound for table in tables for bound in table.bind(directory)]


def _page(call: Call, found: Found, data: Sequence[Any]) -> dict[str, Any]:
    return envelope(call.page, data, has_more=found.has_more, total_count=found.total_count)


@devices.add(
    "GET",
    "/v3/devices/",
    "Device_list",
    permission="devices.read",
    filters=filters.DEVICES,
    answer=pages.DevicePage,
    **LISTED,
)
async def device_list(directory: Directory, call: Call) -> dict[str, Any]:
    """List devices."""
    found = await directory.lists.devices(call.account_id, call.conditions, call.page)
    return _page(call, found, await store.shown(directory.database, call.account_id, found.rows))


@devices.add(
    "POST",
    "/v3/devices/",
    "Device_create",
    permission="devices.write",
    status=201,
    body=model.DeviceCreate,
    answer=model.Device,
    raises=(errors.EndpointNameTaken, errors.DeviceLimitReached),
)
async def device_create(directory: Directory, call: Call) -> model.Device:
    """Create a device."""
    return await directory.create(call.account_id, call.caller.tier, call.body)


@devices.add(
    "GET",
    "/v3/devices/{id}/",
    "Device_retrieve",
    permission="devices.read",
    answer=model.Device,
    raises=(errors.DeviceNotFound,),
)
async def device_retrieve(directory: Directory, call: Call, device_id: str) -> model.Device:
    """Get a device."""
    return await directory.retrieve(call.account_id, device_id)


@devices.add(
    "PUT",
    "/v3/devices/{id}/",
    "Device_update",
    permission="devices.write",
    body=model.DeviceUpdate,
    answer=model.Device,
    raises=(errors.DeviceNotFound,),
)
async def device_update(directory: Directory, call: Call, device_id: str) -> model.Device:
    """Update a device."""
    return await directory.update(call.account_id, device_id, call.body)


@devices.add(
    "DELETE",
    "/v3/devices/{id}/",
    "Device_destroy",
    permission="devices.write",
    status=204,
    raises=(errors.DeviceNotFound, errors.DeviceNotDeletable),
)
async def device_destroy(directory: Directory, call: Call, device_id: str) -> None:
    """Delete a device that has a developer certificate."""
    await directory.destroy(call.account_id, device_id)


@lifecycle.add(
    "POST",
    "/v3/devices/{id}/suspend",
    "Device_suspend",
    permission="devices.write",
    status=204,
    body=model.Block,
    raises=(errors.DeviceNotFound, errors.DeviceAlreadySuspended),
)
async def device_suspend(directory: Directory, call: Call, device_id: str) -> None:
    """Suspend a device: it is disconnected and refused until it is resumed."""
    await directory.suspend(call.account_id, device_id, call.body)


@lifecycle.add(
    "POST",
    "/v3/devices/{id}/resume",
    "Device_resume",
    permission="devices.write",
    status=204,
    body=model.Block,
    raises=(errors.DeviceNotFound, errors.DeviceNotSuspended),
)
async def device_resume(directory: Directory, call: Call, device_id: str) -> None:
    """Resume a suspended device: it may connect again."""
    await directory.resume(call.account_id, device_id, call.body)


@lifecycle.add(
    "GET",
    "/v3/device-block-categories/",
    "Block_Categories_list",
    permission="devices.read",
    paging=PAGING,
    filters=filters.BLOCK_CATEGORIES,
    answer=pages.DeviceBlockCategoryPage,
)
async def block_categories_list(directory: Directory, call: Call) -> dict[str, Any]:
    """List the categories under which a device can be suspended. All at once: the list is short."""
    found = blocks.select(call.conditions)
    if call.page.descending:
        found.reverse()
    return envelope(call.page, found, has_more=False, total_count=len(found))


@lifecycle.add(
    "GET",
    "/v3/device-block-categories/{block_category_reference}",
    "Block_Categories_retrieve",
    permission="devices.read",
    answer=model.BlockCategory,
    raises=(errors.BlockCategoryNotFound,),
)
async def block_categories_retrieve(directory: Directory, call: Call, reference: str) -> model.BlockCategory:
    """Get a category under which a device can be suspended."""
    category = blocks.find(reference)
    if category is None:
        raise errors.BlockCategoryNotFound(reference=model.quoted(reference))
    return category


@device_groups.add(
    "GET",
    "/v3/device-groups/",
    "Group_list",
    permission="device-groups.read",
    filters=filters.GROUPS,
    answer=pages.DeviceGroupPage,
    **LISTED,
)
async def group_list(directory: Directory, call: Call) -> dict[str, Any]:
    """List device groups."""
    found = await directory.lists.groups(call.account_id, call.conditions, call.page)
    return _page(call, found, [groups.shown(row) for row in found.rows])


@device_groups.add(
    "POST",
    "/v3/device-groups/",
    "Group_create",
    permission="device-groups.write",
    status=201,
    body=model.GroupCreate,
    answer=model.DeviceGroup,
    raises=(errors.DeviceGroupNameTaken,),
)
async def group_create(directory: Directory, call: Call) -> model.DeviceGroup:
    """Create a device group."""
    return await directory.groups.create(call.account_id, call.body)


@device_groups.add(
    "GET",
    "/v3/device-groups/{device-group-id}/",
    "Group_retrieve",
    permission="device-groups.read",
    answer=model.DeviceGroup,
    raises=(errors.DeviceGroupNotFound,),
)
async def group_retrieve(directory: Directory, call: Call, group_id: str) -> model.DeviceGroup:
    """Get a device group."""
    return await directory.groups.retrieve(call.account_id, group_id)


@device_groups.add(
    "PUT",
    "/v3/device-groups/{device-group-id}/",
    "Group_update",
    permission="device-groups.write",
    body=model.GroupUpdate,
    answer=model.DeviceGroup,
    raises=(errors.DeviceGroupNotFound, errors.DeviceGroupNameTaken),
)
async def group_update(directory: Directory, call: Call, group_id: str) -> model.DeviceGroup:
    """Update a device group."""
    return await directory.groups.update(call.account_id, group_id, call.body)


@device_groups.add(
    "DELETE",
    "/v3/device-groups/{device-group-id}/",
    "Group_delete",
    permission="device-groups.write",
    status=204,
    raises=(errors.DeviceGroupNotFound,),
)
async def group_delete(directory: Directory, call: Call, group_id: str) -> None:
    """Delete a device group; its devices stay."""
    await directory.groups.delete(call.account_id, group_id)


@device_groups.add(
    "GET",
    "/v3/device-groups/{device-group-id}/devices/",
    "Group_members_retrieve",
    permission="device-groups.read",
    filters=filters.DEVICES,
    answer=pages.DevicePage,
    raises=(errors.DeviceGroupNotFound,),
    **LISTED,
)
async def group_members_retrieve(directory: Directory, call: Call, group_id: str) -> dict[str, Any]:
    """List the devices of a group."""
    if not is_id(group_id) or not await directory.groups.exists(call.account_id, group_id):
        raise errors.DeviceGroupNotFound(group_id=model.quoted(group_id))
    found = await directory.lists.members(call.account_id, group_id, call.conditions, call.page)
    return _page(call, found, await store.shown(directory.database, call.account_id, found.rows))


@device_groups.add(
    "POST",
    "/v3/device-groups/{device-group-id}/devices/add/",
    "Group_members_add",
    permission="device-groups.write",
    status=204,
    body=model.GroupMember,
    raises=(errors.DeviceGroupNotFound, errors.DeviceNotFound),
)
async def group_members_add(directory: Directory, call: Call, group_id: str) -> None:
    """Add a device to a group."""
    await directory.groups.add(call.account_id, group_id, call.body.device_id)


@device_groups.add(
    "POST",
    "/v3/device-groups/{device-group-id}/devices/remove/",
    "Group_members_remove",
    permission="device-groups.write",
    status=204,
    body=model.GroupMember,
    raises=(errors.DeviceGroupNotFound, errors.DeviceNotFound),
)
async def group_members_remove(directory: Directory, call: Call, group_id: str) -> None:
    """Remove a device from a group."""
    await directory.groups.remove(call.account_id, group_id, call.body.device_id)


@device_queries.add(
    "GET",
    "/v3/device-queries/",
    "Device_Query_list",
    permission="queries.read",
    filters=filters.QUERIES,
    answer=pages.DeviceQueryPage,
    **LISTED,
)
async def device_query_list(directory: Directory, call: Call) -> dict[str, Any]:
    """List device queries."""
    found = await directory.lists.queries(call.account_id, call.conditions, call.page)
    return _page(call, found, [queries.shown(row) for row in found.rows])


@device_queries.add(
    "POST",
    "/v3/device-queries/",
    "Device_Query_create",
    permission="queries.write",
    status=201,
    body=queries.QueryCreate,
    answer=queries.DeviceQuery,
    raises=(errors.DeviceQueryNameTaken,),
)
async def device_query_create(directory: Directory, call: Call) -> queries.DeviceQuery:
    """Create a device query."""
    return await directory.queries.create(call.account_id, call.body)


@device_queries.add(
    "GET",
    "/v3/device-queries/{query_id}/",
    "Device_Query_retrieve",
    permission="queries.read",
    answer=queries.DeviceQuery,
    raises=(errors.DeviceQueryNotFound,),
)
async def device_query_retrieve(directory: Directory, call: Call, query_id: str) -> queries.DeviceQuery:
    """Get a device query."""
    return await directory.queries.retrieve(call.account_id, query_id)


@device_queries.add(
    "PUT",
    "/v3/device-queries/{query_id}/",
    "Device_Query_update",
    permission="queries.write",
    body=queries.QueryUpdate,
    answer=queries.DeviceQuery,
    raises=(errors.DeviceQueryNotFound, errors.DeviceQueryNameTaken),
)
async def device_query_update(directory: Directory, call: Call, query_id: str) -> queries.DeviceQuery:
    """Update a device query."""
    return await directory.queries.update(call.account_id, query_id, call.body)


@device_queries.add(
    "DELETE",
    "/v3/device-queries/{query_id}/",
    "Device_Query_destroy",
    permission="queries.write",
    status=204,
    raises=(errors.DeviceQueryNotFound,),
)
async def device_query_destroy(directory: Directory, call: Call, query_id: str) -> None:
    """Delete a device query."""
    await directory.queries.destroy(call.account_id, query_id)


async def device_event_list(directory: Directory, call: Call) -> dict[str, Any]:
    """List device events."""
    found = await directory.lists.events(call.account_id, call.conditions, call.page)
    return _page(call, found, [device_events.shown(row) for row in found.rows])


async def device_event_retrieve(directory: Directory, call: Call, event_id: str) -> model.DeviceEvent:
    """Get a device event."""
    row = await device_events.get(directory.database, call.account_id, event_id) if is_id(event_id) else None
    if row is None:
        raise errors.DeviceEventNotFound(event_id=model.quoted(event_id))
    return device_events.shown(row)


for _path, _list, _retrieve, _deprecated in (
    ("/v3/device-events/", "Device_Event_list", "Device_Event_retrieve", False),
    ("/v3/devicelog/", "Device_Log_list", "Device_Log_retrieve", True),
):
    events.add(
        "GET",
        _path,
        _list,
        permission="events.read",
        filters=filters.EVENTS,
        answer=pages.DeviceEventPage,
        deprecated=_deprecated,
        **LISTED,
    )(device_event_list)
    events.add(
        "GET",
        _path + "{device_event_id}/",
        _retrieve,
        permission="events.read",
        answer=model.DeviceEvent,
        raises=(errors.DeviceEventNotFound,),
        deprecated=_deprecated,
    )(device_event_retrieve)
