"""When a device answers: at once, or after a while if it is slow; POST of the vendor's client always apart from its ACK."""

from __future__ import annotations

from collections.abc import Callable

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.simulator.draws import Draws

LONGEST = 60.0
"""Seconds that even a slow device takes at most."""
#: Seconds in which an answer still goes with the acknowledgement; a longer one follows it.
_TOGETHER = 1.0


class Answering:
    """``slow``: seconds that an answer takes on average; None: none. ``answer`` does what a request asks for."""

    def __init__(
        self,
        endpoint: Endpoint,
        random: Draws,
        answer: Callable[[RequestReceived, float], None],
        *,
        slow: float | None,
        separate_posts: bool,
    ) -> None:
        self._endpoint = endpoint
        self._random = random
        self._answer = answer
        self._slow = slow
        self._separate_posts = separate_posts
        self._pending: list[tuple[float, RequestReceived]] = []

    def take(self, request: RequestReceived, now: float) -> None:
        message = request.message
        separate = self._separate_posts and message.code == Code.POST
        if separate and any(_same(message, other.message) for _, other in self._pending):
            # The vendor's client does one at a time of what takes long (wire facts section 4).
            self._endpoint.respond(request, Message(Code.PRECONDITION_FAILED), now)
            return
        delay = 0.0 if self._slow is None else min(LONGEST, self._random.expovariate(1 / self._slow))
        if separate or delay > _TOGETHER:
            self._endpoint.acknowledge(request)
        if delay:
            self._pending.append((now + delay, request))
        else:
            self._answer(request, now)

    def due(self) -> float | None:
        return min((when for when, _ in self._pending), default=None)

    def advance(self, now: float) -> None:
        due = [(when, request) for when, request in self._pending if when <= now]
        self._pending = [each for each in self._pending if each not in due]
        for _, request in sorted(due, key=lambda each: each[0]):
            self._answer(request, now)

    def clear(self) -> None:
        """The session is gone, and nobody waits any more."""
        self._pending.clear()


def _same(one: Message, other: Message) -> bool:
    return other.code == Code.POST and one.all(Option.URI_PATH) == other.all(Option.URI_PATH)
