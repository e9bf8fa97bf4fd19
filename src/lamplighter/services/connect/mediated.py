"""Devices behind an edge gateway: each is a device of its own, listed by the gateway under ``/d/NAME`` (wire facts section 7).

A gateway's name for a device is not a name of the account's: two gateways may both have a ``lamp``. So the table of
mediated devices says which device a gateway means, and only the first of that name has it as its endpoint name.

Each device is written in a transaction of its own, many together; the gateway is answered once all of them are on disk.
When a gateway's registration ends, theirs end by the event of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from lamplighter.bus.outbox import append
from lamplighter.clock import Clock
from lamplighter.errors import Error
from lamplighter.errors.storage import DatabaseUnavailable
from lamplighter.ids import Ids
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.registration import merge_links
from lamplighter.services.connect import events, mediated_store, store
from lamplighter.services.connect.registering import Change, Ending, Registered, Registering, TierOf, registered_of
from lamplighter.services.connect.resources import Links, facts_of
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory, Known
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row, Transaction

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")

LONGEST_NAME = 64
TOGETHER = 5
"""Devices that are written at once: about five milliseconds of the event loop."""
NEVER = 1 << 62
"""Their registrations do not expire: the gateway's does."""


class MediatedDevice(NamedTuple):
    """A registered device behind a gateway, and what the gateway calls it."""

    name: str
    registered: Registered
    observed: Mapping[str, bytes] | None = None
    """Tokens by path, of a gateway whose session was stored."""


class Outcome(NamedTuple):
    """What a gateway's request did to the devices behind it."""

    made: Sequence[tuple[str, Change]] = ()
    ended: Sequence[Registered] = ()


