"""The REST operations of notification channels."""

from __future__ import annotations

import msgspec

from lamplighter.api.caller import KEYS, credential_of
from lamplighter.api.operation import Answer, Call, Operations
from lamplighter.api.socket import Socket
from lamplighter.errors import channels as errors
from lamplighter.errors.requests import MediaTypeUnsupported
from lamplighter.services.channels.connection import PERMISSION, Presented
from lamplighter.services.channels.model import (
    ChannelMetadata,
    RegisterWebsocketChannel,
    Webhook,
    WebhookRequest,
    WebhookTarget,
    WebsocketChannel,
    WebsocketRequest,
)
from lamplighter.services.channels.service import Channels

operations = Operations("Device data - notifications", permission=PERMISSION, credentials=KEYS)


@operations.add(
    "PUT",
    "/v2/notification/websocket",
    "registerWebsocket",
    body=WebsocketRequest,
    body_required=False,
    answer=RegisterWebsocketChannel,
    also={201: WebsocketChannel},
    raises=(errors.OtherChannelExists,),
)
async def register_websocket(channels: Channels, call: Call) -> Answer | RegisterWebsocketChannel:
    """Register a websocket channel, or change its serialization; events queue from now on."""
    body: WebsocketRequest = call.body or WebsocketRequest()
    channel, new = await channels.register(call.caller, "WEB_SOCKET", body.asked())
    if not new:
        return RegisterWebsocketChannel(channel.serialization)
    return Answer(msgspec.json.encode(await channels.sockets.state(channel)), status=201)


@operations.add(
    "GET",
    "/v2/notification/websocket",
    "getWebsocket",
    answer=WebsocketChannel,
    raises=(errors.ChannelNotFound,),
)
async def get_websocket(channels: Channels, call: Call) -> WebsocketChannel:
    """Get the websocket channel: whether it is connected, and how much waits for it."""
    return await channels.sockets.state(await channels.channel(call.caller, "WEB_SOCKET"))


@operations.add(
    "DELETE",
    "/v2/notification/websocket",
    "deleteWebsocket",
    status=204,
    raises=(errors.ChannelNotFound,),
)
async def delete_websocket(channels: Channels, call: Call) -> None:
    """Delete the websocket channel and close its connection."""
    if not await channels.delete(call.caller, "WEB_SOCKET"):
        raise errors.ChannelNotFound(mechanism="websocket")


@operations.add(
    "GET",
    "/v2/notification/websocket-connect",
    "connectWebsocket",
    status=101,
    raises=(errors.HandshakeInProgress,),
    websocket=True,
)
async def connect_websocket(channels: Channels, call: Call, socket: Socket) -> None:
    """Open the connection of the websocket channel; a newer one replaces it."""
    # The kernel has just resolved this very credential; it is needed again while the connection lasts.
    key = Presented(*credential_of(socket.authorization))
    await channels.sockets.connect(call.caller, key, socket)


@operations.add(
    "GET",
    "/v2/notification/pull",
    "longPollNotifications",
    answer=dict,
    also={204: None},
    raises=(errors.OtherChannelExists, errors.ChannelDeleted),
    words=frozenset({"CHANNEL_DELETED"}),
    deprecated=True,
)
async def long_poll_notifications(channels: Channels, call: Call) -> Answer:
    """Wait for notifications; the first poll registers the long-poll channel."""
    body = await channels.polls.poll(call.caller, call.disconnected)
    return Answer(status=204) if body is None else Answer(body)


@operations.add(
    "DELETE",
    "/v2/notification/pull",
    "deleteLongPollChannel",
    answer=str,
    answer_media_type="text/plain",
    deprecated=True,
)
async def delete_long_poll_channel(channels: Channels, call: Call) -> Answer:
    """Delete the long-poll channel; polls that are open end with 410."""
    deleted = await channels.delete(call.caller, "LONG_POLLING")
    return Answer(b"REMOVED" if deleted else b"ALREADY_DELETED", media_type="text/plain")


@operations.add(
    "GET",
    "/v2/notification/channel",
    "getChannelMetadata",
    answer=ChannelMetadata,
    raises=(errors.ChannelNotFound,),
)
async def get_channel_metadata(channels: Channels, call: Call) -> ChannelMetadata:
    """Get which type of notification channel the application has."""
    mechanism = (await channels.channel(call.caller)).mechanism
    assert mechanism in ("CALLBACK", "LONG_POLLING", "WEB_SOCKET")
    return ChannelMetadata(mechanism)


@operations.add(
    "PUT",
    "/v2/notification/callback",
    "registerWebhook",
    status=204,
    body=WebhookRequest,
    raises=(
        errors.OtherChannelExists,
        errors.WebhookAddressRefused,
        errors.WebhookNotAnswering,
        MediaTypeUnsupported,
    ),
)
async def register_webhook(channels: Channels, call: Call) -> None:
    """Register a webhook, or replace it, once its receiver has answered PUT with {}; events queue from now on."""
    body: WebhookRequest = call.body
    await channels.register_webhook(call.caller, body.target(), body.asked())


@operations.add(
    "GET",
    "/v2/notification/callback",
    "getWebhook",
    answer=Webhook,
    raises=(errors.ChannelNotFound,),
)
async def get_webhook(channels: Channels, call: Call) -> Webhook:
    """Get the webhook: where notifications are sent, and how they are written."""
    channel = await channels.channel(call.caller, "CALLBACK")
    target = channels.deliveries.target(channel)
    assert isinstance(target, WebhookTarget)
    return Webhook(target.url, target.headers, channel.serialization)


@operations.add(
    "DELETE",
    "/v2/notification/callback",
    "deregisterWebhook",
    status=204,
    raises=(errors.ChannelNotFound,),
)
async def deregister_webhook(channels: Channels, call: Call) -> None:
    """Delete the webhook; what waits for it is dropped."""
    if not await channels.delete(call.caller, "CALLBACK"):
        raise errors.ChannelNotFound(mechanism="webhook")
