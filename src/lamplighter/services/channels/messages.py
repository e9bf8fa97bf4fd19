"""NotificationMessages: events written as a channel's serialization wants them.

A message carries one kind of events only, because some clients read no more than the first kind they find. Events are
never put in another order, so a message ends where another kind begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from lamplighter.services.channels.losses import message_of
from lamplighter.services.channels.model import Options, Serialization
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.store import Channel
from lamplighter.services.channels.tail import Item

MESSAGE_BYTES = 512 * 1024
"""Size at which a message is ended early: common WebSocket clients refuse messages over 1 MiB. A single item may be
larger."""

_encode = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """A message ready to be sent, and where the cursor stands when it was."""

    body: bytes
    place: Place
    items: Sequence[Item] = ()
    """The events that it is made of; none where it tells of losses."""
    losses: str | None = None
    """The losses that it tells of, as the channel's row has them."""


def loss_message(channel: Channel, place: Place) -> Message | None:
    """What the channel has to be told before all that follows the place; None: nothing was lost, or it does not ask."""
    if channel.losses is None or not (channel.name or channel.serialization.cfg.include_discarded is True):
        return None
    return Message(message_of(channel.losses), place, (), channel.losses)


def messages(items: Sequence[Item], serialization: Serialization) -> Iterator[Message]:
    """The messages of these events in their order."""
    parts: list[bytes] = []
    size = first = 0
    for at, item in enumerate(items):
        parts.append(_encode(shown(item, serialization.cfg)))
        size += len(parts[-1])
        after = items[at + 1] if at + 1 < len(items) else None
        if (
            after is None
            or after.key != item.key
            or len(parts) >= serialization.max_chunk_size
            or size >= MESSAGE_BYTES
        ):
            body = b'{"%s":[%s]}' % (item.key.encode(), b",".join(parts))
            yield Message(body, item.place, items[first : at + 1])
            parts, size, first = [], 0, at + 1


def shown(item: Item, cfg: Options) -> dict[str, Any] | str:
    """An event as messages have it."""
    extras: dict[str, Any] = {}
    if cfg.include_uid:
        extras["uid"] = item.place.uid
    if cfg.include_timestamp:
        extras["timestamp"] = item.time // 1000
    if cfg.include_original_ep:
        extras["original-ep"] = item.endpoint_name
    if not isinstance(item.item, str):
        return {**item.item, **extras} if extras else item.item
    return {"ep": item.item, **extras} if cfg.deregistrations_as_object else item.item
