"""The REST operations of devices' resources, requests to devices, subscriptions, and LwM2M objects."""

from __future__ import annotations

from typing import Any

from lamplighter.api.caller import KEYS
from lamplighter.api.operation import Answer, Call, Operations
from lamplighter.api.page import Paging
from lamplighter.api.parameter import Parameter
from lamplighter.errors import connect
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.errors.requests import InvalidParameters
from lamplighter.lwm2m.object_xml import MAX_SIZE
from lamplighter.services.connect.definitions import Lwm2mObject, Lwm2mObjectPage
from lamplighter.services.connect.model import AsyncID, DeviceRequest, Endpoint, Resource
from lamplighter.services.connect.outcomes import DeviceRequestState
from lamplighter.services.connect.service import Connect

operations = Operations("Device data - resources")

_REQUESTS = "Device data - requests"
_SUBSCRIPTIONS = "Device data - subscriptions"
_OBJECTS = "LwM2M objects"
_PERMISSION = "connect.use"
_MALFORMED = "MALFORMED_JSON_CONTENT"


@operations.add("GET", "/v2/endpoints", "getEndpoints", permission=_PERMISSION, answer=list[Endpoint])
async def get_endpoints(service: Connect, call: Call) -> list[Endpoint]:
    """List registered devices."""
    return await service.endpoints(call.account_id)


@operations.add(
    "GET",
    "/v2/endpoints/{device-id}",
    "getEndpointResources",
    permission=_PERMISSION,
    answer=list[Resource],
    raises=(connect.DeviceNotRegistered,),
)
async def get_endpoint_resources(service: Connect, call: Call, device_id: str) -> list[Resource]:
    """List device resources, as the device registered them."""
    return await service.resources(call.account_id, device_id)


@operations.add(
    "POST",
    "/v2/device-requests/{device-id}",
    "createAsyncRequest",
    tag=_REQUESTS,
    permission=_PERMISSION,
    credentials=KEYS,
    status=202,
    body=DeviceRequest,
    parameters=(
        Parameter(
            "async-id",
            "Your id for this request; the async response has it.",
            pattern=r"^[A-Za-z0-9_\-]{1,40}$",
            required=True,
        ),
        Parameter("retry", "Deliveries after a failed first one.", "integer", minimum=0, maximum=10),
        Parameter("expiry-seconds", "Seconds after which it is not delivered.", "integer", minimum=60, maximum=2592000),
    ),
    raises=(
        DeviceNotFound,
        connect.DeviceNotConnected,
        connect.ResourceNotFound,
        connect.UriPathNotExisting,
        connect.QueueIsFull,
    ),
    words=frozenset(
        {
            "DEVICE_NOT_FOUND",
            "DEVICE_NOT_CONNECTED",
            "RESOURCE_NOT_FOUND",
            "URI_PATH_DOES_NOT_EXISTS",
            "QUEUE_IS_FULL",
            "MALFORMED_ASYNC_ID",
            _MALFORMED,
        }
    ),
    fault_words={
        "async-id": "MALFORMED_ASYNC_ID",
        **dict.fromkeys(("body", "method", "uri", "accept", "content-type", "payload-b64"), _MALFORMED),
    },
)
async def create_async_request(service: Connect, call: Call, device_id: str) -> None:
    """Send a request to a device; the result comes through the notification channel."""
    given = call.parameters
    await service.request(
        call.account_id,
        call.caller.subject_id,
        device_id,
        given["async-id"],
        call.body,
        given["retry"],
        given["expiry-seconds"],
        request_id=call.request_id,
    )


@operations.add(
    "GET",
    "/v2/subscriptions/{device-id}",
    "getEndpointSubscriptions",
    tag=_SUBSCRIPTIONS,
    permission=_PERMISSION,
    credentials=KEYS,
    answer=str,
    answer_media_type="text/uri-list",
    raises=(connect.SubscriptionNotFound,),
)
async def get_endpoint_subscriptions(service: Connect, call: Call, device_id: str) -> Answer:
    """List the caller's subscriptions on a device, one path a line."""
    paths = await service.subscriptions.paths(call.account_id, call.caller.subject_id, device_id)
    if not paths:
        raise connect.SubscriptionNotFound(device_id=device_id[:40], path="any resource")
    return Answer("\n".join(paths).encode(), "text/uri-list")


@operations.add(
    "DELETE",
    "/v2/subscriptions/{device-id}",
    "deleteEndpointSubscriptions",
    tag=_SUBSCRIPTIONS,
    permission=_PERMISSION,
    credentials=KEYS,
    status=204,
)
async def delete_endpoint_subscriptions(service: Connect, call: Call, device_id: str) -> None:
    """Delete the caller's subscriptions on a device; 204 also when there is none."""
    await service.unsubscribe(call.account_id, call.caller.subject_id, device_id)


