"""The REST operations of named channels. Lamplighter's own."""

from __future__ import annotations

import msgspec

from lamplighter.api.caller import KEYS, credential_of
from lamplighter.api.operation import Answer, Call, Operations
from lamplighter.api.socket import Socket
from lamplighter.errors import channels as errors
from lamplighter.services.channels.connection import PERMISSION, Presented
from lamplighter.services.channels.model import WebhookSecret, WebhookState, WebhookTest
from lamplighter.services.channels.named_model import (
    ChannelList,
    ChannelRequest,
    ChannelState,
    Replayed,
    ReplayRequest,
)
from lamplighter.services.channels.service import Channels

operations = Operations("Device data - notifications", permission=PERMISSION, credentials=KEYS)

CHANNELS = "/v2/notification/channels"
CHANNEL = CHANNELS + "/{name}"
ABSENT = (errors.NamedChannelNotFound,)


@operations.add("GET", CHANNELS, "listChannels", answer=ChannelList)
async def list_channels(channels: Channels, call: Call) -> ChannelList:
    """List all notification channels of the application; the one of the older operations is called default."""
    return await channels.named.list(call.caller)


@operations.add(
    "PUT",
    CHANNEL,
    "putChannel",
    body=ChannelRequest,
    answer=ChannelState,
    also={201: ChannelState},
    raises=(
        errors.ChannelNameReserved,
        errors.ChannelTypeUnavailable,
        errors.NamedChannelLimitReached,
        errors.WebhookAddressRefused,
        errors.WebhookNotAnswering,
        errors.SinkNotAnswering,
    ),
)
async def put_channel(channels: Channels, call: Call, name: str) -> Answer:
    """Register a channel of that name, or change it; everything of the application queues for it from now on."""
    channel, new = await channels.named.put(call.caller, name, call.body)
    return Answer(msgspec.json.encode(await channels.named.state(channel)), status=201 if new else 200)


@operations.add("GET", CHANNEL, "getChannel", answer=ChannelState, raises=ABSENT)
async def get_channel(channels: Channels, call: Call, name: str) -> ChannelState:
    """Get a channel: its type, its place in what happens, what waits for it and what was discarded."""
    return await channels.named.state(await channels.named.find(call.caller, name))


@operations.add("DELETE", CHANNEL, "deleteChannel", status=204, raises=ABSENT)
async def delete_channel(channels: Channels, call: Call, name: str) -> None:
    """Delete a channel and what waits for it."""
    await channels.named.delete(call.caller, name)


@operations.add("POST", CHANNEL + "/replay", "replayChannel", body=ReplayRequest, answer=Replayed, raises=ABSENT)
async def replay_channel(channels: Channels, call: Call, name: str) -> Replayed:
    """Have a channel go on from a time or a position: what happened after it comes again, or is skipped."""
    body: ReplayRequest = call.body
    return await channels.named.replay(call.caller, name, body.from_)


@operations.add("GET", CHANNEL + "/deliveries", "getChannelDeliveries", answer=WebhookState, raises=ABSENT)
async def get_channel_deliveries(channels: Channels, call: Call, name: str) -> WebhookState:
    """Get how deliveries of a channel go: what waits, what failed last and why, what was discarded."""
    return await channels.deliveries.state(await channels.named.delivered(call.caller, name))


@operations.add("POST", CHANNEL + "/test", "testChannel", answer=WebhookTest, raises=ABSENT)
async def test_channel(channels: Channels, call: Call, name: str) -> WebhookTest:
    """Try now whether the receiver of a channel takes messages, and tell what came of it."""
    return await channels.deliveries.test(await channels.named.delivered(call.caller, name))


@operations.add("POST", CHANNEL + "/secret", "createChannelSecret", status=201, answer=WebhookSecret, raises=ABSENT)
async def create_channel_secret(channels: Channels, call: Call, name: str) -> WebhookSecret:
    """Sign deliveries of a webhook with a new secret, shown once; the one before it signs for a day more."""
    channel = await channels.named.find(call.caller, name, "CALLBACK")
    return WebhookSecret(await channels.deliveries.new_secret(channel))


@operations.add("DELETE", CHANNEL + "/secret", "deleteChannelSecret", status=204, raises=ABSENT)
async def delete_channel_secret(channels: Channels, call: Call, name: str) -> None:
    """Sign deliveries of a webhook no more."""
    await channels.deliveries.forget_secret(await channels.named.find(call.caller, name, "CALLBACK"))


@operations.add(
    "GET",
    CHANNEL + "/connect",
    "connectChannel",
    status=101,
    raises=(errors.NamedChannelNotFound, errors.HandshakeInProgress),
    websocket=True,
)
async def connect_channel(channels: Channels, call: Call, name: str, socket: Socket) -> None:
    """Open the connection of a named websocket channel; a newer one replaces it."""
    channel = await channels.named.find(call.caller, name, "WEB_SOCKET")
    # The kernel has just resolved this very credential; it is needed again while the connection lasts.
    await channels.sockets.connect(call.caller, Presented(*credential_of(socket.authorization)), socket, channel.name)
