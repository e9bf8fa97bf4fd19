"""Subscriptions of applications to resources. A device is observed once for all who subscribed.

They end with the registration under which they were made; a full registration is a new one (contract: manual
subscriptions vanish at full registration).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamplighter.clock import Clock
from lamplighter.errors import FieldFault, connect
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.lwm2m.objects import Definitions
from lamplighter.services.connect import store
from lamplighter.services.connect.commands import Commands
from lamplighter.services.connect.definitions import OwnDefinitions
from lamplighter.services.connect.registering import Registered, registered_of
from lamplighter.services.connect.resources import has
from lamplighter.services.connect.results import given
from lamplighter.services.connect.targets import MOST_TOGETHER, is_composite, is_numbered, paths_in, target_of
from lamplighter.storage.database import Database

Latest = Callable[[Registered, str, Definitions], tuple[bytes, int]]
"""The value and content format last heard of a resource that a device observes by itself."""


class Subscribed(NamedTuple):
    """``async_id`` under which the device's answer comes; None: the subscription was there."""

    registered: Registered
    async_id: str | None


class Subscriptions:
    """Adds and removes subscriptions."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        commands: Commands,
        definitions: OwnDefinitions,
        latest: Latest,
    ) -> None:
        self._definitions = definitions
        self._database = database
        self._clock = clock
        self._ids = ids
        self._commands = commands
        self._latest = latest

    async def add(self, account_id: str, subject_id: str, device_id: str, path: str) -> Subscribed:
        """Raises InvalidParameters, DeviceNotRegistered, ResourceNotRegistered, SubscriptionQueueFull."""
        path = target_of(path)
        if len(paths_in(path)) > MOST_TOGETHER:
            raise invalid([FieldFault("resourcePath", f"must have at most {MOST_TOGETHER} paths")])
        definitions = await self._definitions.of(account_id)
        async with self._database.transaction() as tx:
            row = await store.lock_registration(tx, account_id, device_id) if is_id(device_id) else None
            if row is None:
                raise connect.DeviceNotRegistered(device_id=device_id[:40])
            registered = registered_of(row)
            for each in paths_in(path):
                if not has(registered.links, each) or (is_composite(path) and not is_numbered(each)):
                    raise connect.ResourceNotRegistered(device_id=device_id, path=each[:300])
            found = await store.subscription(tx, account_id, device_id, path, subject_id)
            if found is not None:
                return Subscribed(registered, None if found["active"] else found["async_id"])
            async_id, now = self._ids.new(), self._clock.now()
            known = path in registered.links.auto
            await store.subscribe(tx, account_id, device_id, path, subject_id, async_id, known, now)
            if known:  # the device refuses to be asked for what it sends by itself
                item = given(async_id, *self._latest(registered, path, definitions))
                await self._commands.finish_at_once(tx, registered, subject_id, item)
            else:
                await self._commands.observe(tx, registered, subject_id, async_id, path)
        return Subscribed(registered, async_id)

    async def check(self, account_id: str, subject_id: str, device_id: str, path: str) -> None:
        """Raises SubscriptionNotFound."""
        path = target_of(path)
        known = _is_possible(device_id, path)
        if not known or await store.subscription(self._database, account_id, device_id, path, subject_id) is None:
            raise connect.SubscriptionNotFound(device_id=device_id[:40], path=path[:300])

    async def paths(self, account_id: str, subject_id: str, device_id: str) -> list[str]:
        """What the application is subscribed to."""
        if not is_id(device_id):
            return []
        return await store.paths_of(self._database, account_id, device_id, subject_id)

    async def of_device(self, account_id: str, device_id: str) -> frozenset[str]:
        """What anybody in the account is subscribed to."""
        targets = await store.all_subjects(self._database, account_id, device_id)
        return frozenset(path for target, _ in targets for path in paths_in(target))

    async def remove(self, account_id: str, subject_id: str, device_id: str, path: str) -> list[str]:
        """The path, if nobody is subscribed to it any more."""
        path = target_of(path)
        if not _is_possible(device_id, path):
            return []
        async with self._database.transaction() as tx:
            if not await store.unsubscribe(tx, account_id, device_id, path, subject_id):
                return []
            return [] if await store.subjects_of(tx, account_id, device_id, path) else [path]

    async def remove_all(self, account_id: str, subject_id: str, device_id: str) -> list[str]:
        """The paths of the device that nobody is subscribed to any more."""
        if not is_id(device_id):
            return []
        async with self._database.transaction() as tx:
            removed = await store.unsubscribe_all(tx, account_id, device_id, subject_id)
            return [path for path in removed if not await store.subjects_of(tx, account_id, device_id, path)]


def _is_possible(device_id: str, path: str) -> bool:
    """Whether a subscription could be kept for them; PostgreSQL's text takes no U+0000."""
    return is_id(device_id) and "\x00" not in path
