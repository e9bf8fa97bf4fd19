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
    """The receiver of the channel is at an address that this server sends nothing to."""

    message = "The {what} cannot be registered: {reason}."
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


class TooManyEventStreams(family.RateLimitExceeded):
    """The application has as many event streams open as it may have."""

    message = "Your application has {limit} event streams open."
    cause = "Its clients open more streams than they end, or too many of them share one application."
    remedy = "End streams that nobody reads, or give some of the clients an application of their own."


class SinkNotAnswering(family.BadRequest):
    """The receiver of a named channel cannot be reached, or does not take messages."""

    message = "The {type} channel cannot be registered: {reason}."
    cause = "Before a channel is registered, the server connects to its receiver as it will for deliveries."
    remedy = "Check the addresses, the credentials and the certificates, and that this server may reach it; try again."


class NamedChannelNotFound(family.NotFound):
    """The application has no channel of this name and type."""

    message = "Your application has no {kind} channel named {name}."
    cause = (
        "None was registered under this name, it is of another type, it was deleted or removed, or it was registered by "
        "another application: each application (and each API key) has its own."
    )
    remedy = (
        "Take the name from GET /v2/notification/channels, or register the channel: with PUT "
        "/v2/notification/channels/{name}, and the one called default with PUT /v2/notification/callback or "
        "/v2/notification/websocket."
    )


class ChannelNameReserved(family.BadRequest):
    """The name stands for the channel that is registered without a name."""

    message = "The name default belongs to the channel that is registered without a name."
    cause = (
        "An application has one channel without a name, which clients of the public API use, and any number with names."
    )
    remedy = (
        "Choose another name, or register the channel without a name with PUT /v2/notification/callback or "
        "PUT /v2/notification/websocket."
    )


class ChannelTypeUnavailable(family.BadRequest):
    """This server cannot deliver channels of this type."""

    message = "This server has no channels of the type {type}."
    cause = "Some types need a library that is installed only where it is wanted."
    remedy = "Ask the operator to install it (pip install 'lamplighter[{type}]'), or choose another type."


class NamedChannelLimitReached(family.AccountLimitExceeded):
    """The application has as many named channels as it may have."""

    message = "Your application has {limit} named channels already, which is the most it may have."
    cause = "Each channel gets everything that happens, so their number is limited (channels.named)."
    remedy = "Delete channels that are not needed, use another application, or have the operator raise the limit."
