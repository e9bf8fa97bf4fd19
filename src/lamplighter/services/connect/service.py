"""Connect: what devices tell us and what applications ask of them.

The LwM2M role hands in what devices send, together with the session (``Peer``) it came through; the REST operations hand in
what applications want. What is asked of a device is durable first; then the process that has the device is told to look
at its queue. A message that tells it may be lost: the device's next contact does the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from lamplighter.bus.bus import Bus
from lamplighter.bus.log import EventLog
from lamplighter.clock import Clock
from lamplighter.coap.message import Message
from lamplighter.errors import Error, connect
from lamplighter.ids import Ids, is_id
from lamplighter.lwm2m.codecs.senml import Record
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.registration import Registration, RegistrationUpdate, split_steps
from lamplighter.services.connect import mediated_store, store
from lamplighter.services.connect.attached import Attached
from lamplighter.services.connect.commands import Commands
from lamplighter.services.connect.definitions import OwnDefinitions
from lamplighter.services.connect.denials import Denials
from lamplighter.services.connect.device import AttachedDevice
from lamplighter.services.connect.direct import Direct
from lamplighter.services.connect.follower import Follower
from lamplighter.services.connect.handlers import DATA_OF, Handlers
from lamplighter.services.connect.identity import Identity, Proof, parse_identity
from lamplighter.services.connect.mediated import TOGETHER, Mediated, MediatedDevice, Outcome
from lamplighter.services.connect.model import DeviceRequest, Endpoint, Resource
from lamplighter.services.connect.orders import Order, Orders
from lamplighter.services.connect.outcomes import Outcomes
from lamplighter.services.connect.own_commands import MARK, OwnCommands
from lamplighter.services.connect.peer import AnswerTooLarge, NoAnswer, Peer, PeerGone, SessionLost
from lamplighter.services.connect.presubscriptions import Presubscription, Presubscriptions
from lamplighter.services.connect.registering import Change, Ending, Registered, Registering, TierOf, registered_of
from lamplighter.services.connect.representation import ResourceValue, resource_values
from lamplighter.services.connect.resources import root_link, shown, value_in
from lamplighter.services.connect.sessions.store import revoke
from lamplighter.services.connect.subscriptions import Subscriptions
from lamplighter.services.connect.surroundings import Services
from lamplighter.services.connect.targets import values_of
from lamplighter.services.connect.turns import in_turns
from lamplighter.services.connect.value_cache import Fresh
from lamplighter.services.directory.service import Directory
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Reader, Transaction

log = logging.getLogger(__name__)

SWEEP = 1.0
"""Seconds between two looks for what has expired. The look reads the tables: a restart forgets nothing."""
RESUMED_TOGETHER, RESUME = 50, 0.1
"""Devices that are asked at once after a restart, and seconds until the next ones are: those that speak have the way."""

ENDING = 2.0
"""Seconds that whoever replaces pre-subscriptions waits for the end of what the former ones made."""
ENDED_TOGETHER = 500
"""Devices of an application that ended, looked up at once."""


async def _nothing_is_kept(tx: Transaction, account_id: str, device_id: str) -> None:
    return


async def was_reset(reader: Reader, account_id: str, device_id: str) -> bool:
    """Whether a registered device has agreed to a factory reset: when it restarts it has forgotten who it is."""
    row = await store.registration(reader, account_id, device_id)
    return row is not None and bool(row["reset"])


class Moved(NamedTuple):
    """A device whose stored session is this process's now."""

    change: Change
    observed: dict[str, bytes]
    """Tokens by path."""
    behind: list[MediatedDevice]
    """What hangs behind it, if it is a gateway."""


