"""The REST operations of Device Echo."""

from __future__ import annotations

from lamplighter.api.operation import Call, Operations
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.services.echo.model import Echo
from lamplighter.services.echo.service import Echoes

operations = Operations("Device Echo")


@operations.add(
    "GET",
    "/v3/devices/{device-id}/echo",
    "getDeviceEchoObject",
    permission="devices.read",
    answer=Echo,
    raises=(DeviceNotFound,),
)
async def get_device_echo_object(echoes: Echoes, call: Call, device_id: str) -> Echo:
    """Read device echo (shadow): what the device last said, and what it was asked to write."""
    return await echoes.get(call.account_id, device_id)


@operations.add(
    "DELETE",
    "/v3/devices/{device-id}/echo",
    "deleteDeviceEchoObject",
    permission="devices.write",
    raises=(DeviceNotFound,),
)
async def delete_device_echo_object(echoes: Echoes, call: Call, device_id: str) -> None:
    """Delete device echo (shadow); what the device says from now on makes a new one."""
    await echoes.delete(call.account_id, device_id)
