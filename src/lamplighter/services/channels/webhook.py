"""What a webhook's receiver is sent, and whether it took it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lamplighter.clock import Clock
from lamplighter.ids import Ids
from lamplighter.outbound.client import OutboundClient, Outgoing
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.services.channels.carrier import Outcome, Send
from lamplighter.services.channels.messages import Message
from lamplighter.services.channels.model import WebhookTarget
from lamplighter.services.channels.signing import Secret, signature_headers
from lamplighter.services.channels.store import Channel
from lamplighter.services.channels.vault import Vault

TAKEN = frozenset({200, 204})
"""The statuses that acknowledge a delivery, and nothing else does."""
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Lamplighter",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
"""What is sent unless the webhook has headers of these names itself."""


class WebhookCarrier:
    """Sends messages with HTTP PUT."""

    target = WebhookTarget

    def __init__(self, client: OutboundClient, vault: Vault, clock: Clock, ids: Ids) -> None:
        self._client = client
        self._vault = vault
        self._clock = clock
        self._ids = ids

    @asynccontextmanager
    async def reserve(self, channel: Channel) -> AsyncIterator[Send]:
        endpoint, secrets = self._vault.target(channel, WebhookTarget), self._vault.secrets(channel)
        async with self._client.reserve(endpoint.url, suspect=channel.failures > 0) as outgoing:

            async def send(message: Message, message_id: str, now: int) -> Outcome:
                return await deliver(outgoing, endpoint, secrets, message_id, message.body, now)

            yield send

    async def probe(self, target: WebhookTarget, channel: Channel | None) -> Outcome:
        """Send an empty message."""
        secrets = [] if channel is None else self._vault.secrets(channel)
        async with self._client.reserve(target.url) as outgoing:
            return await deliver(outgoing, target, secrets, f"msg_{self._ids.new()}", b"{}", self._clock.now())

    def left(self, channel: Channel) -> None:
        """Nothing is kept for one webhook."""

    async def close(self) -> None:
        """The client is closed by who opened it."""


async def deliver(
    outgoing: Outgoing, endpoint: WebhookTarget, secrets: Sequence[Secret], message_id: str, body: bytes, now: int
) -> Outcome:
    """Send one message.

    :param message_id: the same when the same message is sent again
    :param now: microseconds UTC
    """
    given = {name.lower() for name in endpoint.headers}
    headers = {name: value for name, value in HEADERS.items() if name.lower() not in given}
    headers |= endpoint.headers | signature_headers(secrets, message_id, body, now)
    try:
        reply = await outgoing.send("PUT", headers, body)
    except OutboundFailed as failed:
        return Outcome(False, failed.kind, None, str(failed))
    return Outcome(reply.status in TAKEN, "status", reply.status, f"it answered {reply.status}")
