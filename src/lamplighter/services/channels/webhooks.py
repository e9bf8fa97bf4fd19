"""What applications may do with their webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lamplighter.api.caller import Caller
from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.errors import channels
from lamplighter.services.channels import signing
from lamplighter.services.channels.carrier import Carrier
from lamplighter.services.channels.model import (
    FailedDelivery,
    Mechanism,
    Serialization,
    Webhook,
    WebhookState,
    WebhookTarget,
    WebhookTest,
)
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.signing import Secret
from lamplighter.services.channels.store import Channel, Key, Store
from lamplighter.services.channels.vault import Vault
from lamplighter.services.channels.webhook_store import WebhookStore

NAMES: dict[Mechanism, str] = {
    "CALLBACK": "webhook",
    "LONG_POLLING": "long-poll",
    "WEB_SOCKET": "websocket",
    "EVENT_STREAM": "event-stream",
    "KAFKA": "kafka",
    "MQTT": "mqtt",
}
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
        queue: Queue,
        vault: Vault,
        carrier: Carrier,
        register: Register,
        clock: Clock,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._queue = queue
        self._vault = vault
        self._carrier = carrier
        self._register = register
        self._clock = clock

    async def register(self, caller: Caller, target: WebhookTarget, serialization: Serialization) -> None:
        """Register the caller's webhook, or replace it, once its receiver has confirmed it.

        Raises OtherChannelExists, WebhookAddressRefused, WebhookNotAnswering.
        """
        found = await self._store.get(caller.account_id, caller.subject_id)
        if found is not None:
            must_be(found, "CALLBACK")
        outcome = await self._carrier.probe(target, found)
        if not outcome.taken:
            error = channels.WebhookAddressRefused if outcome.kind == "address" else channels.WebhookNotAnswering
            raise error(reason=outcome.reason)
        sealed = self._vault.seal(target, Key(caller.account_id, caller.subject_id))
        await self._register(caller, "CALLBACK", serialization, sealed)

    async def get(self, caller: Caller) -> Webhook:
        """The caller's webhook. Raises ChannelNotFound."""
        channel = await self._of(caller)
        target = self._vault.target(channel, WebhookTarget)
        return Webhook(target.url, target.headers, channel.serialization)

    async def state(self, caller: Caller) -> WebhookState:
        """How deliveries of the caller's webhook go. Raises ChannelNotFound."""
        channel = await self._of(caller)
        failing = channel.failing_since
        return WebhookState(
            state="delivering" if failing is None else "failing",
            queue_size=await self._queue.size(channel, channel.cursor),
            discarded=channel.discarded,
            signed=bool(self._vault.secrets(channel)),
            delivered_at=_shown(channel.delivered_at),
            failing_since=_shown(failing),
            failures_in_a_row=channel.failures,
            next_attempt_at=None if failing is None else _shown(channel.retry_at),
            failures=[
                FailedDelivery(
                    time=to_rfc3339(each.time),
                    reason=each.reason,
                    kind=each.kind,
                    status=each.status,
                    seconds=each.duration / MICROSECONDS,
                )
                for each in await self._webhooks.failures(channel)
            ],
        )

    async def test(self, caller: Caller) -> WebhookTest:
        """Send the caller's webhook an empty message, now. Raises ChannelNotFound."""
        channel = await self._of(caller)
        began = self._clock.now()
        outcome = await self._carrier.probe(self._vault.target(channel, WebhookTarget), channel)
        seconds = (self._clock.now() - began) / MICROSECONDS
        return WebhookTest(outcome.taken, outcome.kind, outcome.status, outcome.reason, seconds)

    async def new_secret(self, caller: Caller) -> str:
        """Sign deliveries with a new secret, and with the one before it for a day more. Raises ChannelNotFound."""
        channel = await self._of(caller)
        new = signing.new_secret()
        await self._keep(channel, signing.rotated(self._vault.secrets(channel), new, self._clock.now()))
        return new.text

    async def forget_secret(self, caller: Caller) -> None:
        """Sign deliveries no more. Raises ChannelNotFound."""
        await self._keep(await self._of(caller), [])

    async def _keep(self, channel: Channel, secrets: list[Secret]) -> None:
        sealed = self._vault.seal(secrets, channel.key) if secrets else None
        if not await self._webhooks.keep_secrets(channel, sealed):
            raise channels.ChannelNotFound(mechanism=NAMES["CALLBACK"])

    async def _of(self, caller: Caller) -> Channel:
        found = await self._store.get(caller.account_id, caller.subject_id)
        if found is None or found.mechanism != "CALLBACK":
            raise channels.ChannelNotFound(mechanism=NAMES["CALLBACK"])
        return found


def must_be(channel: Channel, mechanism: Mechanism) -> None:
    """Raises OtherChannelExists."""
    present = channel.mechanism
    if present is not None and present != mechanism:
        raise channels.OtherChannelExists(present=NAMES[present], path=PATHS[present])


def _shown(time: int | None) -> str | None:
    return None if time is None else to_rfc3339(time)