class Connect:
    """The service of one process.

    :param process: its name, by which others reach it and by which it knows its own after a restart; unique among the
        processes that have devices
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        bus: Bus,
        events: EventLog,
        directory: Directory,
        tier_of: TierOf,
        *,
        process: str = "lwm2m",
    ) -> None:
        self.process = process
        self.own_commands = OwnCommands()
        self.registering = Registering(database, clock, ids, settings, directory, process, tier_of, self.own_commands)
        self.commands = Commands(database, clock, ids, settings, directory, process, self.own_commands)
        self.definitions = OwnDefinitions(database, clock, settings)
        self.denials = Denials(database, directory)
        self.mediated = Mediated(database, clock, ids, settings, directory, self.registering, tier_of)
        self.outcomes = Outcomes(database, clock, settings.api.errors_kept)
        self.direct = Direct(database, ids, directory, self.request)
        self.presubscriptions = Presubscriptions(database, clock)
        services = Services(
            database, clock, self.commands, self.presubscriptions, directory, process, settings.lwm2m.value_age_max
        )
        self.attached = Attached(lambda: AttachedDevice(services))
        self.subscriptions = Subscriptions(database, clock, ids, self.commands, self.definitions, self._latest)
        self.key_deleted: Callable[[str], None] = lambda endpoint_name: None
        """Told of each deleted pre-shared key: sessions by it are to end, whatever is registered through them."""
        self.device_denied: Callable[[str, str, str], None] = lambda account_id, device_id, endpoint_name: None
        """Told of each device that was suspended or deleted: its sessions are to end, registered through them or not."""
        self.certificate_ended: Callable[[str, str], None] = lambda account_id, certificate_id: None
        """Told of each certificate of an account that opens less than before: those who came by it are to be looked at."""
        self.device_deleted: Callable[[Transaction, str, str], Awaitable[None]] = _nothing_is_kept
        """Told of each deleted device, maybe more than once: what is kept of it elsewhere goes, in that transaction."""
        self.device_wanted: Callable[[str, str], None] = lambda account_id, device_id: None
        """Told of each device that something waits for and that is not here: its session may be stored."""
        self._database = database
        self._clock = clock
        self._directory = directory
        self._orders = Orders(bus, process, self._do, self._value)
        self._follower = Follower(events, Handlers(self, directory, database).handle, DATA_OF)
        self._tasks: list[asyncio.Task[None]] = []
        self._endings: set[asyncio.Task[None]] = set()

    async def start(self, *, devices: bool = True) -> None:
        """``devices``: this process has devices, and looks after what expires."""
        if not devices:
            return
        await self._orders.start()
        await self._follower.start()
        self._tasks.append(asyncio.create_task(self._sweep(), name="connect sweeper"))

    def resume(self) -> None:
        """Devices can be reached now: go on with what waits for those of a former life of this process, if they listen."""
        self._tasks.append(asyncio.create_task(self._resume(), name="connect resume"))

    async def close(self) -> None:
        """Stop. Nothing is lost: what was under way is found again in the tables."""
        tasks = [*self._tasks, *self._endings]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._follower.close()
        for device in list(self.attached.devices.values()):
            await device.close()  # few have anything under way, and a task for each of many would take longer than that
        await self._orders.close()

    # The device side

    async def register(self, identity: Identity, asked: Registration, peer: Peer, exchange: str = "") -> Registered:
        """Once this returns the registration is on disk, and its answer may leave. Call ``contacted`` after that.

        :param exchange: see ``Registering.register``

        Raises EndpointNotOfCredential, DeviceBlocked, RegistrationOfAnother, DeviceLimitReached, DatabaseUnavailable.
        """
        own, behind = await in_turns(split_steps(asked.links))
        root = root_link(asked.root, asked.content_formats)
        if behind or root:
            asked = replace(asked, links=(*root, *own))
        try:
            change = await self.registering.register(identity, asked, peer.address, peer.note, exchange=exchange)
        except connect.EndpointNotOfCredential:
            if asked.is_vendor and peer.session and self._talks(identity, peer):
                await self._end_former_life(identity)
                raise SessionLost from None
            raise
        self._moved(change)
        self.attached.attach(change.after, peer, anew=True)
        await self._subscribe_by_rules(change.after)
        if behind or (change.before is not None and change.before.links.has_devices_behind):
            await self._settle(peer, await self.mediated.registered(change.after, behind))
        return change.after

    def _talks(self, identity: Identity, peer: Peer) -> bool:
        """Whether the device that a credential names is registered through that very session."""
        device = self.attached.by_peer.get(peer)
        return device is not None and bool(identity.device_id) and device.registered.credential == identity.text

    async def _end_former_life(self, identity: Identity) -> None:
        """A client that was reset keeps its session, and has another name since it was bootstrapped again: what is registered
        through the session is no more. The session ends without a word. An answer, or an alert, makes the client wait for
        longer before it shakes hands than silence does (wire facts section 0.4)."""
        async with self._database.transaction() as tx:
            await revoke(tx, identity.text)
        await self.end(identity.account_id, identity.device_id, Ending.DEREGISTERED, before=self._clock.now())

    async def update(
        self, identity: Identity, location: Sequence[str], changes: RegistrationUpdate, peer: Peer
    ) -> Registered:
        """The same for an Update. Raises RegistrationNotFound, RegistrationOfAnother, DatabaseUnavailable."""
        device = self.attached.devices.get((identity.account_id, location[-1]))
        known = device.registered if device is not None else None
        own, behind = await in_turns(split_steps(changes.links))
        root = root_link(changes.root, changes.content_formats)
        if behind or root:
            changes = replace(changes, links=(*root, *own))
        change = await self.registering.update(identity, location, changes, peer.address, peer.note, known)
        self._moved(change)
        here = device is not None and device.peer is peer
        self.attached.attach(change.after, peer, anew=False)
        await self._subscribe_by_rules(change.after)
        if behind:
            await self._settle(peer, await self.mediated.updated(change.after, behind))
        if change.after.links.has_devices_behind and not here:
            async with self._database.transaction() as tx:
                arrived = await self.mediated.arrived(tx, change.after)
            self.attached.attach_behind(peer, arrived, anew=False)
        return change.after

    async def deregister(self, identity: Identity, location: Sequence[str], peer: Peer) -> None:
        """The same for a De-register. Raises RegistrationNotFound, RegistrationOfAnother, DatabaseUnavailable."""
        self._ended(await self.registering.deregister(identity, location, peer.note), close=False)

    async def move(self, tx: Transaction, identity: Identity, session: str, address: str) -> Moved | None:
        """A device goes on in a stored session: its registration is this process's, in the transaction that takes the
        session. Call ``moved`` once that is on disk. None: the device is not registered. Raises DeviceBlocked."""
        change = await self.registering.move(tx, identity, address)
        if change is None:
            if await self.denials.is_denied(identity, tx):
                raise connect.DeviceBlocked(device_id=identity.device_id or identity.endpoint_name)
            return None
        after = change.after
        behind = await self.mediated.arrived(tx, after, session) if after.links.has_devices_behind else []
        return Moved(change, await store.observations(tx, after.account_id, after.device_id, session), behind)

    def moved(self, moved: Moved, peer: Peer) -> None:
        """The device talks through that session; what it observes there goes on."""
        self._moved(moved.change)
        self.attached.attach(moved.change.after, peer, anew=False, observed=moved.observed)
        self.attached.attach_behind(peer, moved.behind, anew=False)

    async def credential_of_listening(self, account_id: str, device_id: str) -> str | None:
        """What a registered device, or the gateway it is behind, proved itself with; None for one that sleeps between its
        contacts, or is not there."""
        row = await store.registration(self._database, account_id, device_id)
        if row is not None and not row["credential"]:
            gateway_id = await mediated_store.gateway_of(self._database, account_id, device_id)
            row = await store.registration(self._database, account_id, gateway_id or "")
        return row["credential"] if row is not None and not row["queue_mode"] else None

    def contacted(self, peer: Peer) -> None:
        """The answer to a Register or Update has left: what waits for the device can follow."""
        self.attached.contacted(peer)

    async def notified(self, peer: Peer, token: bytes, message: Message) -> bool:
        """A notification; once this returns True it is on disk and is to be acknowledged. False: nobody wants it.

        Raises DatabaseUnavailable.
        """
        device = self.attached.observer(peer, token)
        return device is not None and await device.observations.notified(token, message)

    async def sent(self, peer: Peer, records: Sequence[Record], exchange: str = "") -> None:
        """Values that a device sends unasked; ``exchange`` as in ``register``.

        Raises RegistrationNotFound, DatabaseUnavailable.
        """
        device = self.attached.by_peer.get(peer)
        if device is None:
            raise connect.RegistrationNotFound(location="/dp")
        await device.observations.sent(values_of(records, self._clock.now()), exchange)

    def disconnected(self, peer: Peer) -> None:
        """The session ended; the registration goes on without it."""
        self.attached.disconnected(peer)

    def version_of(self, peer: Peer) -> str | None:
        """The LwM2M version of the registration behind a session; None where this process knows none."""
        device = self.attached.by_peer.get(peer)
        return device.registered.version if device is not None else None

    def is_attached(self, peer: Peer) -> bool:
        """Whether a registered device talks through that session."""
        return peer in self.attached.by_peer

    def is_here(self, account_id: str, device_id: str) -> bool:
        """Whether a registered device talks through any session of this process."""
        device = self.attached.devices.get((account_id, device_id))
        return device is not None and device.peer is not None

    # The applications' side

    async def endpoints(self, account_id: str) -> list[Endpoint]:
        """The registered devices of an account."""
        rows = await store.registrations_of(self._database, account_id)
        return [Endpoint(row["device_id"], row["endpoint_type"], "ACTIVE", bool(row["queue_mode"])) for row in rows]

    async def resources(self, account_id: str, device_id: str) -> list[Resource]:
        """As the device registered them; it is not asked. Raises DeviceNotRegistered."""
        row = await store.registration(self._database, account_id, device_id) if is_id(device_id) else None
        if row is None:
            raise connect.DeviceNotRegistered(device_id=device_id[:40])
        return shown(registered_of(row).links)

    async def heard_at(self, account_id: str, device_id: str) -> int | None:
        """When a registered device last registered or refreshed its registration, microseconds UTC."""
        row = await store.registration(self._database, account_id, device_id)
        return None if row is None else int(row["updated_at"])

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
    ) -> None:
        """Ask something of a device; the answer comes as the event RequestFinished. See ``Commands.request``."""
        registered = await self.commands.request(
            account_id, subject_id, device_id, async_id, body, retry, expiry, request_id=request_id
        )
        self._orders.tell(registered.process, Order("work", account_id, device_id))

    async def command(
        self,
        tx: Transaction,
        name: str,
        account_id: str,
        device_id: str,
        command_id: str,
        body: DeviceRequest,
        retry: int,
        expiry: int,
    ) -> None:
        """Ask something of a device for a service of ours, in its transaction; ``own_commands`` tells the service how it ended.

        :param name: the service's, under which it listens
        :param command_id: the ``id`` of what it is told

        Otherwise as ``Commands.request``.
        """
        registered = await self.commands.add(tx, account_id, MARK + name, device_id, command_id, body, retry, expiry)
        order = Order("work", account_id, device_id)
        tx.after_commit(lambda: self._orders.tell(registered.process, order))

    def registered_through(self, peer: Peer) -> Registered | None:
        """The device that is registered through a session."""
        device = self.attached.by_peer.get(peer)
        return device.registered if device is not None else None

    async def fresh(self, registered: Registered, path: str) -> Fresh | None:
        """The value of a resource that is still of age, its content format, and the seconds that it goes on being so; as the
        process knows it that has the device."""
        order = Order("value", registered.account_id, registered.device_id, paths=[path])
        return await self._orders.ask(registered.process, order)

    async def subscribe(self, account_id: str, subject_id: str, device_id: str, path: str) -> str | None:
        """The id of the async response that will tell; None: the subscription was there already.

        Raises DeviceNotRegistered, ResourceNotRegistered, SubscriptionQueueFull.
        """
        registered, async_id = await self.subscriptions.add(account_id, subject_id, device_id, path)
        if async_id is not None:
            self._orders.tell(registered.process, Order("work", account_id, device_id))
        return async_id

    async def unsubscribe(self, account_id: str, subject_id: str, device_id: str, path: str | None = None) -> None:
        """End one subscription, or all on the device; nothing happens where there is none."""
        if path is None:
            left = await self.subscriptions.remove_all(account_id, subject_id, device_id)
        else:
            left = await self.subscriptions.remove(account_id, subject_id, device_id, path)
        if left:
            row = await store.registration(self._database, account_id, device_id)
            if row is not None:
                self._orders.tell(row["process"], Order("cancel", account_id, device_id, paths=left))

    async def presubscribe(self, account_id: str, subject_id: str, rules: Sequence[Presubscription]) -> None:
        """Replace the pre-subscriptions of an application. Raises InvalidParameters.

        What only the old ones made has ended when this returns, or ends soon where that is much.
        """
        await self.presubscriptions.replace(account_id, subject_id, rules)
        ending = asyncio.create_task(self._end_unasked(account_id, subject_id), name="end of unasked subscriptions")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await asyncio.wait({ending}, timeout=ENDING)

    async def _end_unasked(self, account_id: str, subject_id: str) -> None:
        try:
            async for left in self.presubscriptions.end_unasked(account_id, subject_id):
                for (device_id, process), paths in left.items():
                    if process:
                        self._orders.tell(process, Order("cancel", account_id, device_id, paths=paths))
        except Error as error:
            log.warning("what no rule asks for any more ends with the next word of its device: %s", error)
        except Exception:
            log.exception("what no rule asks for any more could not be ended")

    async def subject_ended(self, account_id: str, subject_id: str) -> None:
        """An application was deleted or made inactive, or an API key was deleted: its pre-subscriptions and subscriptions
        end."""
        if await self.presubscriptions.get(account_id, subject_id):
            await self.presubscribe(account_id, subject_id, [])
        after = ""
        while found := await store.devices_of_subject(self._database, account_id, subject_id, after, ENDED_TOGETHER):
            for device_id in found:
                await self.unsubscribe(account_id, subject_id, device_id)
            after = found[-1]

    async def end(self, account_id: str, device_id: str, how: Ending, *, before: int) -> None:
        """End a device's registration, and its session with it where it must not come back."""
        registered = await self.registering.end(account_id, device_id, how, before=before)
        if registered is not None:
            self._ended(registered, close=how.closes_session)
        else:
            await self.forget(account_id, device_id, close=how.closes_session)

    async def forget(self, account_id: str, device_id: str, *, close: bool) -> None:
        """Let go of a device here, if its registration is not the one this process knows any more.

        Another process may have ended it, and its word to this one can be lost; the event of it cannot.
        """
        device = self.attached.devices.get((account_id, device_id))
        if device is None:
            return
        row = await store.registration(self._database, account_id, device_id)
        known = device.registered
        if row is None or row["registration_id"] != known.registration_id:
            self._do(Order("end", account_id, device_id, known.registration_id, close=close))

    async def gateway_ended(self, account_id: str, device_id: str, *, before: int) -> None:
        """The registration of what may be a gateway ended: those of the devices behind it do."""
        await self._all_ended(await self.mediated.gateway_ended(account_id, device_id, before=before))

    # What passes by itself

    async def expire(self) -> None:
        """End the registrations and commands whose time is over."""
        for registered in await self.registering.expire():
            self._ended(registered, close=False)
        await self.commands.expire()

    async def _sweep(self) -> None:
        while True:
            try:
                await self.expire()
            except Error as error:
                log.warning("what has expired waits: %s", error)
            except Exception:
                log.exception("what has expired could not be ended")
            await asyncio.sleep(SWEEP)

    async def _resume(self) -> None:
        after = ("", "")
        while True:
            try:
                found = await store.devices_waited_for(self._database, self.process, after, RESUMED_TOGETHER)
            except Error as error:
                log.warning("what waits for devices waits on: %s", error)
            else:
                for key in found:
                    self._do(Order("work", *key))
                if len(found) < RESUMED_TOGETHER:
                    return
                after = found[-1]
            await asyncio.sleep(RESUME)

    # The devices of this process, and of others

    async def _subscribe_by_rules(self, registered: Registered) -> None:
        """Apply the account's pre-subscriptions to a device that registered or was heard of, unless neither has changed."""
        rules = await self.presubscriptions.rules(registered.account_id)
        device = self.attached.devices.get((registered.account_id, registered.device_id))
        if device is None or not rules.stamp or device.subscribed_by == (rules.stamp, registered.links):
            return
        made, left = await self.presubscriptions.apply(rules, registered)
        device.subscribed_by = (rules.stamp, registered.links)
        device.observations.add(made)
        for path in left:
            device.observations.cancel(path)

    async def _settle(self, gateway: Peer, outcome: Outcome) -> None:
        """Let go of the devices behind a gateway that left, then take those that came: they may have the same tokens.

        In turns with the others, until the gateway's session ends.
        """
        await self._all_ended(outcome.ended)
        for number, (name, change) in enumerate(outcome.made, 1):
            if not self.is_attached(gateway):
                return
            self._moved(change)
            anew = change.before is None or change.before.registration_id != change.after.registration_id
            self.attached.attach_behind(gateway, [MediatedDevice(name, change.after)], anew=anew)
            await self._subscribe_by_rules(change.after)
            if not number % TOGETHER:
                await asyncio.sleep(0)

    def _moved(self, change: Change) -> None:
        """Tell the process that had the device until now."""
        before = change.before
        if before is not None and before.process != self.process:
            self._ended(before, close=False)

    async def _all_ended(self, ended: Sequence[Registered]) -> None:
        """Those of a gateway, in turns with the others."""
        for number, registered in enumerate(ended, 1):
            self._ended(registered, close=False)
            if not number % TOGETHER:
                await asyncio.sleep(0)

    def _ended(self, registered: Registered, *, close: bool) -> None:
        order = Order("end", registered.account_id, registered.device_id, registered.registration_id, close=close)
        self._orders.tell(registered.process, order)

    def _value(self, order: Order) -> Fresh | None:
        device = self.attached.devices.get((order.account_id, order.device_id))
        return device.fresh(order.paths[0]) if device is not None else None

    def _do(self, order: Order) -> None:
        key = (order.account_id, order.device_id)
        device = self.attached.devices.get(key)
        if device is None:
            if order.do == "work":
                self.device_wanted(*key)
            return
        match order.do:
            case "work":
                device.poke()
            case "cancel":
                for path in order.paths:
                    device.observations.cancel(path)
            case "end" if device.registered.registration_id == order.registration_id:
                self.attached.drop(*key, close=order.close)

    def _latest(self, registered: Registered, path: str, definitions: Definitions) -> tuple[bytes, int]:
        device = self.attached.devices.get((registered.account_id, registered.device_id))
        if device is not None:
            return device.latest(path, definitions)
        return value_in(registered.links, path, definitions) or (b"", 0)


__all__ = [
    "AnswerTooLarge",
    "Connect",
    "Ending",
    "Identity",
    "Moved",
    "NoAnswer",
    "Peer",
    "PeerGone",
    "Proof",
    "Registered",
    "ResourceValue",
    "SessionLost",
    "parse_identity",
    "was_reset",
    "resource_values",
]
