"""Register, Update, De-register and expiry, each in one durable transaction (OMA LwM2M Core 1.1 section 6.2).

A registration belongs to the credential that made it. What ends it also ends, in the same transaction, whatever waited
for the device.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.coap.parameters import Parameters
from lamplighter.errors import connect
from lamplighter.ids import Ids, is_id
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.registration import Registration, RegistrationUpdate, merge_links
from lamplighter.lwm2m.steps import STEP, Steps
from lamplighter.services.connect import events, outcomes, store
from lamplighter.services.connect.identity import Identity, Proof
from lamplighter.services.connect.own_commands import OwnCommands
from lamplighter.services.connect.resources import (
    Links,
    dump_links,
    facts_of,
    links_in_steps,
    load_links,
    registered_item,
    with_root,
)
from lamplighter.services.connect.results import Undelivered, failed, request_of
from lamplighter.services.connect.sessions.store import revoke
from lamplighter.services.connect.turns import in_turns
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row, Transaction

LONGEST_NAME = 64
"""Characters of an endpoint name that the directory keeps."""
EXPIRED_TOGETHER = 200
EXCHANGE_LIFETIME = Parameters().exchange_lifetime
"""Seconds (RFC 7252 section 4.8.2)."""
_NOTHING = RegistrationUpdate()

_links_of = lru_cache(maxsize=512)(load_links)
SHORT = 64 * 1024
"""Characters of links that are kept to be shared."""


def links_of(text: str) -> Links:
    """Links from how they are kept. Devices of one model register the same: they share them, and what is made from them."""
    return _links_of(text) if len(text) <= SHORT else load_links(text)


def _shared(links: Sequence[Link]) -> Steps[Links]:
    """Those of other devices that registered the same. A long list is its gateway's own."""
    if len(links) <= STEP:
        return links_of(dump_links(links))
    return (yield from links_in_steps(links))


class Ending(Enum):
    """Why a registration ended; what waited for the device ends with the value."""

    DEREGISTERED = "the device left"
    EXPIRED = "its lifetime passed"
    SUSPENDED = "the device was suspended"
    DELETED = "the device was deleted"
    REVOKED = "its credential was deleted"

    @property
    def undelivered(self) -> Undelivered:
        return Undelivered.BLOCKED if self is Ending.SUSPENDED else Undelivered.REMOVED

    @property
    def closes_session(self) -> bool:
        """Whether the device is not to talk to us any more, rather than to register anew."""
        return self in (Ending.SUSPENDED, Ending.DELETED, Ending.REVOKED)


class Registered(NamedTuple):
    """A registration, as the process that has the device knows it."""

    account_id: str
    device_id: str
    registration_id: str
    endpoint_name: str
    endpoint_type: str
    lifetime: int
    """Seconds."""
    binding: str
    queue_mode: bool
    version: str
    vendor: bool
    links: Links
    location: tuple[str, ...]
    credential: str
    process: str

    @property
    def item(self) -> dict[str, Any]:
        """As notifications show it."""
        return registered_item(self.device_id, self.endpoint_name, self.endpoint_type, self.queue_mode, self.links)


class Change(NamedTuple):
    """A registration as it is now, and as it was."""

    after: Registered
    before: Registered | None


def registered_of(row: Row) -> Registered:
    return Registered(
        row["account_id"],
        row["device_id"],
        row["registration_id"],
        row["endpoint_name"],
        row["endpoint_type"],
        row["lifetime"],
        row["binding"],
        bool(row["queue_mode"]),
        row["version"],
        bool(row["vendor"]),
        links_of(row["links"]),
        tuple(row["location"].split("/")),
        row["credential"],
        row["process"],
    )


Note = Callable[[Transaction], Awaitable[None]]
"""Writes with an effect how far the device's session was heard (``Peer.note``)."""
TierOf = Callable[[str], Awaitable[str]]
"""The tier of an account, whose limits a new device counts towards."""


