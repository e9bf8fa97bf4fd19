"""What may happen to a device, for the REST operations and for the device side.

Methods that take a transaction do their work in it and leave the commit to their caller; the others open their own.
Everything that happens is written three times in the one transaction: to the device, as a device event, and to the event
log for other services (events.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lamplighter.api.filter import Condition, read_inner
from lamplighter.clock import Clock, to_rfc3339
from lamplighter.errors import FieldFault
from lamplighter.errors.directory import (
    DeviceAlreadySuspended,
    DeviceNotDeletable,
    DeviceNotFound,
    DeviceNotSuspended,
    EndpointNameTaken,
)
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.services.directory import counts, device_events, store
from lamplighter.services.directory.filters import DEVICES
from lamplighter.services.directory.groups import Groups
from lamplighter.services.directory.lifecycle import Lifecycle
from lamplighter.services.directory.listing import Lists
from lamplighter.services.directory.model import (
    DEVELOPER_MODE,
    Block,
    Device,
    DeviceCreate,
    DeviceUpdate,
    Facts,
    Happening,
    State,
    compared,
    quoted,
)
from lamplighter.services.directory.queries import Queries, filter_faults
from lamplighter.services.directory.records import Records, completed, differing
from lamplighter.services.directory.stamps import Stamps
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Reader, Row, Transaction
from lamplighter.storage.search import CountCache


class Known(NamedTuple):
    """A device as the device side needs to know it."""

    device_id: str
    endpoint_name: str
    state: str
    suspended: bool
    """By an operator or by the system: it is refused."""
    device_execution_mode: int
    host_gateway: str
    """The id of the gateway that it hangs behind, or empty."""
    ca_id: str
    """The id of the certificate that it came by, or empty."""


class Ensured(NamedTuple):
    """A device that surely has a record."""

    device_id: str
    created: bool
    suspended: bool
    seen: Row | None = None
    """Its row as it was read; None when it was made now."""


class Directory:
    """The directory of all accounts."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, settings: Settings) -> None:
        self.database = database
        self.stamps = Stamps(clock, ids)
        self.records = Records(self.stamps, settings)
        self.groups = Groups(database, self.stamps)
        self.queries = Queries(database, self.stamps)
        self.lists = Lists(database, CountCache(clock, settings.api.count_age))

    # The device side

    async def device_of_endpoint(self, reader: Reader, account_id: str, endpoint_name: str) -> Known | None:
        """The device with that endpoint name."""
        return _known(await store.by_endpoint(reader, account_id, compared(endpoint_name)))

    async def device(self, reader: Reader, account_id: str, device_id: str) -> Known | None:
        """The device with that id."""
        return _known(await store.get(reader, account_id, device_id))

    async def ensure_device(
        self,
        tx: Transaction,
        account_id: str,
        endpoint_name: str,
        facts: Facts,
        *,
        tier: str | None = None,
        state: State = "unenrolled",
        reset: bool = False,
    ) -> Ensured:
        """The device with that endpoint name, made when there is none. An existing one is not touched.

        Raises DeviceLimitReached.

        :param tier: of the account, for its limit; None: no limit
        :param state: of a new record: ``cloud_enrolling`` while it is being bootstrapped
        :param reset: the device says that it lost its identity (factory reset). One in developer mode then gets a new
            record, its old one is deleted; any other keeps its own (reference: the vendor's client expects both)
        """
        key = compared(endpoint_name)
        while True:
            found = await store.by_endpoint(tx, account_id, key)
            if found is not None and reset and found["device_execution_mode"] == DEVELOPER_MODE:
                found = await store.lock(tx, account_id, found["id"])
                if found is not None:
                    await self.records.delete(tx, found)
                found = None  # deleted by us, or by another process that was told the same
            if found is not None:
                return Ensured(found["id"], created=False, suspended=_is_suspended(found), seen=found)
            values = {**facts.values(), "state": state}
            device_id = await self.records.add(tx, account_id, endpoint_name, values)
            if device_id is not None:
                await self.records.check_limit(tx, account_id, tier)
                return Ensured(device_id, created=True, suspended=False)
            reset = False  # another process was first: its record is as new as ours would have been

    async def bootstrapped(self, tx: Transaction, account_id: str, device_id: str, facts: Facts, since: int) -> None:
        """The device was given its credentials. Raises DeviceNotFound.

        :param since: when that began (microseconds); a device that has registered since then stays so: it may be faster
            than we are with writing down that its bootstrap ended
        """
        row = await self.records.locked(tx, account_id, device_id)
        time = self.stamps.after(row["updated_at"])
        values = {**facts.values(), "state": "bootstrapped", "bootstrapped_timestamp": time}
        if row["state"] == "registered" and row["updated_at"] > since:
            del values["state"]
        await self.records.change(tx, row, values, Lifecycle.BOOTSTRAPPED, time=time)

    async def bootstrap_failed(self, tx: Transaction, account_id: str, device_id: str, reason: str) -> None:
        """A bootstrap was begun and not finished. Raises DeviceNotFound."""
        row = await self.records.locked(tx, account_id, device_id)
        await self.records.tell(tx, row, Lifecycle.BOOTSTRAP_FAILED, {"reason": reason[:500]})

    async def turned_away(self, tx: Transaction, account_id: str, device_id: str) -> None:
        """The device tried to connect while it was suspended. Raises DeviceNotFound."""
        row = await self.records.locked(tx, account_id, device_id)
        await self.records.tell(tx, row, Lifecycle.TURNED_AWAY)

    async def forget(self, tx: Transaction, account_id: str, device_id: str) -> None:
        """Delete a device in developer mode, to make room for another. Nothing is done when there is none."""
        row = await store.lock(tx, account_id, device_id)
        if row is not None and row["device_execution_mode"] == DEVELOPER_MODE:
            await self.records.delete(tx, row)

    async def registered(
        self, tx: Transaction, account_id: str, device_id: str, facts: Facts, seen: Row | None = None
    ) -> None:
        """The device registered, or updated its registration. What changes nothing writes nothing.

        Raises DeviceNotFound.

        :param seen: its row as it was read before in this transaction, if it was
        """
        values = {**facts.values(), "state": "registered"}
        row = seen if seen is not None else await store.get(tx, account_id, device_id)
        if row is not None:
            changed = differing(row, values)
            if not changed:
                return
            # The usual case in fewer steps: only the state differs, and nobody else is at it.
            if changed.keys() == {"state"} and await self.records.change(
                tx, row, changed, Lifecycle.REGISTERED, locked=False
            ):
                return
        row = await self.records.locked(tx, account_id, device_id)
        changed = differing(row, values)
        if "state" in changed:
            await self.records.change(tx, row, values, Lifecycle.REGISTERED)
        elif changed:
            await self.records.change(
                tx, row, values, Lifecycle.REGISTRATION_UPDATED, {"changed": ",".join(sorted(changed))}
            )

    async def reported(self, tx: Transaction, account_id: str, device_id: str, facts: Facts) -> None:
        """The device said something new about itself, in a notification for instance. Its state stays, and so do
        components that are not spoken of. Raises DeviceNotFound."""
        row = await self.records.locked(tx, account_id, device_id)
        values = facts.values()
        if facts.component_attributes is not None:
            known = store.decoded(row["component_attributes"])
            merged = Facts(component_attributes={**known, **facts.component_attributes})
            values["component_attributes"] = merged.values()["component_attributes"]
        changed = differing(row, values)
        if changed:
            names = ",".join(sorted(changed))
            await self.records.change(tx, row, changed, Lifecycle.REGISTRATION_UPDATED, {"changed": names})

    async def deregistered(self, tx: Transaction, account_id: str, device_id: str, *, expired: bool) -> None:
        """The device deregistered, or (``expired``) was not heard of. Nothing is done when it is gone or was not
        registered."""
        row = await store.lock(tx, account_id, device_id)
        if row is not None and row["state"] == "registered":
            how = Lifecycle.REGISTRATION_EXPIRED if expired else Lifecycle.DEREGISTERED
            await self.records.change(tx, row, {"state": "deregistered"}, how)

    async def remove(self, account_id: str, device_id: str) -> None:
        """The device is no more: its record is deleted, if there is one."""
        async with self.database.transaction() as tx:
            row = await store.lock(tx, account_id, device_id)
            if row is not None:
                await self.records.delete(tx, row)

    async def system_suspend(
        self, tx: Transaction, account_id: str, device_id: str, category: str, description: str
    ) -> None:
        """The system blocks the device, for a certificate that was revoked for instance. Raises DeviceNotFound."""
        row = await self.records.locked(tx, account_id, device_id)
        if not row["system_suspended"]:
            await self.records.block(tx, row, "system", Block(category=category, description=description))

    async def system_resume(
        self, tx: Transaction, account_id: str, device_id: str, category: str, description: str
    ) -> None:
        """The system's block is lifted. Raises DeviceNotFound."""
        row = await self.records.locked(tx, account_id, device_id)
        if row["system_suspended"]:
            await self.records.unblock(tx, row, "system", Block(category=category, description=description))

    # Other services

    async def add_event(
        self,
        tx: Transaction,
        account_id: str,
        device_id: str,
        happening: Happening,
        *,
        date_time: int | None = None,
        data: Mapping[str, str] | None = None,
    ) -> str:
        """Record a device event of another service, an update's for instance; its id. The event log is left alone."""
        stamp = self.stamps.new()
        await device_events.add(
            tx,
            account_id,
            device_id,
            happening,
            event_id=stamp.id,
            created_at=stamp.time,
            date_time=date_time,
            data=data,
        )
        return stamp.id

    @staticmethod
    def filter_faults(text: str, name: str) -> list[FieldFault]:
        """What is wrong with a stored filter of devices, a campaign's for instance; faults name the member ``name``."""
        return filter_faults(text, name)

    async def matching(self, account_id: str, text: str, *, after: str | None = None, limit: int) -> list[str]:
        """The ids of the next devices that a stored filter selects, in the order of ids; fewer than ``limit`` at the
        end. Terms that cannot be read are passed over: look at :meth:`filter_faults` when it is stored."""
        conditions: list[Condition] = []
        read_inner(DEVICES, text, [], conditions)
        rows = await self.lists.device_rows(account_id, conditions, False, after, limit)
        return [row["id"] for row in rows[:limit]]

    # The REST operations

    async def retrieve(self, account_id: str, device_id: str) -> Device:
        """Raises DeviceNotFound."""
        row = await store.get(self.database, account_id, device_id) if is_id(device_id) else None
        if row is None:
            raise DeviceNotFound(device_id=quoted(device_id))
        return (await store.shown(self.database, account_id, (row,)))[0]

    async def create(self, account_id: str, tier: str, body: DeviceCreate) -> Device:
        """Raises EndpointNameTaken, DeviceLimitReached."""
        values = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
        endpoint_name = values.pop("endpoint_name", None) or None
        async with self.database.transaction() as tx:
            device_id = await self.records.add(tx, account_id, endpoint_name, values)
            if device_id is None:
                raise EndpointNameTaken(endpoint_name=endpoint_name)
            await self.records.check_limit(tx, account_id, tier)
            return await self._shown(tx, account_id, device_id)

    async def update(self, account_id: str, device_id: str, body: DeviceUpdate) -> Device:
        """Raises DeviceNotFound, InvalidParameters."""
        values = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
        endpoint_name = values.pop("endpoint_name", None)
        async with self.database.transaction() as tx:
            row = await self.records.locked(tx, account_id, device_id)
            if endpoint_name is not None and compared(endpoint_name) != row["endpoint_key"]:
                fault = FieldFault("endpoint_name", "is the device's own and cannot be changed; leave it out")
                raise invalid([fault])
            changed = differing(row, completed(values))
            if changed:
                names = ",".join(sorted(changed.keys() - {"name_key"}))
                await self.records.change(tx, row, changed, Lifecycle.UPDATED, {"changed": names})
            return await self._shown(tx, account_id, device_id)

    async def destroy(self, account_id: str, device_id: str) -> None:
        """Raises DeviceNotFound, DeviceNotDeletable."""
        async with self.database.transaction() as tx:
            row = await self.records.locked(tx, account_id, device_id)
            if row["device_execution_mode"] != DEVELOPER_MODE:
                fault = FieldFault("id", "names a device without a developer certificate")
                raise DeviceNotDeletable(device_id=device_id, mode=row["device_execution_mode"], fields=[fault])
            await self.records.delete(tx, row)

    async def suspend(self, account_id: str, device_id: str, block: Block) -> None:
        """Raises DeviceNotFound, DeviceAlreadySuspended."""
        async with self.database.transaction() as tx:
            row = await self.records.locked(tx, account_id, device_id)
            if row["operator_suspended"]:
                since = to_rfc3339(row["last_operator_suspended_updated_at"])
                raise DeviceAlreadySuspended(device_id=device_id, since=since)
            await self.records.block(tx, row, "operator", block)

    async def resume(self, account_id: str, device_id: str, block: Block) -> None:
        """Raises DeviceNotFound, DeviceNotSuspended."""
        async with self.database.transaction() as tx:
            row = await self.records.locked(tx, account_id, device_id)
            if not row["operator_suspended"]:
                raise DeviceNotSuspended(device_id=device_id)
            await self.records.unblock(tx, row, "operator", block)

    async def fold_counts(self) -> int:
        """Fold what changed into the counts; how many changes there were. For a worker, about once a second."""
        return await counts.fold(self.database)

    async def _shown(self, tx: Transaction, account_id: str, device_id: str) -> Device:
        row = await store.get(tx, account_id, device_id)
        assert row is not None
        return (await store.shown(tx, account_id, (row,)))[0]


def _known(row: Row | None) -> Known | None:
    if row is None:
        return None
    return Known(
        row["id"],
        row["endpoint_name"],
        row["state"],
        _is_suspended(row),
        row["device_execution_mode"],
        row["host_gateway"],
        row["ca_id"] or "",
    )


def _is_suspended(row: Row) -> bool:
    return bool(row["operator_suspended"] or row["system_suspended"])
