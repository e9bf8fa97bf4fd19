"""Secure device access: trust anchors and access tokens."""

from __future__ import annotations

from lamplighter.errors import families as family


class TrustAnchorNotFound(family.NotFound):
    """The account has no such trust anchor."""

    message = "There is no trust anchor {trust_anchor_id}."
    cause = "The ID is mistyped, the trust anchor was deleted, or it belongs to another account."
    remedy = "List the trust anchors with GET /v3/trust-anchors and take the ID from there."


class TrustAnchorMissing(family.BadRequest):
    """The account has no trust anchor that could sign an access token."""

    message = "The account has no trust anchor, so nothing could sign the token."
    cause = "None was created yet, or the last one was deleted; devices believe only tokens that a trust anchor signed."
    remedy = (
        "Create one with POST /v3/trust-anchors, put its public key into the devices, then ask for the token again."
    )
