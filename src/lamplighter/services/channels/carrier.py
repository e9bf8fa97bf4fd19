"""How channels are delivered that this server pushes to somebody: a carrier for each mechanism.

The courier (courier.py) and its deliveries (delivery.py) know when there is something for a channel, what, from which place
on, how long to wait after a failure, and when to give up; a carrier knows only how a message gets there. To add one:

1. Its mechanism in ``model.Mechanism``, its word in ``named_model.TYPES``, and in ``ChannelRequest`` and ``ChannelState`` a
   member of that word with the type of its target, a ``msgspec.Struct`` that meets :class:`Target` (``WebhookTarget`` is an
   example). The request names what is given; its faults come back together with all others, under ``<word>.<field>``.
2. A module with a class that meets :class:`Carrier`, and a line for it in ``carriers.py``.

``Channel.endpoint`` holds the target as JSON, sealed for its channel with the master key: it may hold credentials.
``Vault.target(channel, type)`` opens it. It changes when the channel is changed, and its bytes with it, so what a carrier
keeps for a channel (a connection) it keeps with the bytes it was made from.

A process delivers a mechanism's channels only if it has the carrier: one whose library is an optional extra is left out of
``carriers.py`` where it is not installed, and registering such a channel is refused with ``ChannelTypeUnavailable``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from lamplighter.errors import FieldFault
from lamplighter.services.channels.messages import Message
from lamplighter.services.channels.store import Channel


class Outcome(NamedTuple):
    """How a delivery ended."""

    taken: bool
    """Whether it was acknowledged: what was sent is not sent again."""
    kind: str
    """``status``, or why there was no answer (outbound/failure.py)."""
    status: int | None
    """What the receiver answered, where answers have numbers."""
    reason: str
    """In words, to stand after a colon: applications see it."""


Send = Callable[[Message, str, int], Awaitable[Outcome]]
"""Sends one message: with an id that is the same whenever it is sent again, and the time, microseconds UTC.

``Message.body`` is the JSON of the public API; ``Message.items`` has the events it is made of. It ends within
``outbound.timeout``, and raises nothing: what fails is an outcome.
"""


class Target(Protocol):
    """Where a channel delivers to, as the application gives it. A ``msgspec.Struct``."""

    def faults(self) -> list[FieldFault]:
        """All that is wrong with it; names are those of its own fields."""
        ...

    def shown(self) -> Any:
        """As the application is shown it again: without passwords."""
        ...


class Carrier(Protocol):
    """Delivers the channels of one mechanism."""

    @property
    def target(self) -> type[Target]:
        """The type of what ``probe`` is given, and ``Channel.endpoint`` holds."""
        ...

    def reserve(self, channel: Channel) -> AbstractAsyncContextManager[Send]:
        """Wait for a place for one message; it is built, and sent, while the place is held, so that memory is bounded.
        Channels that fail (``channel.failures``) must not keep the others from theirs."""
        ...

    async def probe(self, target: Any, channel: Channel | None) -> Outcome:
        """Find out whether the target would take a message: before it is registered, and when a test is asked for.

        :param channel: the one that it belongs to; None: it is new
        """
        ...

    def left(self, channel: Channel) -> None:
        """This process delivers the channel no more: what is kept for it can go."""
        ...

    async def close(self) -> None:
        """The process ends."""
        ...
