"""The channels that one process delivers (webhooks, sinks): which ones it has, and when there is something for them.

Such a channel is one process's at a time. Its row names the process, and a process that is alive says so every few seconds;
when it does not, others take its channels. It sends nothing unless it is sure to be thought alive until the answer has come.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import structlog

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error
from lamplighter.ids import Ids
from lamplighter.services.channels.carrier import Carrier
from lamplighter.services.channels.delivery import Delivery, Pause, pause_after
from lamplighter.services.channels.model import Mechanism
from lamplighter.services.channels.place import BEGINNING, Place
from lamplighter.services.channels.queue import Queue
from lamplighter.services.channels.replay import REPLAYED
from lamplighter.services.channels.retention import Limits
from lamplighter.services.channels.store import Channel, Key
from lamplighter.services.channels.tail import Tail
from lamplighter.services.channels.tally import Tally
from lamplighter.services.channels.webhook_store import WebhookStore

log = structlog.get_logger("lamplighter.webhooks")

BEAT = 3.0
"""Seconds between two signs of life."""
LOST = 3
"""Signs of life that may be lost."""
CLAIMED = 50
"""Channels that are taken at once: processes that start together share."""
MOVED = 60.0
"""Seconds after which cursors of channels that had nothing to deliver are moved on in the database."""
DRAIN = 5.0
"""Seconds that requests under way get when the process ends."""


class Courier:
    """Delivers channels until it is closed.

    :param name: of the process; another life of it takes its channels over at once, others when it is silent
    :param carriers: how; channels of other mechanisms are left to other processes
    :param end: a place of the log that is at its end
    :param timeout: seconds that a request may take
    :param longest_failing: seconds after which a channel that fails is removed
    :param look: seconds between two looks for what no word of the bus has told
    :param beat: seconds between two signs of life
    """

    def __init__(
        self,
        *,
        name: str,
        store: WebhookStore,
        queue: Queue,
        tail: Tail,
        clock: Clock,
        ids: Ids,
        carriers: Mapping[Mechanism, Carrier],
        limits: Limits,
        end: Callable[[], Awaitable[str]],
        timeout: float,
        longest_failing: float,
        look: float,
        beat: float = BEAT,
        pause: Pause = pause_after,
    ) -> None:
        self.name = name
        self.store = store
        self.queue = queue
        self.clock = clock
        self.ids = ids
        self.carriers = carriers
        self.limits = limits
        self.look = look
        self.pause = pause
        self.longest_failing = round(longest_failing * MICROSECONDS)
        self._tail = tail
        self._end = end
        self._beat_seconds = beat
        self._needed = timeout + 1
        self._lease = self._needed + LOST * beat
        self._life = ids.new()
        self._alive_until = 0.0
        self._alive = asyncio.Event()
        self._claim = asyncio.Event()
        self._deliveries: dict[Key, Delivery] = {}
        self._accounts: dict[str, set[Delivery]] = {}
        self._place = BEGINNING
        self._tasks: list[asyncio.Task[None]] = []
        self.sending = True
        self.tally = Tally()

    def states(self) -> Counter[tuple[str, str]]:
        """How many channels this process delivers, by type and state: idle, pending or failing."""
        return Counter((each.type, each.state) for each in self._deliveries.values())

    async def start(self) -> None:
        self._place = Place.of(await self._end())
        await self._come()
        for channel in await self.store.held(self.name, self.carriers):
            self._take(channel)
        self._tasks = [
            asyncio.create_task(work(), name=f"courier {work.__name__}")
            for work in (self._live, self._follow, self._move_on)
        ]

    async def close(self) -> None:
        """Finish the requests under way, and leave the channels to others."""
        self.sending = False
        await _ended(self._tasks)
        self._wake()
        deliveries = [each.task for each in self._deliveries.values()]
        for each in self._deliveries.values():
            each.look()
        if deliveries:
            await asyncio.wait(deliveries, timeout=DRAIN)
        await _ended(deliveries)
        try:
            await self.store.leave(self.name, self._life)
        except Error as error:
            log.warning("channels are left to others only when their time is up", error=error.name)

    def changed(self, key: Key) -> None:
        """That channel is another."""
        delivery = self._deliveries.get(key)
        if delivery is not None:
            delivery.look()
        self._claim.set()

    async def may_send(self) -> bool:
        """Wait until this process is sure to be thought alive for as long as a request may take; False: send no more."""
        while self.sending:
            if asyncio.get_running_loop().time() + self._needed < self._alive_until:
                return True
            await self._alive.wait()
        return False

    async def _come(self) -> None:
        began = asyncio.get_running_loop().time()
        await self.store.come(self.name, self._life, self._until())
        self._alive_until = began + self._lease

    def _until(self) -> int:
        return self.clock.now() + round(self._lease * MICROSECONDS)

    async def _live(self) -> None:
        """Say that this process lives, and take the channels that nobody has."""
        loop = asyncio.get_running_loop()
        while True:
            self._claim.clear()
            began = loop.time()
            try:
                if not await self.store.live(self.name, self._life, self._until()):
                    log.error("another process delivers channels under this one's name; this one stops", name=self.name)
                    self.sending = False
                    self._wake()
                    return
                self._alive_until = began + self._lease
                self._wake()
                claimed = await self.store.claim(self.name, self.carriers, self.clock.now(), CLAIMED)
                for channel in claimed:
                    self._take(channel)
                if len(claimed) == CLAIMED:
                    continue
                await self.store.forget_couriers(self.clock.now() - 3600 * MICROSECONDS)
            except Error as error:
                log.warning("deliveries wait for the database", error=error.name)
            try:
                async with asyncio.timeout(self._beat_seconds):
                    await self._claim.wait()
            except TimeoutError:
                continue

    def _wake(self) -> None:
        self._alive.set()
        self._alive = asyncio.Event()

    async def _follow(self) -> None:
        """Tell channels that something is for them."""
        while True:
            news = self._tail.news
            try:
                page = await self._tail.read(self._place)
            except Error:
                await asyncio.sleep(self.look)
                continue
            for event in (recorded.event for recorded in page.events if recorded.event.kind == REPLAYED):
                self.changed(Key(event.account_id, event.data["id"], event.data["name"]))
            for account_id, items in page.items.items():
                for delivery in self._accounts.get(account_id, ()):
                    subject_id = delivery.channel.subject_id
                    if any(item.is_for(subject_id) for item in items):
                        delivery.happened(page.start)
            if page.end == self._place and not page.items:
                await news.wait()
            self._place = max(self._place, page.end)

    async def _move_on(self) -> None:
        """Store how far channels have come that had nothing to deliver."""
        while True:
            await asyncio.sleep(MOVED)
            idle = [each for each in self._deliveries.values() if each.idle and each.place < self._place]
            for delivery in idle:
                delivery.pass_on(self._place)
            try:
                await self.store.move([(each.channel, each.place) for each in idle], self.name)
            except Error as error:
                log.warning("cursors of channels could not be moved", error=error.name)

    def _take(self, channel: Channel) -> None:
        if channel.key in self._deliveries:
            return
        delivery = self._deliveries[channel.key] = Delivery(self, channel)
        self._accounts.setdefault(channel.account_id, set()).add(delivery)
        delivery.task.add_done_callback(lambda _: self._drop(delivery))

    def _drop(self, delivery: Delivery) -> None:
        key = delivery.channel.key
        delivery.carrier.left(delivery.channel)
        if self._deliveries.get(key) is delivery:
            del self._deliveries[key]
        others = self._accounts[delivery.channel.account_id]
        others.discard(delivery)
        if not others:
            del self._accounts[delivery.channel.account_id]
        self._claim.set()


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
