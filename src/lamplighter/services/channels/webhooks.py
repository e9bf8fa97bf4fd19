"""What applications may do with their webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from lamplighter.api.caller import Caller
from lamplighter.clock import Clock
from lamplighter.errors import channels
from lamplighter.ids import Ids
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.channels.model import Mechanism, Serialization, Webhook
from lamplighter.services.channels.signing import Secret
from lamplighter.services.channels.store import Channel, Store
from lamplighter.services.channels.webhook import Endpoint, Outcome, Vault, deliver
from lamplighter.services.channels.webhook_store import WebhookStore

NAMES: dict[Mechanism, str] = {"CALLBACK": "webhook", "LONG_POLLING": "long-poll", "WEB_SOCKET": "websocket"}
PATHS: dict[Mechanism, str] = {
    "CALLBACK": "/v2/notification/callback",
    "LONG_POLLING": "/v2/notification/pull",
    "WEB_SOCKET": "/v2/notification/websocket",
}

Register = Callable[[Caller, Mechanism, Serialization, bytes | None], Awaitable[tuple[Channel, bool]]]


class Webhooks:
    """The webhooks of this installation, towards the applications that own them.

    :param register: registers a channel
    """

    def __init__(
        self,
        store: Store,
        webhooks: WebhookStore,
        vault: Vault,
        client: OutboundClient,
        register: Register,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._vault = vault
        self._client = client
        self._register = register
        self._clock = clock
        self._ids = ids

    async def register(self, caller: Caller, wanted: Webhook) -> None:
        """Register the caller's webhook, or replace it, once its receiver has confirmed it.

        Raises OtherChannelExists, WebhookAddressRefused, WebhookNotAnswering.
        """
        found = await self._store.get(caller.account_id, caller.subject_id)
        if found is not None:
            must_be(found, "CALLBACK")
        endpoint = Endpoint(wanted.url, wanted.headers)
        outcome = await self._probe(endpoint, () if found is None else self._vault.secrets(found))
        if not outcome.taken:
            error = channels.WebhookAddressRefused if outcome.kind == "address" else channels.WebhookNotAnswering
            raise error(reason=outcome.reason)
        sealed = self._vault.seal(endpoint, caller.account_id, caller.subject_id)
        await self._register(caller, "CALLBACK", wanted.serialization, sealed)

    async def get(self, caller: Caller) -> Webhook:
        """The caller's webhook. Raises ChannelNotFound."""
        channel = await self._of(caller)
        endpoint = self._vault.endpoint(channel)
        return Webhook(endpoint.url, endpoint.headers, channel.serialization)

    async def _of(self, caller: Caller) -> Channel:
        found = await self._store.get(caller.account_id, caller.subject_id)
        if found is None or found.mechanism != "CALLBACK":
            raise channels.ChannelNotFound(mechanism=NAMES["CALLBACK"])
        return found

    async def _probe(self, endpoint: Endpoint, secrets: Sequence[Secret]) -> Outcome:
        """Send an empty message."""
        async with self._client.reserve(endpoint.url) as outgoing:
            return await deliver(outgoing, endpoint, secrets, f"msg_{self._ids.new()}", b"{}", self._clock.now())


def must_be(channel: Channel, mechanism: Mechanism) -> None:
    """Raises OtherChannelExists."""
    present = channel.mechanism
    if present is not None and present != mechanism:
        raise channels.OtherChannelExists(present=NAMES[present], path=PATHS[present])
