"""Echoes: one worker writes them from the event log, and anybody reads them.

The device side knows nothing of them. The worker reads the log a little later, writes what a batch of events means in one
transaction, and moves its cursor in the same: nothing is written twice, and a device that reports often costs one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from msgspec import UNSET

from lamplighter.bus.bus import Subscription
from lamplighter.bus.log import EventLog
from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.errors import Error
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.ids import is_id
from lamplighter.services.connect.service import Connect
from lamplighter.services.directory.service import Directory
from lamplighter.services.echo import store
from lamplighter.services.echo.changes import Changes, Key
from lamplighter.services.echo.handlers import DATA_OF, OF_INTEREST, gather, needs_definitions
from lamplighter.services.echo.model import Echo, resource_of
from lamplighter.settings import Settings
from lamplighter.storage.database import Database

log = logging.getLogger(__name__)

CURSOR: Final = "echo"
BATCH = 500
GROUP = 0.2
"""Seconds for which events are left to gather: of a device that reports faster only the last value is written."""
LOOK = 5.0
"""Seconds between two looks when no word of an event came."""
FORGOTTEN_TOGETHER = 200
DEVICES = 20_000
"""Devices whose writes are counted in memory, to know when to look whether one has too many resources."""


class Echoes:
    """The service of one process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        events: EventLog,
        directory: Directory,
        connect: Connect,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings.echo
        self._log = events
        self._directory = directory
        self._connect = connect
        self._written: dict[Key, int] = {}
        self._more = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow the log from where the cursor stands; the first time, from its end."""
        if await self._log.cursor(CURSOR) is None:
            await self._log.commit(CURSOR, await self._log.end())
        self._subscription = await self._log.on_append(self._more.set)
        self._task = asyncio.create_task(self._follow(), name="echo follower")

    async def close(self) -> None:
        """Stop. What was under way comes again."""
        if self._subscription is not None:
            await self._subscription.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._subscription = self._task = None

    async def get(self, account_id: str, device_id: str) -> Echo:
        """Raises DeviceNotFound."""
        endpoint_name = await self._endpoint_name(account_id, device_id)
        rows = await store.values(self._database, account_id, device_id)
        known = await store.device(self._database, account_id, device_id)
        subscribed = await self._connect.subscriptions.of_device(account_id, device_id)
        reported = [row["reported_at"] for row in rows if row["reported_at"] is not None]
        desired = [row["desired_at"] for row in rows if row["desired_at"] is not None]
        return Echo(
            device_id=device_id,
            endpoint_name=endpoint_name,
            created_at=to_rfc3339(self._clock.now()),
            updated_at=to_rfc3339(known["registered_at"]) if known is not None and known["registered_at"] else UNSET,
            last_reported_at=to_rfc3339(max(reported)) if reported else UNSET,
            last_desired_at=to_rfc3339(max(desired)) if desired else UNSET,
            resources=[resource_of(row, _is_in(row["path"], subscribed)) for row in rows],
        )

    async def delete(self, account_id: str, device_id: str) -> None:
        """Forget what is known until now. Raises DeviceNotFound."""
        await self._endpoint_name(account_id, device_id)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await store.see(tx, (account_id, device_id), seen_at=now, cleared_at=now)
            await store.delete_values(tx, (account_id, device_id))

    async def step(self) -> bool:
        """Treat one batch of events; whether there may be more. Raises DatabaseUnavailable."""
        position = await self._log.cursor(CURSOR)
        assert position is not None
        found = await self._log.read(position, BATCH, DATA_OF)
        if not found:
            return False
        changes = Changes(self._settings.value_size)
        for event in (recorded.event for recorded in found if recorded.event.kind in OF_INTEREST):
            own = await self._connect.definitions.of(event.account_id) if needs_definitions(event) else None
            gather(changes, event, own)
        async with self._database.transaction() as tx:
            if not await self._log.commit(CURSOR, found[-1].position, tx):
                return True  # another process was here first
            dropped = await store.apply(tx, changes, self._settings.resources, self._crowded(changes))
        if dropped or changes.too_large:
            log.info("echoes keep %d values no more, and %d that are too large not at all", dropped, changes.too_large)
        return len(found) == BATCH

    def _crowded(self, changes: Changes) -> list[Key]:
        """Devices that may have too many resources: to count each at every batch would cost more than writing it."""
        found = []
        for key, new in changes.devices.items():
            written = self._written.pop(key, 0) + len(new.reports) + len(new.desires)
            if written > self._settings.resources // 4:
                found.append(key)
                written = 0
            self._written[key] = written
        while len(self._written) > DEVICES:
            del self._written[next(iter(self._written))]
        return found

    async def prune(self) -> int:
        """Forget devices not heard of for long, some at once; how many."""
        before = self._clock.now() - round(self._settings.kept * MICROSECONDS)
        forgotten = 0
        for key in await store.forgotten(self._database, before, FORGOTTEN_TOGETHER):
            heard = await self._connect.heard_at(*key)
            async with self._database.transaction() as tx:
                if heard is not None and heard >= before:
                    await store.see(tx, key, seen_at=heard)
                else:
                    await store.delete(tx, key)
                    forgotten += 1
        return forgotten

    async def _endpoint_name(self, account_id: str, device_id: str) -> str:
        known = await self._directory.device(self._database, account_id, device_id) if is_id(device_id) else None
        if known is None:
            raise DeviceNotFound(device_id=device_id[:40])
        return known.endpoint_name

    async def _follow(self) -> None:
        while True:
            self._more.clear()
            try:
                if await self.step():
                    continue
            except Error as error:
                log.warning("echoes wait: %s", error)
            except Exception:
                log.exception("echoes could not treat a batch of events; it will come again")
                await asyncio.sleep(LOOK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._more.wait()
            await asyncio.sleep(GROUP)


def _is_in(path: str, subscribed: frozenset[str]) -> bool:
    return any(path == each or path.startswith(each + "/") for each in subscribed)