@operations.add(
    "GET",
    "/v2/subscriptions/{device-id}/{resourcePath}",
    "checkResourceSubscription",
    tag=_SUBSCRIPTIONS,
    permission=_PERMISSION,
    credentials=KEYS,
    raises=(connect.SubscriptionNotFound,),
)
async def check_resource_subscription(service: Connect, call: Call, device_id: str, path: str) -> None:
    """Check whether the caller is subscribed to a resource."""
    await service.subscriptions.check(call.account_id, call.caller.subject_id, device_id, path)


@operations.add(
    "PUT",
    "/v2/subscriptions/{device-id}/{resourcePath}",
    "addResourceSubscription",
    tag=_SUBSCRIPTIONS,
    permission=_PERMISSION,
    credentials=KEYS,
    status=202,
    answer=AsyncID,
    also={200: None},
    raises=(
        InvalidParameters,
        connect.DeviceNotRegistered,
        connect.ResourceNotRegistered,
        connect.SubscriptionQueueFull,
    ),
)
async def add_resource_subscription(service: Connect, call: Call, device_id: str, path: str) -> AsyncID | Answer:
    """Subscribe to a resource, or to several with commas between that a device of LwM2M 1.1 observes together; the device's
    consent and current value come as an async response."""
    async_id = await service.subscribe(call.account_id, call.caller.subject_id, device_id, path)
    return Answer(status=200) if async_id is None else AsyncID(async_id)


@operations.add(
    "DELETE",
    "/v2/subscriptions/{device-id}/{resourcePath}",
    "deleteResourceSubscription",
    tag=_SUBSCRIPTIONS,
    permission=_PERMISSION,
    credentials=KEYS,
    status=204,
)
async def delete_resource_subscription(service: Connect, call: Call, device_id: str, path: str) -> None:
    """Unsubscribe from a resource; 204 also when there is no subscription."""
    await service.unsubscribe(call.account_id, call.caller.subject_id, device_id, path)


# Extensions of ours, under the public API's conventions.


@operations.add(
    "GET",
    "/v3/device-requests/{name}",
    "getDeviceRequest",
    tag=_REQUESTS,
    permission=_PERMISSION,
    answer=DeviceRequestState,
    raises=(connect.DeviceRequestNotFound,),
)
async def get_device_request(service: Connect, call: Call, name: str) -> DeviceRequestState:
    """Tell what became of a request to a device, by its async-id or request ID: waiting, sent, or why it failed."""
    return await service.outcomes.explain(call.account_id, name)


@operations.add(
    "GET",
    "/v3/lwm2m-objects",
    "getLwm2mObjects",
    tag=_OBJECTS,
    permission="devices.read",
    answer=Lwm2mObjectPage,
    paging=Paging(opaque_after=True),
)
async def get_lwm2m_objects(service: Connect, call: Call) -> dict[str, Any]:
    """List the LwM2M objects that the account defines."""
    return await service.definitions.list(call.account_id, call.page)


@operations.add(
    "POST",
    "/v3/lwm2m-objects",
    "createLwm2mObject",
    tag=_OBJECTS,
    permission="devices.write",
    status=201,
    body=bytes,
    media_types=("application/xml", "text/xml"),
    max_body=MAX_SIZE,
    answer=Lwm2mObject,
    raises=(connect.ObjectDefinitionExists, connect.ObjectDefinitionLimitReached),
)
async def create_lwm2m_object(service: Connect, call: Call) -> Lwm2mObject:
    """Load the definition of an LwM2M object: a maker's OMA XML."""
    return await service.definitions.create(call.account_id, call.raw_body)


@operations.add(
    "GET",
    "/v3/lwm2m-objects/{object_id}",
    "getLwm2mObject",
    tag=_OBJECTS,
    permission="devices.read",
    answer=Lwm2mObject,
    raises=(connect.ObjectDefinitionNotFound,),
)
async def get_lwm2m_object(service: Connect, call: Call, object_id: str) -> Lwm2mObject:
    """Get the definition of an LwM2M object by its number: the account's own, or what the server knows."""
    return await service.definitions.retrieve(call.account_id, object_id)


@operations.add(
    "DELETE",
    "/v3/lwm2m-objects/{object_id}",
    "deleteLwm2mObject",
    tag=_OBJECTS,
    permission="devices.write",
    status=204,
    raises=(connect.ObjectDefinitionNotFound,),
)
async def delete_lwm2m_object(service: Connect, call: Call, object_id: str) -> None:
    """Delete the account's definition of an LwM2M object."""
    await service.definitions.destroy(call.account_id, object_id)
