"""The REST operation of support: an extension of ours, under the public API's conventions."""

from __future__ import annotations

from lamplighter.api.operation import Call, Operations
from lamplighter.errors import access
from lamplighter.services.support.service import Explanation, Support

operations = Operations("Support")


@operations.add(
    "GET",
    "/v3/errors/{request_id}",
    "getKeptError",
    permission="support.read",
    answer=Explanation,
    raises=(access.KeptErrorNotFound,),
)
async def get_kept_error(support: Support, call: Call, request_id: str) -> Explanation:
    """Explain an error that was answered earlier, by its request ID."""
    return await support.explain(call.caller, request_id)