class Registering:
    """Every way in which the table of registrations changes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        directory: Directory,
        process: str,
        tier_of: TierOf,
        own: OwnCommands,
    ) -> None:
        self.certificate_shown: Callable[[Identity], Facts | None] = lambda identity: None
        """What is to be said of the certificate that a device has just shown in its handshake."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._directory = directory
        self._process = process
        self._tier_of = tier_of
        self._own = own
        self._limited = bool(settings.access.devices_tier_0 or settings.access.devices_tier_1)

    async def register(
        self, identity: Identity, asked: Registration, address: str, note: Note, *, exchange: str = ""
    ) -> Change:
        """A full registration; it replaces an older one and ends the subscriptions made under it.

        :param exchange: tells this request from all others in its session; the same again, which did not get its answer
            before a process ended, changes nothing

        Raises EndpointNotOfCredential, DeviceBlocked, RegistrationOfAnother, DeviceLimitReached, DatabaseUnavailable,
        SessionLost.
        """
        endpoint_name = _endpoint_name(identity, asked)
        endpoint_type = _clean(asked.endpoint_type)
        now = self._clock.now()
        lifetime = self._granted(asked.lifetime)
        links = await in_turns(_shared(asked.links))
        facts = facts_of(endpoint_type, links)
        if identity.certificate_id:
            facts = msgspec.structs.replace(facts, ca_id=identity.certificate_id)
        if (shown := self.certificate_shown(identity)) is not None:
            facts = msgspec.structs.replace(facts, **shown.values())
        account_id = identity.account_id
        tier = await self._tier_of(account_id) if self._limited else None

        async def work(tx: Transaction) -> Change:
            await note(tx)
            if identity.device_id:
                device_id, seen = await self._known_device(tx, identity, endpoint_name), None
            else:
                device_id, _, suspended, seen = await self._directory.ensure_device(
                    tx, account_id, endpoint_name, facts, tier=tier
                )
                if suspended:
                    raise connect.DeviceBlocked(device_id=device_id)
            previous = await store.lock_registration(tx, account_id, device_id)
            if previous is not None and identity.proof is Proof.NOTHING and previous["credential"] != identity.text:
                raise connect.RegistrationOfAnother(device_id=device_id)
            if previous is not None and exchange and previous["asked"] == exchange and now < _repeatable(previous):
                same = registered_of(previous)
                if same.process == self._process:
                    return Change(same, same)
            registered = Registered(
                account_id,
                device_id,
                self._ids.new(),
                endpoint_name,
                endpoint_type or "",
                lifetime,
                asked.binding,
                asked.queue_mode,
                asked.version,
                asked.is_vendor,
                links,
                ("rd", account_id, device_id) if asked.is_vendor else ("rd", device_id),
                identity.text,
                self._process,
            )
            await store.put_registration(tx, self.row_of(registered, address, now, exchange))
            if previous is not None:
                await store.clear_subscriptions(tx, account_id, device_id, pending=False)
            known = facts
            if seen is not None and seen["bootstrapped_timestamp"]:  # it rests on what it was bootstrapped with
                known = msgspec.structs.replace(facts, ca_id=None)
            await self._directory.registered(tx, account_id, device_id, known, seen)
            happened = [events.registered(account_id, device_id, now, registered.item, endpoint_name)]
            if links.values:
                happened.append(events.told(account_id, device_id, now, links.values))
            await append(tx, *happened)
            return Change(registered, registered_of(previous) if previous is not None else None)

        return await self._database.together(work)

    async def update(
        self,
        identity: Identity,
        location: Sequence[str],
        changes: RegistrationUpdate,
        address: str,
        note: Note,
        known: Registered | None,
    ) -> Change:
        """Refresh a registration. One that changes nothing writes its row and its event only.

        :param known: the registration at that location as this process knows it, if it does

        Raises RegistrationNotFound, RegistrationOfAnother, DatabaseUnavailable.
        """
        now = self._clock.now()
        device_id = location[-1]
        if not is_id(device_id) or (len(location) > 2 and location[1] != identity.account_id) or len(location) > 3:
            raise _missing(location)

        async def work(tx: Transaction) -> Change:
            await note(tx)
            current = known
            if current is None or not changes.changes_nothing:
                row = await store.lock_registration(tx, identity.account_id, device_id)
                if row is None:
                    raise _missing(location)
                current = registered_of(row)
            if current.credential != identity.text:
                raise connect.RegistrationOfAnother(device_id=device_id)
            changed = self._changed(current, changes)
            if changed is current or changed == current._replace(process=self._process):
                await store.touch_registration(
                    tx,
                    lambda: _missing(location),
                    account_id=current.account_id,
                    device_id=device_id,
                    registration_id=current.registration_id,
                    expires_at=self._expires_at(now, current.lifetime),
                    process=self._process,
                    peer=address,
                    updated_at=now,
                )
            else:
                await self._change(tx, current, changed, address, now)
            item = changed.item
            happened = [events.updated(current.account_id, device_id, now, item, current.endpoint_name)]
            if changes.links and (values := Links(changes.links).values):
                happened.append(events.told(current.account_id, device_id, now, values))
            await append(tx, *happened)
            return Change(changed, current)

        return await self._database.together(work)

    async def deregister(self, identity: Identity, location: Sequence[str], note: Note) -> Registered:
        """The device leaves. Raises RegistrationNotFound, RegistrationOfAnother, DatabaseUnavailable."""
        device_id = location[-1]

        async def work(tx: Transaction) -> Registered:
            await note(tx)
            row = await store.lock_registration(tx, identity.account_id, device_id) if is_id(device_id) else None
            if row is None or tuple(location[:-1]) not in (("rd",), ("rd", identity.account_id)):
                raise _missing(location)
            if row["credential"] != identity.text:
                raise connect.RegistrationOfAnother(device_id=device_id)
            await self.end_row(tx, row, Ending.DEREGISTERED)
            return registered_of(row)

        return await self._database.together(work)

    async def move(self, tx: Transaction, identity: Identity, address: str) -> Change | None:
        """The device goes on here in its stored session; None: it is not registered."""
        for row in await store.registrations_of_endpoint(tx, identity.account_id, identity.endpoint_name):
            if row["credential"] == identity.text:
                before = registered_of(row)
                await store.move_registration(
                    tx, before.account_id, before.device_id, before.registration_id, process=self._process, peer=address
                )
                return Change(before._replace(process=self._process), before)
        return None

    async def end(self, account_id: str, device_id: str, how: Ending, *, before: int) -> Registered | None:
        """End a registration made at that time (microseconds UTC) or before it; None: there is none."""
        async with self._database.transaction() as tx:
            row = await store.lock_registration(tx, account_id, device_id)
            if row is None or row["registered_at"] > before:
                return None
            await self.end_row(tx, row, how)
        return registered_of(row)

    async def of_key(self, account_id: str, endpoint_name: str) -> list[str]:
        """The devices registered with the pre-shared key of that name."""
        rows = await store.registrations_of_endpoint(self._database, account_id, endpoint_name)
        own = Identity(Proof.PSK, account_id, endpoint_name).text
        return [row["device_id"] for row in rows if row["credential"] == own]

    async def expire(self) -> list[Registered]:
        """End what has not been refreshed in time, some at once; those that ended."""
        now = self._clock.now()
        ended = []
        for late in await store.expired_registrations(self._database, now, EXPIRED_TOGETHER):
            async with self._database.transaction() as tx:
                row = await store.lock_registration(tx, late["account_id"], late["device_id"])
                if row is None or row["expires_at"] > now:
                    continue
                await self.end_row(tx, row, Ending.EXPIRED)
            ended.append(registered_of(row))
        return ended

    # Steps

    async def _known_device(self, tx: Transaction, identity: Identity, endpoint_name: str) -> str:
        """The device that a certificate names: it was made when the certificate was, and is never made again by it."""
        known = await self._directory.device(tx, identity.account_id, identity.device_id)
        if known is None or known.endpoint_name != endpoint_name:
            raise connect.EndpointNotOfCredential(
                claimed=endpoint_name, endpoint_name=f"the device {identity.device_id}, which is not there"
            )
        if known.suspended:
            raise connect.DeviceBlocked(device_id=known.device_id)
        return known.device_id

    async def end_row(self, tx: Transaction, row: Row, how: Ending) -> None:
        """End a registration whose row is held, with whatever waits for the device."""
        account_id, device_id, endpoint_name = row["account_id"], row["device_id"], row["endpoint_name"]
        now = self._clock.now()
        expired = how is Ending.EXPIRED
        await store.remove_registration(tx, account_id, device_id, row["registration_id"])
        await self._directory.deregistered(tx, account_id, device_id, expired=expired)
        await store.clear_subscriptions(tx, account_id, device_id, pending=True)
        await store.forget_send(tx, account_id, device_id)
        if how.closes_session:
            await revoke(tx, row["credential"])
        happened = [events.deregistered(account_id, device_id, now, endpoint_name, expired=expired)]
        for command in await store.take_commands(tx, account_id, device_id):
            item = failed(command["async_id"], *how.undelivered.value)
            subject_id, details = command["subject_id"], {"why": outcomes.WHY[how.undelivered]}
            if await self._own.end(tx, account_id, device_id, subject_id, item, details):
                continue
            await outcomes.keep(tx, account_id, device_id, command, item, now, details)
            request = request_of(command["id"], command["method"], command["uri"])
            happened.append(events.finished(account_id, device_id, now, item, endpoint_name, subject_id, request))
        await append(tx, *happened)

    def _changed(self, known: Registered, changes: RegistrationUpdate) -> Registered:
        if changes == _NOTHING and known.process == self._process:
            return known
        links = known.links
        if changes.links:
            links = Links(merge_links(links, changes.links) if known.vendor else with_root(changes.links, links))
        return known._replace(
            lifetime=known.lifetime if changes.lifetime is None else self._granted(changes.lifetime),
            binding=known.binding if changes.binding is None else changes.binding,
            queue_mode=known.queue_mode if changes.queue_mode is None else changes.queue_mode,
            endpoint_type=_clean(changes.endpoint_type) or known.endpoint_type,
            links=links,
            process=self._process,
        )

    async def _change(self, tx: Transaction, known: Registered, changed: Registered, address: str, now: int) -> None:
        await store.change_registration(
            tx,
            known.account_id,
            known.device_id,
            known.registration_id,
            lifetime=changed.lifetime,
            expires_at=self._expires_at(now, changed.lifetime),
            binding=changed.binding,
            queue_mode=int(changed.queue_mode),
            endpoint_type=changed.endpoint_type,
            links=changed.links.kept,
            process=self._process,
            peer=address,
            updated_at=now,
        )
        facts = facts_of(changed.endpoint_type or None, changed.links)
        await self._directory.registered(tx, known.account_id, known.device_id, facts)

    def row_of(self, registered: Registered, address: str, now: int, asked: str = "") -> dict[str, Any]:
        """As it is stored."""
        return {
            **registered._asdict(),
            "expires_at": self._expires_at(now, registered.lifetime),
            "queue_mode": int(registered.queue_mode),
            "vendor": int(registered.vendor),
            "links": registered.links.kept,
            "location": "/".join(registered.location),
            "peer": address,
            "registered_at": now,
            "updated_at": now,
            "asked": asked,
            "reset": 0,
        }

    def _granted(self, lifetime: int) -> int:
        return min(lifetime, int(self._settings.lwm2m.lifetime_max))

    def _expires_at(self, now: int, lifetime: int) -> int:
        return now + lifetime * MICROSECONDS + round(self._settings.lwm2m.expiry_grace * MICROSECONDS)


