"""What a device observes for us: the tokens of its notifications, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Option, is_success
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import CodecError
from lamplighter.services.connect import events, results, store
from lamplighter.services.connect.peer import NoAnswer, Peer, PeerGone
from lamplighter.services.connect.reach import Reach
from lamplighter.services.connect.resources import facts_told, lineage
from lamplighter.services.connect.surroundings import Services
from lamplighter.services.connect.targets import (
    Value,
    is_composite,
    notification_of,
    paths_in,
    request_for,
    values_told,
)
from lamplighter.services.directory.model import Facts
from lamplighter.storage.database import Transaction

log = logging.getLogger(__name__)


class Observations:
    """Those of one device. In memory only: what must outlive the process is in the tables."""

    __slots__ = ("_first", "_observed", "_order", "_reach", "_services", "_tokens", "to_be_made")
    to_be_made: bool
    """Something is subscribed to that the device is to be asked to observe, at its next contact."""

    def __init__(self, services: Services, reach: Reach) -> None:
        self.to_be_made = False
        self._services = services
        self._reach = reach
        self._tokens: dict[bytes, str] = {}
        self._observed: dict[str, bytes] = {}
        self._first: frozenset[str] = frozenset()
        self._order: asyncio.Lock | None = None

    def adopt(self) -> None:
        """Take notifications of what the device observes by itself."""
        peer = self._reach.peer
        assert peer is not None
        for token, path in self._reach.registered.links.auto_tokens.items():
            if token not in self._tokens:
                peer.adopt(token, management.read(path))
                self._tokens[token] = path

    def resume(self, observed: Mapping[str, bytes]) -> None:
        """The session was stored, with these observations (tokens by path)."""
        peer = self._reach.peer
        assert peer is not None
        for path, token in observed.items():
            peer.adopt(token, request_for(path, self._reach.registered.links))
            self._tokens[token] = path
            self._observed[path] = token

    def forget(self) -> None:
        """The device registered anew, and knows of none any more."""
        self.end()
        self._first = frozenset()

    def end(self) -> None:
        """None is wanted any more; the session may serve another."""
        if self._reach.peer is not None:
            for token in self._tokens:
                self._reach.peer.cancel(token, tell=False)
        self.lose()

    def lose(self) -> None:
        """The session is gone, and they with it."""
        self._tokens.clear()
        self._observed.clear()

    def add(self, paths: Iterable[str]) -> None:
        """These were subscribed to without its being asked: observe them at its next contact, and tell their first values."""
        self._first |= {path for path in paths if path not in self._reach.registered.links.auto}
        self.to_be_made = self.to_be_made or bool(self._first)

    @property
    def _one_after_another(self) -> asyncio.Lock:
        """What the device tells is stored in the order in which it came. Most devices tell little: theirs need no lock."""
        if self._order is None:
            self._order = asyncio.Lock()
        return self._order

    def token_of(self, path: str) -> bytes | None:
        """Under which the device notifies of it, if it is observed."""
        return self._observed.get(path)

    def observes(self, token: bytes) -> bool:
        """Whether notifications with that token are this device's."""
        return token in self._tokens

    def cancel(self, path: str) -> None:
        """Nobody is subscribed to the resource any more."""
        token = self._observed.pop(path, None)
        if token is not None and self._reach.peer is not None:
            self._tokens.pop(token, None)
            # A sleeping device is told by the reset of its next notification.
            self._reach.peer.cancel(token, tell=not self._reach.registered.queue_mode)

    async def observe(self, path: str) -> Message:
        """Observe, or refresh the observation there is under its token: either answers the current value."""
        peer = self._reach.peer
        if peer is None:
            raise PeerGone
        token = self._observed.get(path)
        if token is None:
            token = peer.take_token()
        self._tokens[token] = path  # first: a notification may be there before we run again
        try:
            answer = await peer.ask(request_for(path, self._reach.registered.links).add(Option.OBSERVE, 0), token)
        except NoAnswer:
            self._tokens.pop(token, None)
            self._observed.pop(path, None)
            raise
        if is_success(answer.code) and answer.observe is not None and peer is self._reach.peer:
            self._observed[path] = token
            self._tokens[token] = path  # a registration in between has forgotten it
        else:
            self._tokens.pop(token, None)
            self._observed.pop(path, None)
        return answer

    async def make(self) -> None:
        """The device came back in another session: observe again what is subscribed to."""
        registered = self._reach.registered
        for path in await store.observed_paths(self._services.database, registered.account_id, registered.device_id):
            if path not in registered.links.auto and path not in self._observed and self._reach.peer is not None:
                try:
                    answer = await self.observe(path)
                except NoAnswer as failure:
                    log.info("%s is not observed: %s", path, type(failure).__name__)
                    self.to_be_made = self.to_be_made or path in self._first
                    continue
                if path in self._first:
                    await self._observed_first(path, answer)
                if path in self._observed and self._reach.peer is not None and self._reach.peer.session:
                    async with self._services.database.transaction() as tx:
                        own = (registered.account_id, registered.device_id, path)
                        await store.observing(tx, *own, self._reach.peer.session, self._observed[path])

    async def _observed_first(self, path: str, answer: Message) -> None:
        """The device was asked for what a pre-subscription named: its value is the first notification."""
        self._first -= {path}
        if path in self._observed:
            await self.notified(self._observed[path], answer)
        else:
            await self._services.presubscriptions.unmake(self._reach.registered, path)

    async def notified(self, token: bytes, message: Message) -> bool:
        """Store a notification. False: nobody wants it, the device may stop."""
        path, peer = self._tokens.get(token), self._reach.peer
        if path is None or peer is None:
            return False
        self._reach.hear()
        if not is_success(message.code):
            self._tokens.pop(token)
            self._observed.pop(path, None)
            return True
        if is_composite(path):
            return await self._told_together(peer, path, message)
        registered = self._reach.registered
        auto = path in registered.links.auto
        facts = facts_told(registered.links, path, message.payload, message.content_format)
        async with self._one_after_another:
            async with self._services.database.transaction() as tx:
                await peer.note(tx)
                subjects = await store.subjects_of(tx, registered.account_id, registered.device_id, path)
                if not subjects and not auto:
                    return False
                item = results.notification(registered.device_id, path, message)
                await append(tx, self._notified(item, subjects))
                if facts is not None:
                    await self._report(tx, facts)
            self._reach.remember(path, message)
        return True

    async def sent(self, values: Sequence[Value], exchange: str) -> None:
        """Store what the device sent unasked (LwM2M 1.1 Send) as notifications of its resources. They are told to those who
        subscribed to the resource, alone or among others, or to what it lies in.

        :param exchange: tells this request from all others; the same again changes nothing. Empty: it cannot be told
        """
        registered, peer = self._reach.registered, self._reach.peer
        account_id, device_id = registered.account_id, registered.device_id
        async with self._one_after_another, self._services.database.transaction() as tx:
            if peer is not None:
                await peer.note(tx)
            if exchange and not await store.take_send(tx, account_id, device_id, exchange, self._services.clock.now()):
                return
            subjects: dict[str, set[str]] = {}
            for target, subject in await store.all_subjects(tx, account_id, device_id):
                for path in paths_in(target):
                    subjects.setdefault(path, set()).add(subject)
            for value in values:
                told = sorted({subject for each in lineage(value.path) for subject in subjects.get(each, ())})
                await self._tell(tx, value, tuple(told))

    async def _told_together(self, peer: Peer, target: str, message: Message) -> bool:
        """As ``notified``, for what a composite observation told."""
        registered = self._reach.registered
        try:
            values = values_told(message, self._services.clock.now())
        except CodecError as error:
            log.info("a composite notification of %s is no list of values: %s", registered.device_id, error)
            values = []
        async with self._one_after_another, self._services.database.transaction() as tx:
            await peer.note(tx)
            subjects = await store.subjects_of(tx, registered.account_id, registered.device_id, target)
            for value in values if subjects else ():
                await self._tell(tx, value, subjects, message.max_age)
        return bool(subjects)

    async def _tell(self, tx: Transaction, value: Value, subjects: tuple[str, ...], max_age: int = 0) -> None:
        registered = self._reach.registered
        await append(tx, self._notified(notification_of(registered.device_id, value, max_age), subjects))
        facts = facts_told(registered.links, value.path, value.payload, value.content_format)
        if facts is not None:
            await self._report(tx, facts)

    async def _report(self, tx: Transaction, facts: Facts) -> None:
        registered = self._reach.registered
        with contextlib.suppress(DeviceNotFound):  # it is being deleted
            await self._services.directory.reported(tx, registered.account_id, registered.device_id, facts)

    def _notified(self, item: dict[str, Any], subjects: tuple[str, ...]) -> Event:
        registered = self._reach.registered
        return events.notified(
            registered.account_id,
            registered.device_id,
            self._services.clock.now(),
            item,
            registered.endpoint_name,
            subjects,
        )
