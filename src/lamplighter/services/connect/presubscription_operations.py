"""The REST operations of pre-subscriptions."""

from __future__ import annotations

from lamplighter.api.caller import KEYS
from lamplighter.api.operation import Call, Operations
from lamplighter.errors.requests import InvalidParameters
from lamplighter.services.connect.presubscriptions import Presubscription
from lamplighter.services.connect.service import Connect

operations = Operations("Device data - subscriptions")

_PERMISSION = "connect.use"


@operations.add(
    "GET",
    "/v2/subscriptions",
    "getPreSubscriptions",
    permission=_PERMISSION,
    credentials=KEYS,
    answer=list[Presubscription],
)
async def get_pre_subscriptions(service: Connect, call: Call) -> list[Presubscription]:
    """Read pre-subscriptions, as this application set them."""
    return await service.presubscriptions.get(call.account_id, call.caller.subject_id)


@operations.add(
    "PUT",
    "/v2/subscriptions",
    "updatePreSubscriptions",
    permission=_PERMISSION,
    credentials=KEYS,
    status=204,
    body=list[Presubscription],
    raises=(InvalidParameters,),
)
async def update_pre_subscriptions(service: Connect, call: Call) -> None:
    """Replace pre-subscriptions; an empty array ends them."""
    await service.presubscribe(call.account_id, call.caller.subject_id, call.body)


@operations.add(
    "DELETE", "/v2/subscriptions", "deletePreSubscriptions", permission=_PERMISSION, credentials=KEYS, status=204
)
async def delete_pre_subscriptions(service: Connect, call: Call) -> None:
    """Delete all subscriptions that pre-subscriptions made, and the pre-subscriptions."""
    await service.presubscribe(call.account_id, call.caller.subject_id, [])
