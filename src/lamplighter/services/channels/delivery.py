"""One channel that is delivered: what waits for it is sent, a message at a time, until its receiver has acknowledged it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import structlog

from lamplighter.clock import MICROSECONDS
from lamplighter.errors import Error
from lamplighter.services.channels.carrier import Outcome
from lamplighter.services.channels.messages import Message, loss_message, messages
from lamplighter.services.channels.model import Mechanism
from lamplighter.services.channels.named_model import WORDS
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.store import Channel
from lamplighter.services.channels.tally import TAKEN
from lamplighter.services.channels.webhook_store import Failure

if TYPE_CHECKING:
    from lamplighter.services.channels.courier import Courier

log = structlog.get_logger("lamplighter.webhooks")

LONGEST_PAUSE = 120.0
RECHECKED = 60.0
"""Seconds after which one that has nothing to deliver looks by itself."""
CHECKED = 60.0
"""Seconds between two looks at how much waits for a channel that fails."""

Pause = Callable[[int], float]
"""Seconds to wait after that many failures in a row."""


def pause_after(failures: int) -> float:
    """1, 2, 4, 8 … 120 seconds, counted from the answer or the time-out."""
    return min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10))


class Delivery:
    """A channel that this process delivers.

    While it waits, for events or for the next attempt, it holds nothing but its place in the log; a message is built when
    there is a place for its request, and is thrown away when it fails.
    """

    def __init__(self, courier: Courier, channel: Channel) -> None:
        self.channel = channel
        self.carrier = courier.carriers[_mechanism(channel)]
        self.place = channel.cursor
        self.idle = False
        """Nothing is for it between its place and that of the courier."""
        self._courier = courier
        self._pending = asyncio.Event()
        self._changed = asyncio.Event()
        self._checked: float | None = None
        self._uid = ""
        self.task = asyncio.create_task(self._run(), name=f"delivery of {channel.id}")

    @property
    def type(self) -> str:
        return WORDS[_mechanism(self.channel)]

    @property
    def state(self) -> Literal["idle", "pending", "failing"]:
        if self.channel.failures:
            return "failing"
        return "idle" if self.idle else "pending"

    def happened(self, since: Place) -> None:
        """Something for it is in the log after that place."""
        if self.idle:
            self.idle = False
            self.place = max(self.place, since)
        self._pending.set()

    def pass_on(self, place: Place) -> None:
        """Nothing for it lies before that place."""
        self.place = max(self.place, place)

    def look(self) -> None:
        """The channel may have been changed or deleted: look at once."""
        self._changed.set()

    async def _run(self) -> None:
        while self._courier.sending:
            try:
                if not await self._step():
                    return
            except Error as error:
                log.warning("a delivery waits for the database", channel=self.channel.id, error=error.name)
                await asyncio.sleep(self._courier.look)
            except Exception:
                log.exception("a delivery failed", channel=self.channel.id)
                await asyncio.sleep(self._courier.look)

    async def _step(self) -> bool:
        """Do what is to be done next; False when the channel is not this process's any more."""
        self._changed.clear()
        current = await self._courier.store.current(self.channel)
        if current is None or current.holder != self._courier.name:
            return False
        self.place = max(self.place, current.cursor) if current.turn == self.channel.turn else current.cursor
        self.channel = current
        left = (current.retry_at - self._courier.clock.now()) / MICROSECONDS
        if left > 0:
            await _either(self._changed, None, left)
            return True
        await self._check()
        self._pending.clear()
        if await self._anything():
            return await self._send()
        if not self._pending.is_set():
            self.idle = True
            await _either(self._changed, self._pending, RECHECKED)
            self.idle = False
        return True

    async def _anything(self) -> bool:
        """Whether something waits; moves past what is not for this channel."""
        if loss_message(self.channel, self.place) is not None:
            return True
        while True:
            waiting = await self._courier.queue.read(self.channel, self.place)
            if waiting.items:
                return True
            if waiting.end == self.place:
                return False
            self.place = waiting.end

    async def _check(self) -> None:
        """Drop what a limit takes away from a channel that has fallen behind: at the start, and while it fails."""
        loop = asyncio.get_running_loop()
        if self._checked is not None and (not self.channel.failures or loop.time() < self._checked):
            return
        self._checked = loop.time() + CHECKED
        self.place = await self._courier.limits.apply(self.channel, self.place)

    async def _send(self) -> bool:
        courier = self._courier
        async with self.carrier.reserve(self.channel) as send:
            if not await courier.may_send():
                return False
            message = await self._next_message()
            if message is None:
                return True
            started = courier.clock.now()
            outcome = await send(message, self._uid, started)
            took = courier.clock.now() - started
            courier.tally.count(self.type, TAKEN if outcome.taken else outcome.kind, took)
            place, losses = message.place, message.losses
            del message
        if not outcome.taken:
            return await self._failed(outcome, started)
        await self._taken(place, losses)
        return True

    async def _next_message(self) -> Message | None:
        if (losses := loss_message(self.channel, self.place)) is not None:
            self._uid = f"msg_{self.channel.id}{self.channel.discarded}"
            return losses
        waiting = await self._courier.queue.read(self.channel, self.place)
        message = next(messages(waiting.items, self.channel.serialization), None)
        if message is not None:
            # The same for the same events, whenever they are sent again.
            self._uid = f"msg_{waiting.items[0].place.uid}{message.place.uid}"
        return message

    async def _taken(self, place: Place, losses: str | None) -> None:
        """Go on after the place, once that is stored; or where the channel is meanwhile, if anywhere."""
        courier = self._courier
        while True:
            try:
                if await courier.store.delivered(self.channel, place, losses, courier.name, courier.clock.now()):
                    self.place = place
                return
            except Error as error:
                log.warning("a delivery cannot be noted yet", channel=self.channel.id, error=error.name)
                await asyncio.sleep(courier.look)

    async def _failed(self, outcome: Outcome, started: int) -> bool:
        courier, now = self._courier, self._courier.clock.now()
        retry_at = now + round(courier.pause(self.channel.failures + 1) * MICROSECONDS)
        failure = Failure(courier.ids.new(), now, outcome.kind, outcome.status, outcome.reason, now - started)
        current = await courier.store.failed(self.channel, failure, retry_at, courier.name)
        if current is None:
            return False
        self.channel = current
        assert current.failing_since is not None
        if now - current.failing_since >= courier.longest_failing:
            await courier.limits.end(
                current, f"its deliveries have failed since then: {outcome.reason}", current.failing_since
            )
            return False
        return True


def _mechanism(channel: Channel) -> Mechanism:
    assert channel.mechanism is not None  # it is there
    return channel.mechanism


async def _either(one: asyncio.Event, other: asyncio.Event | None, seconds: float) -> None:
    """Wait for either, or the time."""
    waits = [asyncio.create_task(each.wait()) for each in (one, other) if each is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*waits, return_exceptions=True)
