"""Channels that are delivered to message brokers: a record for each event, acknowledged before the next message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from lamplighter.ids import Ids
from lamplighter.outbound.broker import BrokerAddress, Brokers
from lamplighter.outbound.client import OutboundClient
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.services.channels.carrier import Outcome, Send, Target
from lamplighter.services.channels.messages import Message, shown
from lamplighter.services.channels.store import Channel
from lamplighter.services.channels.vault import Vault

T = TypeVar("T", bound=Target)
R = TypeVar("R")

ACCEPTED = "the broker took the connection"
_encode = msgspec.json.Encoder().encode
_of_losses = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode


class Happened(NamedTuple):
    """An event, or a loss, as records are made of it."""

    account_id: str
    device_id: str
    """Empty: it is about no device."""
    endpoint_name: str
    kind: str
    path: str
    """The resource of a notification."""
    uid: str
    """The same when it comes again."""
    time: int
    """Microseconds UTC."""
    value: bytes
    """The item as messages of the public API have it."""


class BrokerProtocol(Protocol[T, R]):
    """What brokers of different kinds do not have in common."""

    @property
    def target(self) -> type[T]: ...

    @property
    def together(self) -> int:
        """How many records are sent before their acknowledgement is remembered."""

    def address(self, target: T, client_id: str) -> BrokerAddress[R]: ...

    def record(self, target: T, happened: Happened) -> R: ...


class BrokerCarrier(Generic[T, R]):
    """Delivers to the brokers of one protocol."""

    def __init__(self, protocol: BrokerProtocol[T, R], client: OutboundClient, vault: Vault, ids: Ids) -> None:
        self.target = protocol.target
        self._protocol = protocol
        self._brokers = Brokers(client)
        self._vault = vault
        self._ids = ids
        self._acknowledged: dict[str, str] = {}
        """By channel: the last event of an unfinished message that was acknowledged."""

    @asynccontextmanager
    async def reserve(self, channel: Channel) -> AsyncIterator[Send]:
        target = self._vault.target(channel, self.target)
        async with self._brokers.reserve(self._address(target, channel), suspect=channel.failures > 0) as delivery:

            async def send(message: Message, message_id: str, now: int) -> Outcome:
                waiting = self._unacknowledged(channel, [*happened(channel, message, message_id, now)])
                try:
                    for start in range(0, len(waiting), self._protocol.together):
                        some = waiting[start : start + self._protocol.together]
                        await delivery.send([self._protocol.record(target, each) for each in some])
                        self._acknowledged[channel.id] = some[-1].uid
                except OutboundFailed as failed:
                    return Outcome(False, failed.kind, None, str(failed))
                self._acknowledged.pop(channel.id, None)
                return Outcome(True, "acknowledged", None, "it acknowledged all records")

            yield send

    async def probe(self, target: T, channel: Channel | None) -> Outcome:
        """Connect, log in, and find the topic where the protocol can tell; nothing is published."""
        try:
            await self._brokers.check(self._protocol.address(target, f"lamplighter-{self._ids.new()}"))
        except OutboundFailed as failed:
            return Outcome(False, failed.kind, None, str(failed))
        return Outcome(True, "acknowledged", None, ACCEPTED)

    def _unacknowledged(self, channel: Channel, told: list[Happened]) -> list[Happened]:
        """What is to be sent of a message: where it failed in the middle, a slow broker does not get its beginning again."""
        done = self._acknowledged.get(channel.id)
        return told[next((at for at, each in enumerate(told, 1) if each.uid == done), 0) :]

    def left(self, channel: Channel) -> None:
        self._acknowledged.pop(channel.id, None)
        self._brokers.forget(self._address(self._vault.target(channel, self.target), channel))

    async def close(self) -> None:
        await self._brokers.close()

    def _address(self, target: T, channel: Channel) -> BrokerAddress[R]:
        return self._protocol.address(target, f"lamplighter-{channel.id}")


def happened(channel: Channel, message: Message, message_id: str, now: int) -> Iterator[Happened]:
    """What a message tells, one by one."""
    if not message.items:
        for kind, losses in _of_losses(message.body).items():
            for number, loss in enumerate(losses):
                yield Happened(channel.account_id, "", "", kind, "", f"{message_id}-{number}", now, bytes(loss))
    # A record stands alone, so it is an object always.
    cfg = msgspec.structs.replace(channel.serialization.cfg, deregistrations_as_object=True)
    for item in message.items:
        value = shown(item, cfg)
        yield Happened(
            account_id=channel.account_id,
            device_id=item.device_id,
            endpoint_name=item.endpoint_name,
            kind=item.key,
            path=_path(value),
            uid=item.place.uid,
            time=item.time,
            value=_encode(value),
        )


def _path(value: Any) -> str:
    found = value.get("path") if isinstance(value, dict) else None
    return found.strip("/") if isinstance(found, str) else ""