def _endpoint_name(identity: Identity, asked: Registration) -> str:
    """The name that the credential proves; the claimed one only where nothing proves another."""
    claimed = asked.endpoint_name or identity.endpoint_name
    proven = identity.endpoint_name or claimed
    if claimed != proven:
        raise connect.EndpointNotOfCredential(claimed=claimed[:LONGEST_NAME], endpoint_name=proven)
    if asked.account and asked.account != identity.account_id:
        own, other = (
            f"{proven[:LONGEST_NAME]} of the account {each[:40]}" for each in (identity.account_id, asked.account)
        )
        raise connect.EndpointNotOfCredential(claimed=other, endpoint_name=own)
    if not proven or len(proven) > LONGEST_NAME or not proven.isprintable():
        raise connect.EndpointNotOfCredential(claimed=claimed[:LONGEST_NAME], endpoint_name="no name a device can have")
    return proven


def _repeatable(row: Row) -> int:
    """Until when the same Register is the same message; later a device has begun to number its messages anew."""
    return int(row["registered_at"]) + round(EXCHANGE_LIFETIME * MICROSECONDS)


def _missing(location: Sequence[str]) -> connect.RegistrationNotFound:
    return connect.RegistrationNotFound(location="/" + "/".join(location))


def _clean(text: str | None) -> str | None:
    return text.replace("\x00", "")[:LONGEST_NAME] if text else None
