"""What connect does when something happens to a device or its credential elsewhere. Everything here may be done twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from lamplighter.bus.event import Event
from lamplighter.services.connect import notification_attributes
from lamplighter.services.connect.events import DEREGISTERED, EXPIRED, PRESUBSCRIBED
from lamplighter.services.connect.mediated import Mediated
from lamplighter.services.connect.presubscriptions import Presubscriptions
from lamplighter.services.connect.registering import Ending, Registering
from lamplighter.services.credentials.events import CERTIFICATE_ENDS, KEY_DELETED
from lamplighter.services.directory import events as directory_events
from lamplighter.services.directory.service import Directory
from lamplighter.storage.database import Database, Transaction

SUBJECT_ENDED = frozenset({"ApplicationDeactivated", "ApplicationDeleted", "ApiKeyDeleted"})
"""Events of services/access whose data names an application or API key that ended."""
DATA_OF = (
    SUBJECT_ENDED | CERTIFICATE_ENDS | {KEY_DELETED, directory_events.DEVICE_DELETED, directory_events.DEVICE_SUSPENDED}
)
"""Kinds of events whose data is looked at here."""


class Ends(Protocol):
    """Who ends registrations."""

    registering: Registering
    mediated: Mediated
    presubscriptions: Presubscriptions
    key_deleted: Callable[[str], None]
    certificate_ended: Callable[[str, str], None]
    device_denied: Callable[[str, str, str], None]
    device_deleted: Callable[[Transaction, str, str], Awaitable[None]]

    async def end(self, account_id: str, device_id: str, how: Ending, *, before: int) -> None: ...

    async def forget(self, account_id: str, device_id: str, *, close: bool) -> None: ...

    async def subject_ended(self, account_id: str, subject_id: str) -> None: ...

    async def gateway_ended(self, account_id: str, device_id: str, *, before: int) -> None: ...


class Handlers:
    """One method for all events: which of them mean the end of a registration."""

    def __init__(self, connect: Ends, directory: Directory, database: Database) -> None:
        self._connect = connect
        self._directory = directory
        self._database = database

    async def handle(self, event: Event) -> None:
        """A registration made after the event (the device came back with a new key) is left alone."""
        if event.kind == PRESUBSCRIBED:
            self._connect.presubscriptions.forget(event.account_id)
        elif event.kind in SUBJECT_ENDED:
            await self._connect.subject_ended(event.account_id, event.data["id"])
        elif event.kind == KEY_DELETED:
            self._connect.key_deleted(event.data["endpoint_name"])
            for device_id in await self._connect.registering.of_key(event.account_id, event.data["endpoint_name"]):
                await self._connect.end(event.account_id, device_id, Ending.REVOKED, before=event.time)
        elif event.kind in CERTIFICATE_ENDS:
            self._connect.certificate_ended(event.account_id, event.data["id"])
        elif event.device_id is None:
            return
        elif event.kind == directory_events.DEVICE_DELETED:
            await self._connect.end(event.account_id, event.device_id, Ending.DELETED, before=event.time)
            self._connect.device_denied(event.account_id, event.device_id, event.data["endpoint_name"])
            await self._connect.mediated.gateway_deleted(event.account_id, event.device_id)
            async with self._database.transaction() as tx:
                await notification_attributes.forget(tx, event.account_id, event.device_id)
                await self._connect.device_deleted(tx, event.account_id, event.device_id)
        elif event.kind == directory_events.DEVICE_SUSPENDED:
            await self._connect.end(event.account_id, event.device_id, Ending.SUSPENDED, before=event.time)
            self._connect.device_denied(event.account_id, event.device_id, event.data["endpoint_name"])
        elif event.kind in (DEREGISTERED, EXPIRED):
            await self._connect.forget(event.account_id, event.device_id, close=False)
            await self._connect.gateway_ended(event.account_id, event.device_id, before=event.time)
