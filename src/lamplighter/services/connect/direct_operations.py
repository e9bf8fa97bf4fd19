"""The deprecated REST operations of one resource; POST /v2/device-requests/{device-id} is to be used instead of them."""

from __future__ import annotations

from typing import Any

from lamplighter.api.caller import KEYS
from lamplighter.api.operation import Answer, Call, Operations
from lamplighter.api.parameter import Parameter
from lamplighter.errors import connect
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.errors.requests import InvalidParameters
from lamplighter.services.connect.formats import media_type_of
from lamplighter.services.connect.model import MAX_PAYLOAD, AsyncID, Method
from lamplighter.services.connect.service import Connect

operations = Operations("Device data - resources")

_PATH = "/v2/endpoints/{device-id}/{resourcePath}"
_NO_RESPONSE = Parameter(
    "noResp", "Ask without wanting to hear the answer: 204, and the device need not even acknowledge.", "boolean"
)
_CACHE_ONLY = Parameter("cacheOnly", "Answer only by a value that is still of age, or 205.", "boolean")
_NOT_CHOSEN = frozenset({"", "*/*", "application/x-www-form-urlencoded"})
"""What HTTP clients say of a body when nobody told them."""
_DECLARED: dict[str, Any] = {
    "permission": "connect.use",
    "credentials": KEYS,
    "status": 202,
    "answer": AsyncID,
    "deprecated": True,
    "raises": (
        InvalidParameters,
        DeviceNotFound,
        connect.DeviceGone,
        connect.ResourceNotRegistered,
        connect.RequestQueueFull,
        connect.NoResponseNotPossible,
    ),
}
_BODY: dict[str, Any] = {"body": bytes, "media_types": ("*/*",), "max_body": MAX_PAYLOAD, "body_required": False}


@operations.add(
    "GET",
    _PATH,
    "getResourceValue",
    **_DECLARED,
    parameters=(_CACHE_ONLY, _NO_RESPONSE),
    also={200: None, 204: None, 205: None},
)
async def get_resource_value(service: Connect, call: Call, device_id: str, path: str) -> AsyncID | Answer:
    """Read resource value: at once where it is still of age, otherwise by asking the device."""
    registered = await service.direct.registered(call.account_id, device_id, path)
    found = await service.fresh(registered, path)
    if found is not None:
        payload, content_format, age = found
        return Answer(payload, media_type_of(content_format), 200, {"Cache-Control": f"max-age={age}"})
    if call.parameters["cacheOnly"]:
        return Answer(status=205)
    return await _ask(service, call, device_id, path, "GET")


@operations.add("PUT", _PATH, "updateResourceValue", **_DECLARED, **_BODY, parameters=(_NO_RESPONSE,), also={204: None})
async def update_resource_value(service: Connect, call: Call, device_id: str, path: str) -> AsyncID | Answer:
    """Write resource value."""
    return await _ask(service, call, device_id, path, "PUT")


@operations.add(
    "POST", _PATH, "executeOrCreateResource", **_DECLARED, **_BODY, parameters=(_NO_RESPONSE,), also={204: None}
)
async def execute_or_create_resource(service: Connect, call: Call, device_id: str, path: str) -> AsyncID | Answer:
    """Execute or create resource."""
    return await _ask(service, call, device_id, path, "POST")


@operations.add("DELETE", _PATH, "deleteResourcePath", **_DECLARED, parameters=(_NO_RESPONSE,), also={204: None})
async def delete_resource_path(service: Connect, call: Call, device_id: str, path: str) -> AsyncID | Answer:
    """Delete resource, or the instance that the path names."""
    return await _ask(service, call, device_id, path, "DELETE")


async def _ask(service: Connect, call: Call, device_id: str, path: str, method: Method) -> AsyncID | Answer:
    registered = await service.direct.registered(call.account_id, device_id, path)
    async_id = await service.direct.ask(
        registered,
        call.caller.subject_id,
        method,
        path,
        content_type=None if call.content_type in _NOT_CHOSEN else call.content_type,
        payload=call.raw_body,
        heard=not call.parameters["noResp"],
    )
    return Answer(status=204) if async_id is None else AsyncID(async_id)
