"""The queue of each device: what was asked for is durable before it is confirmed, and ends exactly once.

A command ends by deleting its row; whoever deletes it appends its async response in the same transaction, so that two
who try (an answer and an expiry, two processes) cannot both succeed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import connect
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.ids import Ids, is_id
from lamplighter.services.connect import events, outcomes, store
from lamplighter.services.connect.formats import content_format_of
from lamplighter.services.connect.model import COMPOSITE, OBSERVE, Command, DeviceRequest
from lamplighter.services.connect.own_commands import OwnCommands
from lamplighter.services.connect.registering import Registered, registered_of
from lamplighter.services.connect.resources import has, is_path, path_of
from lamplighter.services.connect.results import Undelivered, encoded, failed, request_of
from lamplighter.services.directory.service import Directory
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row, Transaction

ACTIVE_RETRIES, QUEUE_RETRIES = 0, 2
ACTIVE_EXPIRY, QUEUE_EXPIRY = 2 * 3600, 3 * 86400
"""Seconds."""
LATE_TOGETHER = 200

NOTHING: Mapping[str, Any] = {}

Also = Callable[[Transaction], Awaitable[None]]


class Commands:
    """Adds commands and ends them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        directory: Directory,
        process: str,
        own: OwnCommands,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._directory = directory
        self._process = process
        self._own = own
        self.limit = settings.lwm2m.command_queue

    async def request(
        self,
        account_id: str,
        subject_id: str,
        device_id: str,
        async_id: str,
        body: DeviceRequest,
        retry: int | None = None,
        expiry: int | None = None,
        *,
        request_id: str | None = None,
    ) -> Registered:
        """Queue a request; one that the application has sent before and that has not ended is not queued again, nor is an
        Execute or Create that has ended within its life.

        :param request_id: the API's, which becomes the command's: one id explains both
        :param retry: deliveries after the first; None: by the device's mode
        :param expiry: seconds after which it is not delivered any more; None: by the device's mode

        Raises DeviceNotFound, DeviceNotConnected, UriPathNotExisting, ResourceNotFound, QueueIsFull.
        """
        async with self._database.transaction() as tx:
            return await self.add(
                tx, account_id, subject_id, device_id, async_id, body, retry, expiry, request_id=request_id
            )

    async def add(
        self,
        tx: Transaction,
        account_id: str,
        subject_id: str,
        device_id: str,
        async_id: str,
        body: DeviceRequest,
        retry: int | None = None,
        expiry: int | None = None,
        *,
        request_id: str | None = None,
    ) -> Registered:
        """The same in a transaction of the caller's."""
        row = await store.lock_registration(tx, account_id, device_id) if is_id(device_id) else None
        if row is None:
            raise await self._absent(tx, account_id, device_id)
        registered = registered_of(row)
        if await store.is_waiting(tx, account_id, device_id, subject_id, async_id):
            return registered
        now, digest = self._clock.now(), outcomes.digest_of(body.method, body.uri, body.payload)
        if await outcomes.is_done(tx, account_id, device_id, subject_id, async_id, digest, now):
            return registered
        path = path_of(body.uri.partition("?")[0])
        if body.method not in COMPOSITE and not has(registered.links, path):
            if not is_path(path):
                raise connect.UriPathNotExisting(uri=body.uri[:100], device_id=device_id)
            raise connect.ResourceNotFound(device_id=device_id, path=path)
        if await store.waiting(tx, account_id, device_id) >= self.limit:
            raise connect.QueueIsFull(device_id=device_id, limit=self.limit)
        command = Command(
            request_id or self._ids.new(),
            subject_id,
            async_id,
            body.method,
            body.uri,
            content_format_of(body.accept or ""),
            content_format_of(body.content_type or ""),
            body.payload,
            *self._terms(registered, retry, expiry),
        )
        await store.add_command(tx, account_id, device_id, command, now)
        if body.writes:
            item = {"path": path, **encoded(command.payload, command.content_format, 0)}
            await append(tx, events.desired(account_id, device_id, now, command.id, item))
        return registered

    async def observe(self, tx: Transaction, registered: Registered, subject_id: str, async_id: str, path: str) -> None:
        """Queue the observation that a subscription needs. Raises SubscriptionQueueFull."""
        account_id, device_id = registered.account_id, registered.device_id
        if await store.waiting(tx, account_id, device_id) >= self.limit:
            raise connect.SubscriptionQueueFull(device_id=device_id, limit=self.limit, retry_after=60)
        terms = self._terms(registered, None, None)
        command = Command(self._ids.new(), subject_id, async_id, OBSERVE, path, None, None, b"", *terms)
        await store.add_command(tx, account_id, device_id, command, self._clock.now())

    async def mark_sent(self, registered: Registered, command: Command) -> bool:
        """Note before sending that it is under way: a process that finds the note after a crash must not send it again.

        False when it has ended meanwhile.
        """
        async with self._database.transaction() as tx:
            return await store.mark_sent(tx, registered.account_id, registered.device_id, command.id, self._process)

    async def keep(self, registered: Registered, command: Command, deliveries: int) -> None:
        """It was not delivered; it stays at the head of the queue for the device's next contact."""
        async with self._database.transaction() as tx:
            await store.keep_command(tx, registered.account_id, registered.device_id, command.id, deliveries)

    async def finish(
        self,
        registered: Registered,
        command: Command,
        item: dict[str, Any],
        also: Also | None = None,
        details: Mapping[str, Any] = NOTHING,
    ) -> bool:
        """End a command with its async response, and do in the same transaction what belongs to it. False when it has
        ended before.

        :param details: what is known of the device's side
        """
        async with self._database.transaction() as tx:
            if not await store.take_command(tx, registered.account_id, registered.device_id, command.id):
                return False
            device = (registered.account_id, registered.device_id)
            if not await self._own.end(tx, *device, command.subject_id, item, details):
                request = request_of(command.id, command.method, command.uri)
                await append(tx, self._finished(registered, command.subject_id, item, request))
                if command.heard:
                    digest = outcomes.digest_of(command.method, command.uri, command.payload)
                    await outcomes.keep(tx, *device, command._asdict(), item, self._clock.now(), details, digest)
            if also is not None:
                await also(tx)
        return True

    async def finish_at_once(
        self, tx: Transaction, registered: Registered, subject_id: str, item: dict[str, Any]
    ) -> None:
        """The async response of what needed no command."""
        await append(tx, self._finished(registered, subject_id, item))

    async def expire(self) -> int:
        """End what is past its expiry, some at once; how many."""
        now = self._clock.now()
        late = await store.late_commands(self._database, now, LATE_TOGETHER)
        for row in late:
            async with self._database.transaction() as tx:
                if not await store.take_command(tx, row["account_id"], row["device_id"], row["id"]):
                    continue
                await self._expired(tx, row, now)
        return len(late)

    async def _expired(self, tx: Transaction, row: Row, now: int) -> None:
        account_id, device_id, subject_id = row["account_id"], row["device_id"], row["subject_id"]
        if row["method"] == OBSERVE:
            await store.unsubscribe(tx, account_id, device_id, row["uri"], subject_id)
        registration = await store.registration(tx, account_id, device_id)
        endpoint_name = registration["endpoint_name"] if registration is not None else ""
        # What was under way may have been done; "expired" would say that it was not.
        end = Undelivered.UNKNOWN if row["sent_by"] else Undelivered.EXPIRED
        item, details = failed(row["async_id"], *end.value), {"why": outcomes.WHY[end]}
        if await self._own.end(tx, account_id, device_id, subject_id, item, details):
            return
        await outcomes.keep(tx, account_id, device_id, row, item, now, details)
        request = request_of(row["id"], row["method"], row["uri"])
        await append(tx, events.finished(account_id, device_id, now, item, endpoint_name, subject_id, request))

    def _finished(
        self, registered: Registered, subject_id: str, item: dict[str, Any], request: dict[str, str] | None = None
    ) -> Event:
        now, endpoint_name = self._clock.now(), registered.endpoint_name
        return events.finished(
            registered.account_id, registered.device_id, now, item, endpoint_name, subject_id, request
        )

    def _terms(self, registered: Registered, retry: int | None, expiry: int | None) -> tuple[int, str, int]:
        """Deliveries, nobody has sent it, when it expires."""
        if retry is None:
            retry = QUEUE_RETRIES if registered.queue_mode else ACTIVE_RETRIES
        if expiry is None:
            expiry = QUEUE_EXPIRY if registered.queue_mode else ACTIVE_EXPIRY
        return retry + 1, "", self._clock.now() + expiry * MICROSECONDS

    async def _absent(self, tx: Transaction, account_id: str, device_id: str) -> Exception:
        known = is_id(device_id) and await self._directory.device(tx, account_id, device_id) is not None
        if known:
            return connect.DeviceNotConnected(device_id=device_id)
        return DeviceNotFound(device_id=device_id[:40])
