"""What named channels look like on the wire. Lamplighter's own."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from lamplighter.clock import from_rfc3339
from lamplighter.errors import FieldFault
from lamplighter.services.channels.carrier import Target
from lamplighter.services.channels.model import (
    Mechanism,
    Serialization,
    SerializationRequest,
    WebhookTarget,
    serialization_of,
    size_faults,
)
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.targets import KafkaTarget, MqttTarget

DEFAULT = "default"
"""What the one channel without a name is called here."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)

Type = Literal["webhook", "websocket", "event-stream", "kafka", "mqtt"]
TYPES: dict[Type, Mechanism] = {
    "webhook": "CALLBACK",
    "websocket": "WEB_SOCKET",
    "event-stream": "EVENT_STREAM",
    "kafka": "KAFKA",
    "mqtt": "MQTT",
}
PULLED = frozenset({"websocket", "event-stream"})
"""The types without a target: their clients come here."""
WORDS: dict[Mechanism, str] = {mechanism: word for word, mechanism in TYPES.items()} | {"LONG_POLLING": "long-poll"}

EARLIEST, LATEST = "earliest", "latest"
"""Words for the oldest place that is kept, and for the end of what has happened."""


class ChannelRequest(msgspec.Struct, rename={"from_": "from"}):
    """The body of putChannel. Of the members named like types, it has the one of its own."""

    type: Type
    serialization: SerializationRequest | None = None
    webhook: WebhookTarget | None = None
    kafka: KafkaTarget | None = None
    mqtt: MqttTarget | None = None
    from_: str | None = None

    def faults(self) -> list[FieldFault]:
        found = size_faults(serialization_of(self.serialization))
        for type_ in TYPES:
            target: Target | None = getattr(self, type_, None)
            if target is None:
                if type_ == self.type and type_ not in PULLED:
                    found.append(FieldFault(type_, "is required for a channel of this type"))
            elif type_ == self.type:
                found += [FieldFault(f"{type_}.{name}", message) for name, message in target.faults()]
            else:
                found.append(FieldFault(type_, f"must be left out: the type is {self.type}"))
        return found + (from_faults(self.from_) if self.from_ is not None else [])

    def target(self) -> Target | None:
        """Where the channel delivers to; None: its clients come here."""
        target: Target | None = getattr(self, self.type, None)
        return target


class ReplayRequest(msgspec.Struct, rename={"from_": "from"}):
    """The body of replayChannel."""

    from_: str

    def faults(self) -> list[FieldFault]:
        return from_faults(self.from_)


class Replayed(msgspec.Struct):
    """Where a channel goes on, and what comes (again) there."""

    position: str
    """What follows it comes."""
    first_event_at: str | None
    """When the first of these events happened; null where there is none yet."""
    queue_size: int
    """How many events wait now; of a long queue, those that are soon counted."""


class ChannelState(msgspec.Struct, omit_defaults=True):
    """A channel and how it stands."""

    name: str
    type: str
    state: Literal["delivering", "failing", "connected", "disconnected"]
    """The first two of channels that this server delivers, the others of those whose client comes here."""
    queue_size: int
    """Events that wait; of a long queue, those that are soon counted."""
    discarded: int
    """Events that a limit has taken away since the channel was registered."""
    position: str
    """The last event that was delivered, or was not for this channel: what follows it comes next."""
    since: str
    """When it was registered."""
    serialization: Serialization
    webhook: WebhookTarget | None = None
    kafka: KafkaTarget | None = None
    mqtt: MqttTarget | None = None


class ChannelList(msgspec.Struct, kw_only=True):
    """All channels of an application."""

    object: Literal["list"] = "list"
    total_count: int
    data: list[ChannelState]


def from_faults(text: str) -> list[FieldFault]:
    """Whether it says a place: a time, a position, or one of the two words."""
    if text in (EARLIEST, LATEST) or _is_position(text):
        return []
    try:
        from_rfc3339(text)
    except ValueError:
        return [
            FieldFault(
                "from",
                f"must be a UTC date-time as 2026-11-21T20:15:01Z, a position (the uid of an event), {EARLIEST} or {LATEST}",
            )
        ]
    return []


def _is_position(text: str) -> bool:
    try:
        Place.of_uid(text)
    except ValueError:
        return False
    return True
