"""What belongs together when a device is written: its row, the counts, the device event, the event for other services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamplighter.bus import outbox
from lamplighter.bus.event import Event
from lamplighter.errors.directory import DeviceLimitReached, DeviceNotFound
from lamplighter.ids import is_id
from lamplighter.services.directory import counts, device_events, store
from lamplighter.services.directory.lifecycle import Lifecycle
from lamplighter.services.directory.model import PRODUCTION_MODE, Block, compared, quoted
from lamplighter.services.directory.stamps import Stamps
from lamplighter.settings import Settings
from lamplighter.storage.database import Row, Transaction


class Records:
    """Writes devices. Every method works in its caller's transaction."""

    def __init__(self, stamps: Stamps, settings: Settings) -> None:
        self._stamps = stamps
        self._settings = settings

    async def locked(self, tx: Transaction, account_id: str, device_id: str) -> Row:
        """The device, held against other writers until the transaction ends. Raises DeviceNotFound."""
        row = await store.lock(tx, account_id, device_id) if is_id(device_id) else None
        if row is None:
            raise DeviceNotFound(device_id=quoted(device_id))
        return row

    async def add(
        self, tx: Transaction, account_id: str, endpoint_name: str | None, values: Mapping[str, Any]
    ) -> str | None:
        """Insert a device; None when its endpoint name is taken. Without a name the id stands for it."""
        stamp = self._stamps.new()
        endpoint_name = endpoint_name or stamp.id
        row = {
            **store.BLANK,
            **completed(values),
            "account_id": account_id,
            "id": stamp.id,
            "endpoint_name": endpoint_name,
            "endpoint_key": compared(endpoint_name),
            "created_at": stamp.time,
            "updated_at": stamp.time,
        }
        row.setdefault("name_key", "")
        if not await store.add(tx, row):
            return None
        counted = {counts.of_state(row["state"]): 1}
        await self.tell(tx, row, Lifecycle.CREATED, {"state": row["state"]}, counted=counted)
        return stamp.id

    async def check_limit(self, tx: Transaction, account_id: str, tier: str | None) -> None:
        """Undo, by raising, the device that is one too many. Raises DeviceLimitReached."""
        if tier is None:
            return
        name = "devices_tier_0" if tier == "0" else "devices_tier_1"
        maximum: int = getattr(self._settings.access, name)
        if not maximum:
            return
        await counts.alone(tx, account_id)
        used = await counts.devices(tx, account_id) - 1
        if used >= maximum:
            raise DeviceLimitReached(limit=f"access.{name}", used=used, maximum=maximum)

    async def delete(self, tx: Transaction, row: Row) -> None:
        """Delete a device, and tell of it."""
        groups = await store.remove(tx, row)
        gone = {counts.of_state(row["state"]): -1} | {counts.of_group(group_id): -1 for group_id in groups}
        await self.tell(tx, row, Lifecycle.DELETED, counted=gone)

    async def block(self, tx: Transaction, row: Row, by: str, block: Block) -> None:
        """Suspend a device. ``by``: operator or system."""
        time = self._stamps.after(row["updated_at"])
        values = {**_blocking(by, block, time), f"{by}_suspended": 1, "lifecycle_status": "blocked"}
        if row["state"] == "registered":
            values["state"] = "deregistered"
        how = Lifecycle.SUSPENDED if by == "operator" else Lifecycle.SYSTEM_SUSPENDED
        data = {"by": by, "category": block.category, "description": block.description}
        await self.change(tx, row, values, how, data, time=time)

    async def unblock(self, tx: Transaction, row: Row, by: str, block: Block) -> None:
        """Lift one suspension of a device. ``by``: operator or system."""
        time = self._stamps.after(row["updated_at"])
        other = "system" if by == "operator" else "operator"
        status = "blocked" if row[f"{other}_suspended"] else "enabled"
        values = {**_blocking(by, block, time), f"{by}_suspended": 0, "lifecycle_status": status}
        how = Lifecycle.RESUMED if by == "operator" else Lifecycle.SYSTEM_RESUMED
        data = {
            "by": by,
            "category": block.category,
            "description": block.description,
            "lifecycle_status": status,
        }
        await self.change(tx, row, values, how, data, time=time)

    async def change(
        self,
        tx: Transaction,
        row: Row,
        values: Mapping[str, Any],
        how: Lifecycle,
        data: Mapping[str, str] | None = None,
        *,
        time: int | None = None,
        locked: bool = True,
    ) -> bool:
        """Write what differs, count it, and tell of it.

        :param locked: whether the row is held. If it is not, and was changed meanwhile, nothing is done: False
        """
        changed = differing(row, values)
        if "device_execution_mode" in changed:
            production = changed["device_execution_mode"] == PRODUCTION_MODE
            changed["deployed_state"] = "production" if production else "development"
        changed["updated_at"] = self._stamps.after(row["updated_at"]) if time is None else time
        if locked:
            await store.change(tx, row, changed)
        elif not await store.change_if_still(tx, row, changed):
            return False
        moved = {}
        if "state" in changed:
            moved = {counts.of_state(row["state"]): -1, counts.of_state(changed["state"]): 1}
        await self.tell(tx, row, how, data, state_change=bool(moved), counted=moved)
        return True

    async def tell(
        self,
        tx: Transaction,
        row: Row | Mapping[str, Any],
        how: Lifecycle,
        data: Mapping[str, str] | None = None,
        *,
        state_change: bool | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> None:
        """The device event, and the event for other services. ``counted``: what changes of the account's counts."""
        account_id, device_id = row["account_id"], row["id"]
        stamp = self._stamps.new()
        await device_events.add(
            tx,
            account_id,
            device_id,
            how.value,
            event_id=stamp.id,
            created_at=stamp.time,
            state_change=state_change,
            data=data,
            counted=counted,
        )
        told = {**(data or {}), "endpoint_name": row["endpoint_name"]}
        await outbox.append(
            tx, Event(kind=how.value.kind, account_id=account_id, device_id=device_id, time=stamp.time, data=told)
        )


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with what follows from them: the form names are compared in, truth as 0 and 1, the deployed state."""
    found: dict[str, Any] = {name: int(value) if isinstance(value, bool) else value for name, value in values.items()}
    if "name" in found:
        found["name_key"] = compared(found["name"])
    if found.get("device_execution_mode") == PRODUCTION_MODE:
        found["deployed_state"] = "production"
    return found


def differing(row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that the row does not have yet."""
    return {
        name: value
        for name, value in values.items()
        if (store.decoded(row[name]) if name in store.MAPS else row[name]) != value
    }


def _blocking(by: str, block: Block, time: int) -> dict[str, Any]:
    return {
        f"last_{by}_suspended_category": block.category,
        f"last_{by}_suspended_description": block.description,
        f"last_{by}_suspended_updated_at": time,
    }
