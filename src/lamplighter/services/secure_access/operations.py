"""The REST operations of secure device access."""

from __future__ import annotations

from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.errors import access
from lamplighter.errors import secure_access as errors
from lamplighter.services.secure_access.model import (
    TokenRequest,
    TokenResponse,
    TrustAnchor,
    TrustAnchorPage,
    TrustAnchorRequest,
)
from lamplighter.services.secure_access.service import SecureAccess

operations = Operations("Security and identity - secure device access")

ANCHORS = "/v3/trust-anchors"
ANCHOR = ANCHORS + "/{trust_anchor_id}"


@operations.add(
    "GET", ANCHORS, "getTrustAnchors", permission="device-access.read", paging=Paging(), answer=TrustAnchorPage
)
async def get_trust_anchors(service: SecureAccess, call: Call) -> TrustAnchorPage:
    """List trust anchors."""
    return await service.anchors(call.account_id, call.page)


@operations.add(
    "POST",
    ANCHORS,
    "createTrustAnchor",
    permission="device-access.write",
    status=201,
    body=TrustAnchorRequest,
    answer=TrustAnchor,
    raises=(access.ObjectLimitReached,),
)
async def create_trust_anchor(service: SecureAccess, call: Call) -> TrustAnchor:
    """Create a trust anchor: a key pair that signs access tokens, and whose public half devices are given."""
    body: TrustAnchorRequest = call.body
    return await service.create_anchor(call.account_id, body.description, call.caller)


@operations.add(
    "PUT",
    ANCHOR,
    "updateTrustAnchor",
    permission="device-access.write",
    body=TrustAnchorRequest,
    answer=TrustAnchor,
    raises=(errors.TrustAnchorNotFound,),
)
async def update_trust_anchor(service: SecureAccess, call: Call, trust_anchor_id: str) -> TrustAnchor:
    """Change the description of a trust anchor."""
    body: TrustAnchorRequest = call.body
    return await service.update_anchor(call.account_id, trust_anchor_id, body.description, call.caller)


@operations.add(
    "DELETE",
    ANCHOR,
    "deleteTrustAnchor",
    permission="device-access.write",
    status=204,
    raises=(errors.TrustAnchorNotFound,),
)
async def delete_trust_anchor(service: SecureAccess, call: Call, trust_anchor_id: str) -> None:
    """Delete a trust anchor and its private key: it signs no token any more."""
    await service.delete_anchor(call.account_id, trust_anchor_id, call.caller)


@operations.add(
    "POST",
    "/ace-auth/token",
    "createAceAuthToken",
    permission="device-access.use",
    body=TokenRequest,
    answer=TokenResponse,
    raises=(errors.TrustAnchorMissing,),
)
async def create_ace_auth_token(service: SecureAccess, call: Call) -> TokenResponse:
    """Get an access token that devices of the account obey, also without a network."""
    return await service.token(call.account_id, call.body, call.caller)
