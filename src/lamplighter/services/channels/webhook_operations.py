"""What Lamplighter adds to webhooks: how deliveries go, a test, and signatures."""

from __future__ import annotations

from lamplighter.api.caller import KEYS
from lamplighter.api.operation import Call, Operations
from lamplighter.errors import channels as errors
from lamplighter.services.channels.connection import PERMISSION
from lamplighter.services.channels.model import WebhookSecret, WebhookState, WebhookTest
from lamplighter.services.channels.service import Channels

operations = Operations("Device data - notifications", permission=PERMISSION, credentials=KEYS)


@operations.add(
    "GET",
    "/v2/notification/callback/deliveries",
    "getWebhookDeliveries",
    answer=WebhookState,
    raises=(errors.ChannelNotFound,),
)
async def get_webhook_deliveries(channels: Channels, call: Call) -> WebhookState:
    """Get how deliveries of the webhook go: what waits, what failed last and why, what was discarded."""
    return await channels.deliveries.state(await channels.channel(call.caller, "CALLBACK"))


@operations.add(
    "POST",
    "/v2/notification/callback/test",
    "testWebhook",
    answer=WebhookTest,
    raises=(errors.ChannelNotFound,),
)
async def test_webhook(channels: Channels, call: Call) -> WebhookTest:
    """Send the webhook an empty message now, and tell what came of it."""
    return await channels.deliveries.test(await channels.channel(call.caller, "CALLBACK"))


@operations.add(
    "POST",
    "/v2/notification/callback/secret",
    "createWebhookSecret",
    status=201,
    answer=WebhookSecret,
    raises=(errors.ChannelNotFound,),
)
async def create_webhook_secret(channels: Channels, call: Call) -> WebhookSecret:
    """Sign deliveries with a new secret, shown once; the one before it signs for a day more."""
    return WebhookSecret(await channels.deliveries.new_secret(await channels.channel(call.caller, "CALLBACK")))


@operations.add(
    "DELETE",
    "/v2/notification/callback/secret",
    "deleteWebhookSecret",
    status=204,
    raises=(errors.ChannelNotFound,),
)
async def delete_webhook_secret(channels: Channels, call: Call) -> None:
    """Sign deliveries no more."""
    await channels.deliveries.forget_secret(await channels.channel(call.caller, "CALLBACK"))
