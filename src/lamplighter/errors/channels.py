"""Notification channels."""

from __future__ import annotations

from lamplighter.errors import families as family


class ChannelNotFound(family.NotFound):
    """The application has no notification channel of this type."""

    message = "Your application has no {mechanism} channel."
    cause = (
        "None was registered, it was deleted, or it was registered by another application: each application "
        "(and each API key) has its own."
    )
    remedy = (
        "Register one with PUT /v2/notification/callback or PUT /v2/notification/websocket, or poll "
        "GET /v2/notification/pull, with the same key."
    )


class OtherChannelExists(family.BadRequest):
    """The application has a notification channel of another type."""

    message = "Your application has a {present} channel already, and an application has one channel at a time."
    cause = "It was registered earlier, maybe by another program that uses a key of the same application."
    remedy = "Delete it first with DELETE {path}, or give this program an application of its own."


class ChannelDeleted(family.Gone):
    """The long-poll channel was deleted while this poll was open."""

    message = "The long-poll channel was deleted while this request waited for notifications."
    cause = "DELETE /v2/notification/pull was sent with a key of the same application."
    remedy = "Poll again to open a new channel, or stop if the deletion was meant."
    word = "CHANNEL_DELETED"


class HandshakeInProgress(family.RateLimitExceeded):
    """A WebSocket handshake with the same key has not finished."""

    message = "A WebSocket handshake with this key is already in progress."
    cause = "The client connects again before its connection attempt has ended, or two programs share the key."
    remedy = "Wait {retry_after:.0f} second and connect once; a channel has one connection at a time."


class WebhookAddressRefused(family.BadRequest):
    """The URL of the webhook leads to an address that this server sends nothing to."""

    message = "The webhook cannot be registered: {reason}."
    cause = (
        "Requests to private, loopback, link-local and metadata addresses would let anybody with a key reach what only "
        "the server can."
    )
    remedy = "Give a URL with a public address, or ask the operator to allow the network (outbound.allowed_networks)."


class WebhookNotAnswering(family.BadRequest):
    """The receiver of the webhook did not confirm the registration."""

    message = "The webhook cannot be registered: {reason}."
    cause = "Before a webhook is registered, PUT with the body {} and its headers is sent to its URL."
    remedy = "Have the receiver answer that request with 200 or 204, without a redirect, then register it again."