class Mediated:
    """Every way in which devices behind gateways come, change and go."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        directory: Directory,
        registering: Registering,
        tier_of: TierOf,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._directory = directory
        self._registering = registering
        self._tier_of = tier_of
        self._most = settings.lwm2m.gateway_devices

    async def registered(self, gateway: Registered, links: Mapping[str, list[Link]]) -> Outcome:
        """The gateway registered: exactly these devices are behind it. Raises DatabaseUnavailable."""
        present = {name: after for name, listed in links.items() if (after := _after_removal(listed)) is not None}
        ended = await self._end([row for row in await self._rows(gateway) if row["name"] not in present])
        return Outcome(await self._put_all(gateway, present, 0), ended)

    async def updated(self, gateway: Registered, links: Mapping[str, list[Link]]) -> Outcome:
        """The gateway updated its registration: these devices are new, changed or (``;d``) gone.

        Raises DatabaseUnavailable.
        """
        rows = await self._rows(gateway)
        known = {row["name"]: row for row in rows if row["name"] in links}
        new = {name: after for name, listed in links.items() if (after := _after_removal(listed)) is not None}
        gone = [name for name in known if new.get(name) is not links[name]]
        ended = await self._end([known.pop(name) for name in gone])
        changed: list[tuple[str, Change]] = []
        for name in known.keys() & new.keys():
            change = await self._change(registered_of(known[name]), new.pop(name))
            if change is not None:
                changed.append((name, change))
        return Outcome([*changed, *await self._put_all(gateway, new, len(rows) - len(ended))], ended)

    async def arrived(self, tx: Transaction, gateway: Registered, session: str = "") -> list[MediatedDevice]:
        """Those behind a gateway that talks to this process now, which are this process's too from here on.

        :param session: the stored session that it goes on in, with what they observe there
        """
        own = (gateway.account_id, gateway.device_id)
        await mediated_store.move(tx, *own, gateway.process)
        rows = await mediated_store.registered_behind(tx, *own)
        if not session:
            return [MediatedDevice(row["name"], registered_of(row)) for row in rows]
        observed = await mediated_store.observations_behind(tx, *own, session)
        return [MediatedDevice(row["name"], registered_of(row), observed.get(row["name"], {})) for row in rows]

    async def gateway_ended(self, account_id: str, gateway_id: str, *, before: int) -> list[Registered]:
        """End what was registered through a gateway at that time (microseconds UTC) or before it; those that ended."""
        rows = await mediated_store.registered_behind(self._database, account_id, gateway_id)
        return await self._end([row for row in rows if row["registered_at"] <= before])

    async def gateway_deleted(self, account_id: str, gateway_id: str) -> None:
        """A device was deleted: those behind it are deleted too, and it is behind no gateway any more."""
        for device_id in await mediated_store.devices_behind(self._database, account_id, gateway_id):
            await self._directory.remove(account_id, device_id)
        async with self._database.transaction() as tx:
            await mediated_store.forget(tx, account_id, gateway_id)

    # Steps

    async def _rows(self, gateway: Registered) -> Sequence[Row]:
        return await mediated_store.registered_behind(self._database, gateway.account_id, gateway.device_id)

    async def _put_all(
        self, gateway: Registered, links: Mapping[str, list[Link]], others: int
    ) -> list[tuple[str, Change]]:
        names = [name for name in links if 0 < len(name) <= LONGEST_NAME and name.isprintable()]
        room = max(0, self._most - others)
        if left := len(links) - len(names[:room]):
            why = "more than lwm2m.gateway_devices, or of a name that cannot be kept"
            log.warning("gateway %s: %d devices are left out: %s", gateway.device_id, left, why)
        if not names[:room]:
            return []
        tier = await self._tier_of(gateway.account_id)
        made = []
        for some in _batches(names[:room]):
            done = await asyncio.gather(*[self._put(gateway, name, links[name], tier) for name in some])
            made += [(name, change) for name, change in zip(some, done, strict=True) if change is not None]
        return made

    async def _put(self, gateway: Registered, name: str, links: Sequence[Link], tier: str) -> Change | None:
        """Register one. None: it cannot have a registration now, which is no fault of its gateway's."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Change | None:
            known = await self._device(tx, gateway, name, tier)
            if known.suspended:
                return None
            device_id = known.device_id
            listed = Links([link for link in links if link.target != "/"])
            registered = gateway._replace(
                device_id=device_id,
                registration_id=self._ids.new(),
                endpoint_name=known.endpoint_name,
                endpoint_type=_type_of(links),
                links=listed,
                credential="",  # nobody updates it but through the gateway
            )
            previous = await store.lock_registration(tx, gateway.account_id, device_id)
            row = self._registering.row_of(registered, f"d/{name}", now)
            await store.put_registration(tx, {**row, "expires_at": NEVER})
            if previous is not None:
                await store.clear_subscriptions(tx, gateway.account_id, device_id, pending=False)
            await self._report(tx, gateway.device_id, registered)
            told = events.registered(gateway.account_id, device_id, now, registered.item, known.endpoint_name)
            await append(tx, told)
            return Change(registered, registered_of(previous) if previous is not None else None)

        try:
            return await self._database.together(work)
        except DatabaseUnavailable:
            raise
        except Error as error:
            log.warning("gateway %s: its device %s has no registration: %s", gateway.device_id, name, error)
            return None

    async def _change(self, known: Registered, links: Sequence[Link]) -> Change | None:
        """Add links to one that is registered. None: its registration has ended meanwhile, or nothing changes."""
        now = self._clock.now()

        async def work(tx: Transaction) -> Change | None:
            row = await store.lock_registration(tx, known.account_id, known.device_id)
            if row is None:
                return None
            before = registered_of(row)
            merged = merge_links(before.links, [link for link in links if link.target != "/"])
            if merged == before.links:
                return None
            after = before._replace(links=Links(merged))
            await store.put_registration(tx, {**dict(row), "links": self._registering.row_of(after, "", now)["links"]})
            await self._report(tx, "", after)
            await append(tx, events.updated(after.account_id, after.device_id, now, after.item, after.endpoint_name))
            return Change(after, before)

        return await self._database.together(work)

    async def _report(self, tx: Transaction, gateway_id: str, registered: Registered) -> None:
        told = facts_of(registered.endpoint_type or None, registered.links)
        facts = msgspec.structs.replace(told, host_gateway=gateway_id or None)
        await self._directory.registered(tx, registered.account_id, registered.device_id, facts)

    async def _end(self, rows: Sequence[Row]) -> list[Registered]:
        """End these registrations, those that have not ended or been made anew meanwhile."""

        async def end(row: Row) -> Registered | None:
            async def work(tx: Transaction) -> Registered | None:
                held = await store.lock_registration(tx, row["account_id"], row["device_id"])
                if held is None or held["registration_id"] != row["registration_id"]:
                    return None
                await self._registering.end_row(tx, held, Ending.DEREGISTERED)
                return registered_of(held)

            return await self._database.together(work)

        ended: list[Registered] = []
        for some in _batches(rows):
            ended += [each for each in await asyncio.gather(*map(end, some)) if each is not None]
        return ended

    async def _device(self, tx: Transaction, gateway: Registered, name: str, tier: str) -> Known:
        """The device that the gateway means, made when it is new. Raises DeviceLimitReached."""
        account_id, gateway_id = gateway.account_id, gateway.device_id
        device_id = await mediated_store.device_behind(tx, account_id, gateway_id, name)
        known = await self._directory.device(tx, account_id, device_id) if device_id is not None else None
        if known is not None:
            return known
        for endpoint_name in (name, _name_of_its_own(gateway_id, name)):
            known = await self._directory.device_of_endpoint(tx, account_id, endpoint_name)
            if known is None:
                made = await self._directory.ensure_device(
                    tx, account_id, endpoint_name, Facts(host_gateway=gateway_id), tier=tier
                )
                known = await self._directory.device(tx, account_id, made.device_id)
                break
            if await self._may_take(tx, gateway, known):
                break
        assert known is not None
        await mediated_store.put(tx, account_id, gateway_id, name, known.device_id)
        return known

    async def _may_take(self, tx: Transaction, gateway: Registered, known: Known) -> bool:
        """Whether a device that is there by that name is the gateway's: entered for it, or moved here from another."""
        if await mediated_store.gateway_of(tx, gateway.account_id, known.device_id) is None:
            return known.host_gateway == gateway.device_id
        return await store.registration(tx, gateway.account_id, known.device_id) is None


def _after_removal(links: list[Link]) -> list[Link] | None:
    """What is listed of a device after it was last taken away (the same list when it was not); None: it is gone."""
    removed = [number for number, link in enumerate(links) if link.target == "/" and link.removed]
    if not removed:
        return links
    return links[removed[-1] + 1 :] or None


def _type_of(links: Iterable[Link]) -> str:
    return next((text for link in links if link.target == "/" and (text := link.get("et"))), "")[:LONGEST_NAME]


def _name_of_its_own(gateway_id: str, name: str) -> str:
    """An endpoint name for a device whose own is another's; of 64 characters at the most."""
    readable = f"{name}@{gateway_id}"
    return readable if len(readable) <= LONGEST_NAME else hashlib.sha256(readable.encode()).hexdigest()


def _batches(all_: Sequence[Thing]) -> list[Sequence[Thing]]:
    return [all_[start : start + TOGETHER] for start in range(0, len(all_), TOGETHER)]
