"""What applications may do with channels that this server delivers: see how it goes, try it, have it signed."""

from __future__ import annotations

from collections.abc import Mapping

from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.errors import channels
from lamplighter.services.channels import signing
from lamplighter.services.channels.carrier import Carrier, Target
from lamplighter.services.channels.model import FailedDelivery, Mechanism, WebhookState, WebhookTest
from lamplighter.services.channels.named_model import WORDS
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.signing import Secret
from lamplighter.services.channels.store import Channel
from lamplighter.services.channels.vault import Vault
from lamplighter.services.channels.webhook_store import WebhookStore


class Deliveries:
    """The delivered channels of this installation, towards the applications that own them."""

    def __init__(
        self, carriers: Mapping[Mechanism, Carrier], store: WebhookStore, queue: Queue, vault: Vault, clock: Clock
    ) -> None:
        self._carriers = carriers
        self._store = store
        self._queue = queue
        self._vault = vault
        self._clock = clock

    async def confirm(self, mechanism: Mechanism, target: Target, channel: Channel | None) -> None:
        """See that the target would take messages, before a channel has it.

        :param channel: the one that is changed; None: it is new

        Raises WebhookAddressRefused, WebhookNotAnswering, SinkNotAnswering.
        """
        outcome = await self._carriers[mechanism].probe(target, channel)
        if outcome.taken:
            return
        if outcome.kind == "address":
            raise channels.WebhookAddressRefused(what=WORDS[mechanism], reason=outcome.reason)
        if mechanism == "CALLBACK":
            raise channels.WebhookNotAnswering(reason=outcome.reason)
        raise channels.SinkNotAnswering(type=WORDS[mechanism], reason=outcome.reason)

    def target(self, channel: Channel) -> Target | None:
        """Where the channel delivers to; None: its client comes here."""
        carrier = self._carriers.get(_mechanism(channel))
        return None if carrier is None else self._vault.target(channel, carrier.target)

    async def state(self, channel: Channel) -> WebhookState:
        """How its deliveries go."""
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
                for each in await self._store.failures(channel)
            ],
        )

    async def test(self, channel: Channel) -> WebhookTest:
        """Try now whether its target would take a message."""
        began = self._clock.now()
        carrier = self._carriers[_mechanism(channel)]
        outcome = await carrier.probe(self._vault.target(channel, carrier.target), channel)
        seconds = (self._clock.now() - began) / MICROSECONDS
        return WebhookTest(outcome.taken, outcome.kind, outcome.status, outcome.reason, seconds)

    async def new_secret(self, channel: Channel) -> str:
        """Sign deliveries with a new secret, and with the one before it for a day more. Raises ChannelNotFound."""
        new = signing.new_secret()
        await self._keep(channel, signing.rotated(self._vault.secrets(channel), new, self._clock.now()))
        return new.text

    async def forget_secret(self, channel: Channel) -> None:
        """Sign deliveries no more. Raises ChannelNotFound."""
        await self._keep(channel, [])

    async def _keep(self, channel: Channel, secrets: list[Secret]) -> None:
        sealed = self._vault.seal(secrets, channel.key) if secrets else None
        if not await self._store.keep_secrets(channel, sealed):
            raise channels.ChannelNotFound(mechanism=WORDS["CALLBACK"])


def _mechanism(channel: Channel) -> Mechanism:
    assert channel.mechanism is not None  # it is there
    return channel.mechanism


def _shown(time: int | None) -> str | None:
    return None if time is None else to_rfc3339(time)
