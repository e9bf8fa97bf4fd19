"""The gate of the API: open, closed for maintenance by the operator, or closed because the process stops."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.errors import Error, requests
from lamplighter.services.support import store
from lamplighter.storage.database import Database

log = structlog.get_logger("lamplighter.support")

SWITCH = "maintenance"
SUBJECT = "support.maintenance"
POLL = 1.0
"""Seconds after which a change is seen even if no message told of it."""
RETRY_AFTER = 30.0


class Maintenance(msgspec.Struct):
    """The switch as stored. ``note`` is told to callers."""

    on: bool = False
    note: str = ""


class Gate:
    """The switch as one process sees it."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._state = Maintenance()
        self._stopping = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None

    def check(self) -> None:
        """Raises ShuttingDown or UnderMaintenance."""
        if self._stopping:
            raise requests.ShuttingDown(retry_after=5.0)
        if self._state.on:
            note = f" {self._state.note}" if self._state.note else ""
            raise requests.UnderMaintenance(note=note, retry_after=RETRY_AFTER)

    def stop(self) -> None:
        """From now on nothing new is taken."""
        self._stopping = True

    async def start(self) -> None:
        self._subscription = await self._bus.subscribe(SUBJECT, lambda _: self._wake.set())
        await self._refresh()
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.cancel()

    async def _follow(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), POLL)
            except TimeoutError:
                pass
            self._wake.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            value = await store.get_switch(self._database, SWITCH)
        except Error:
            return  # the database is away: each request finds that out for itself
        try:
            self._state = msgspec.json.decode(value, type=Maintenance) if value else Maintenance()
        except msgspec.MsgspecError as error:  # set by hand, or by a later version
            log.error("the maintenance switch cannot be read; it stays as it was", reason=str(error))


async def switch(database: Database, bus: Bus | None, *, on: bool, note: str = "") -> None:
    """Set the switch for the whole installation."""
    async with database.transaction() as transaction:
        await store.set_switch(transaction, SWITCH, msgspec.json.encode(Maintenance(on, note)).decode())
    if bus is not None:
        bus.publish(SUBJECT, b"")
