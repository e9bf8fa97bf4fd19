"""A registered device that this process can reach, and the worker of its queue.

One command is under way at a time, in the order they came. A device in queue mode sleeps: it is asked only while it is
awake, which its own contact tells (OMA LwM2M Core 1.1 section 6.5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from lamplighter.coap.numbers import is_success
from lamplighter.errors import Error
from lamplighter.lwm2m.objects import Definitions
from lamplighter.services.connect import notification_attributes, store
from lamplighter.services.connect.deliveries import Deliveries
from lamplighter.services.connect.observations import Observations
from lamplighter.services.connect.peer import NoAnswer, Peer
from lamplighter.services.connect.reach import Reach
from lamplighter.services.connect.registering import Registered
from lamplighter.services.connect.resources import Links, value_in
from lamplighter.services.connect.surroundings import Services
from lamplighter.services.connect.value_cache import Fresh

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds until the queue is looked at again after the database was away."""


class AttachedDevice:
    """In memory only: what must outlive the process is in the tables."""

    __slots__ = (
        "_database",
        "_deliveries",
        "_forgot_attributes",
        "_more",
        "_reach",
        "_task",
        "observations",
        "subscribed_by",
    )
    subscribed_by: tuple[object, Links] | None
    """The pre-subscriptions that were applied to it, and the links that they were applied to."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._reach = Reach(services.clock, services.value_age)
        self.observations = Observations(services, self._reach)
        self._deliveries = Deliveries(services, self._reach, self.observations)
        self.subscribed_by = None
        self._forgot_attributes = False
        self._more = False
        self._task: asyncio.Task[None] | None = None

    @property
    def registered(self) -> Registered:
        return self._reach.registered

    @property
    def peer(self) -> Peer | None:
        """The session that it talks through."""
        return self._reach.peer

    # What happens to it

    def attach(self, registered: Registered, peer: Peer, *, anew: bool) -> None:
        """The device talks through that session now; ``anew``: it registered, and forgot what it was told before."""
        reach = self._reach
        unchanged = not anew and peer is reach.peer and registered.links is reach.registered.links
        reach.registered = registered
        reach.silent = True  # until the answer has left, see contact()
        if unchanged:
            return
        if peer is not reach.peer:
            self.detach()
            reach.peer = peer
            self.observations.to_be_made = not anew
        if anew:
            peer.reset_freshness()
            self.observations.forget()
            reach.values.clear()
            self.subscribed_by = None
            self._forgot_attributes = True
        self.observations.adopt()

    def resume(self, registered: Registered, peer: Peer, observed: Mapping[str, bytes]) -> None:
        """The device goes on in a session that was stored, with the observations that it has in it (tokens by path)."""
        self.attach(registered, peer, anew=False)
        self.observations.resume(observed)

    def detach(self) -> None:
        """The session is gone, and its observations with it."""
        self._reach.peer = None
        self.observations.lose()

    def leave(self) -> None:
        """The registration ended; the session may serve another."""
        self.observations.end()
        self.detach()

    def contact(self) -> None:
        """The device was heard of: what waits for it can be sent."""
        self._reach.hear()
        self._reach.silent = False
        self._start()

    def poke(self) -> None:
        """There may be something to send, if the device listens, or to answer in its place."""
        if self._reach.can_be_asked or self._reach.has_fresh:
            self._start()

    def fresh(self, path: str) -> Fresh | None:
        """The value of a resource that is still of age."""
        return self._reach.fresh(path)

    def latest(self, path: str, definitions: Definitions) -> tuple[bytes, int]:
        """The value last heard of a resource that the device observes by itself."""
        return self._reach.values.latest(path) or value_in(self.registered.links, path, definitions) or (b"", 0)

    async def close(self) -> None:
        """Stop the worker; what it had under way is found again in the tables."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # The worker

    def _start(self) -> None:
        self._more = True
        if self._task is None and self.peer is not None:
            self._task = asyncio.create_task(self._run(), name=f"commands of {self.registered.device_id}")

    async def _run(self) -> None:
        try:
            while self._more:
                self._more = False
                try:
                    await self._work()
                except Error as error:
                    log.warning("commands of %s wait: %s", self.registered.device_id, error)
                    await asyncio.sleep(RETRY)
                    self._more = self.peer is not None
                except Exception:
                    log.exception("commands of %s stop until its next contact", self.registered.device_id)
                    self._reach.silent = True
        finally:
            self._task = None

    async def _work(self) -> None:
        if self._forgot_attributes:
            await self._write_attributes()
        if self.observations.to_be_made:
            self.observations.to_be_made = False
            await self.observations.make()
        while self.peer is not None:
            command = await store.next_command(self._database, *self._reach.key)
            if command is None:
                return
            if not await self._deliveries.answer_known(command):
                if not self._reach.can_be_asked:
                    return
                await self._deliveries.deliver(command)

    async def _write_attributes(self) -> None:
        """The device registered anew: write the notification attributes that it has forgotten."""
        for path, query in (await notification_attributes.of(self._database, *self._reach.key)).items():
            try:
                answer = await self._deliveries.write_attributes(f"{path}?{query}")
            except NoAnswer as failure:
                log.info("attributes of %s wait for the next contact: %s", path, type(failure).__name__)
                return
            if not is_success(answer.code):
                log.info("%s takes its attributes no more: %s", path, answer.code)
        self._forgot_attributes = False
