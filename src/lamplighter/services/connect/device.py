"""A registered device that this process can reach: its session, its observations, and the worker of its queue.

One command is under way at a time, in the order they came. A device in queue mode sleeps: it is asked only while it is
awake, which its own contact tells (OMA LwM2M Core 1.1 section 6.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import Clock
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type, is_success
from lamplighter.errors import Error
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import CodecError
from lamplighter.lwm2m.objects import Definitions
from lamplighter.services.connect import events, outcomes, results, store
from lamplighter.services.connect.commands import NOTHING, Commands
from lamplighter.services.connect.model import OBSERVE, Command
from lamplighter.services.connect.peer import NoAnswer, Peer, PeerGone
from lamplighter.services.connect.presubscriptions import Presubscriptions
from lamplighter.services.connect.registering import Registered
from lamplighter.services.connect.resources import Links, facts_told, lineage, path_of, value_in
from lamplighter.services.connect.results import Undelivered
from lamplighter.services.connect.targets import (
    Value,
    is_composite,
    notification_of,
    paths_in,
    request_for,
    values_told,
)
from lamplighter.services.connect.value_cache import Fresh, ValueCache
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory
from lamplighter.storage.database import Database, Transaction

log = logging.getLogger(__name__)

ATTEMPTS = 2
"""Of one delivery: the second follows the first at once (contract: one immediate retry)."""
AWAKE = 93.0
"""Seconds after its last message that a device in queue mode still listens: MAX_TRANSMIT_WAIT, as OMA LwM2M Core 1.1
section 6.5 has it."""
VENDOR_AWAKE = 4.0
"""The same of the vendor's client, which sleeps after 4.5 (wire facts section 3.5)."""
UNHEARD_WAIT = 5.0
"""Seconds for which a request that nobody wants to hear of holds up the next one."""
FACTORY_RESET = "/3/0/5"
RETRY = 1.0
"""Seconds until the queue is looked at again after the database was away."""


class NotObservable(NoAnswer):
    """The resource cannot be observed."""

    status = 412
    error = None
    why = "The subscription ended before the device was asked, or needs LwM2M 1.1."


class FormatOfAnotherVersion(NoAnswer):
    """LwM2M CBOR is of 1.2, and not for a device that registered with an older version (gateway rule 5.1)."""

    status = 415
    error = None
    why = "LwM2M CBOR is of LwM2M 1.2, and the device registered with an older version."


class AttachedDevice:
    """In memory only: what must outlive the process is in the tables."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        commands: Commands,
        presubscriptions: Presubscriptions,
        directory: Directory,
        process: str,
        value_age: float,
    ) -> None:
        self.registered: Registered
        self.peer: Peer | None = None
        self._database = database
        self._clock = clock
        self._commands = commands
        self._presubscriptions = presubscriptions
        self._directory = directory
        self._process = process
        self._tokens: dict[bytes, str] = {}
        self._observed: dict[str, bytes] = {}
        self._values = ValueCache(value_age)
        self._heard = 0.0
        self._silent = True
        self._observe_anew = False
        self._first: set[str] = set()
        self.subscribed_by: tuple[object, Links] | None = None
        """The pre-subscriptions that were applied to it, and the links that they were applied to."""
        self._more = False
        self._task: asyncio.Task[None] | None = None
        self._order = asyncio.Lock()

    # What happens to it

    def attach(self, registered: Registered, peer: Peer, *, anew: bool) -> None:
        """The device talks through that session now; ``anew``: it registered, and forgot what it was told before."""
        unchanged = not anew and peer is self.peer and registered.links is self.registered.links
        self.registered = registered
        self._silent = True  # until the answer has left, see contact()
        if unchanged:
            return
        if peer is not self.peer:
            self.detach()
            self.peer = peer
            self._observe_anew = not anew
        if anew:
            peer.reset_freshness()
            for token in self._tokens:
                peer.cancel(token, tell=False)
            self._tokens.clear()
            self._observed.clear()
            self._values.clear()
            self._first.clear()
            self.subscribed_by = None
        for token, path in registered.links.auto_tokens.items():
            if token not in self._tokens:
                peer.adopt(token, management.read(path))
                self._tokens[token] = path

    def resume(self, registered: Registered, peer: Peer, observed: Mapping[str, bytes]) -> None:
        """The device goes on in a session that was stored, with the observations that it has in it (tokens by path)."""
        self.attach(registered, peer, anew=False)
        for path, token in observed.items():
            peer.adopt(token, request_for(path, registered.links))
            self._tokens[token] = path
            self._observed[path] = token

    def detach(self) -> None:
        """The session is gone, and its observations with it."""
        self.peer = None
        self._tokens.clear()
        self._observed.clear()

    def leave(self) -> None:
        """The registration ended; the session may serve another."""
        if self.peer is not None:
            for token in self._tokens:
                self.peer.cancel(token, tell=False)
        self.detach()

    def contact(self) -> None:
        """The device was heard of: what waits for it can be sent."""
        self._heard = self._clock.monotonic()
        self._silent = False
        self._start()

    def observe_also(self, paths: Iterable[str]) -> None:
        """These were subscribed to without its being asked: observe them at its next contact, and tell their first values."""
        self._first.update(path for path in paths if path not in self.registered.links.auto)
        self._observe_anew = self._observe_anew or bool(self._first)

    def poke(self) -> None:
        """There may be something to send, if the device listens, or to answer in its place."""
        if not (self._silent or self._sleeps) or self._values.is_fresh(self._clock.monotonic()):
            self._start()

    @property
    def _sleeps(self) -> bool:
        awake = self._clock.monotonic() - self._heard < (VENDOR_AWAKE if self.registered.vendor else AWAKE)
        return self.registered.queue_mode and not awake

    def cancel(self, path: str) -> None:
        """Nobody is subscribed to the resource any more."""
        token = self._observed.pop(path, None)
        if token is not None and self.peer is not None:
            self._tokens.pop(token, None)
            # A sleeping device is told by the reset of its next notification.
            self.peer.cancel(token, tell=not self.registered.queue_mode)

    def latest(self, path: str, definitions: Definitions) -> tuple[bytes, int]:
        """The value last heard of a resource that the device observes by itself."""
        return self._values.latest(path) or value_in(self.registered.links, path, definitions) or (b"", 0)

    def observes(self, token: bytes) -> bool:
        """Whether notifications with that token are this device's."""
        return token in self._tokens

    async def notified(self, token: bytes, message: Message) -> bool:
        """Store a notification. False: nobody wants it, the device may stop."""
        path, peer = self._tokens.get(token), self.peer
        if path is None or peer is None:
            return False
        self._heard = self._clock.monotonic()
        if not is_success(message.code):
            self._tokens.pop(token)
            self._observed.pop(path, None)
            return True
        if is_composite(path):
            return await self._told_together(peer, path, message)
        registered = self.registered
        auto = path in registered.links.auto
        facts = facts_told(registered.links, path, message.payload, message.content_format)
        async with self._order:
            async with self._database.transaction() as tx:
                await peer.note(tx)
                subjects = await store.subjects_of(tx, registered.account_id, registered.device_id, path)
                if not subjects and not auto:
                    return False
                item = results.notification(registered.device_id, path, message)
                await append(tx, self._notified(item, subjects))
                if facts is not None:
                    await self._report(tx, facts)
            self._remember(path, message)
        return True

    async def sent(self, values: Sequence[Value], exchange: str) -> None:
        """Store what the device sent unasked (LwM2M 1.1 Send) as notifications of its resources. They are told to those who
        subscribed to the resource, alone or among others, or to what it lies in.

        :param exchange: tells this request from all others; the same again changes nothing. Empty: it cannot be told
        """
        registered, peer = self.registered, self.peer
        account_id, device_id = registered.account_id, registered.device_id
        async with self._order, self._database.transaction() as tx:
            if peer is not None:
                await peer.note(tx)
            if exchange and not await store.take_send(tx, account_id, device_id, exchange, self._clock.now()):
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
        registered = self.registered
        try:
            values = values_told(message, self._clock.now())
        except CodecError as error:
            log.info("a composite notification of %s is no list of values: %s", registered.device_id, error)
            values = []
        async with self._order, self._database.transaction() as tx:
            await peer.note(tx)
            subjects = await store.subjects_of(tx, registered.account_id, registered.device_id, target)
            for value in values if subjects else ():
                await self._tell(tx, value, subjects, message.max_age)
        return bool(subjects)

    async def _tell(self, tx: Transaction, value: Value, subjects: tuple[str, ...], max_age: int = 0) -> None:
        registered = self.registered
        await append(tx, self._notified(notification_of(registered.device_id, value, max_age), subjects))
        facts = facts_told(registered.links, value.path, value.payload, value.content_format)
        if facts is not None:
            await self._report(tx, facts)

    async def close(self) -> None:
        """Stop the worker; what it had under way is found again in the tables."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # The worker

    def _start(self) -> None:
        self._more = True
        if self._task is None and self.peer is not None:
            self._task = asyncio.create_task(self._run(), name=f"commands of {self.registered.device_id}")

    async def _run(self) -> None:
        try:
            while self._more:
                self._more = False
                try:
                    await self._work()
                except Error as error:
                    log.warning("commands of %s wait: %s", self.registered.device_id, error)
                    await asyncio.sleep(RETRY)
                    self._more = self.peer is not None
                except Exception:
                    log.exception("commands of %s stop until its next contact", self.registered.device_id)
                    self._silent = True
        finally:
            self._task = None

    async def _work(self) -> None:
        if self._observe_anew:
            self._observe_anew = False
            await self._observe_subscribed()
        while self.peer is not None:
            command = await store.next_command(self._database, self.registered.account_id, self.registered.device_id)
            if command is None:
                return
            if not await self._answer_known(command):
                if self._silent or self._sleeps:
                    return
                await self._deliver(command)

    async def _observe_subscribed(self) -> None:
        """The device came back in another session: observe again what is subscribed to."""
        registered = self.registered
        for path in await store.observed_paths(self._database, registered.account_id, registered.device_id):
            if path not in registered.links.auto and path not in self._observed and self.peer is not None:
                try:
                    answer = await self._observe(path)
                except NoAnswer as failure:
                    log.info("%s is not observed: %s", path, type(failure).__name__)
                    self._observe_anew = self._observe_anew or path in self._first  # at its next contact
                    continue
                if path in self._first:
                    await self._observed_first(path, answer)
                if path in self._observed and self.peer is not None and self.peer.session:
                    async with self._database.transaction() as tx:
                        own = (registered.account_id, registered.device_id, path)
                        await store.observing(tx, *own, self.peer.session, self._observed[path])

    async def _observed_first(self, path: str, answer: Message) -> None:
        """The device was asked for what a pre-subscription named: its value is the first notification."""
        self._first.discard(path)
        if path in self._observed:
            await self.notified(self._observed[path], answer)
        else:
            await self._presubscriptions.unmake(self.registered, path)

    async def _deliver(self, command: Command) -> None:
        registered = self.registered
        if command.expires_at <= self._clock.now():
            await self._undelivered(command, Undelivered.EXPIRED)
            return
        if command.sent_by:  # it was under way when its process ended: nobody knows whether it was done
            await self._undelivered(command, Undelivered.UNKNOWN)
            return
        self._outdate(command)
        if not command.repeatable and not await self._commands.mark_sent(registered, command):
            return
        if self.peer is None:  # it went before anything was sent
            await self._commands.keep(registered, command, command.deliveries)
            return
        failure = await self._try(command)
        if failure is None:
            return
        if failure.status < 500 or command.deliveries <= 1 or not command.heard:
            await self._fail(command, failure.status, failure.error, self._known_of(failure))
            self._silent = self._silent or registered.queue_mode and failure.status >= 500
        else:
            self._silent = True
            await self._commands.keep(registered, command, command.deliveries - 1)

    async def _try(self, command: Command) -> NoAnswer | None:
        """One delivery; None: the command has its end."""
        failure: NoAnswer = PeerGone()
        for _ in range(ATTEMPTS if command.heard else 1):
            if self.peer is None:
                break
            try:
                if command.method == OBSERVE:
                    await self._subscribe(command)
                else:
                    answer = await self._ask(command)
                    if command.method == "GET" and is_success(answer.code):
                        self._remember(command.uri, answer)
                    reset = (
                        command.method == "POST" and path_of(command.uri) == FACTORY_RESET and is_success(answer.code)
                    )
                    item, also = results.answered(command.async_id, answer), self._note_reset if reset else None
                    await self._commands.finish(self.registered, command, item, also, outcomes.answered(answer))
            except NoAnswer as fault:
                failure = fault
                if fault.status < 500:
                    break
                continue
            self._heard = self._clock.monotonic()
            return None
        return failure

    async def _note_reset(self, tx: Transaction) -> None:
        await store.note_reset(tx, self.registered.account_id, self.registered.device_id)

    async def _ask(self, command: Command) -> Message:
        assert self.peer is not None
        links, version = self.registered.links, self.registered.version
        if version in ("1.0", "1.1") and ContentFormat.LWM2M_CBOR in (command.accept, command.content_format):
            raise FormatOfAnotherVersion
        path = command.uri.partition("?")[0]
        accept, chosen = command.accept, None
        if accept is None and command.method == "GET":
            accept = chosen = management.accept_for(path, version, links.content_formats)
        content_format = command.content_format
        if content_format is None and command.payload:
            content_format = management.written_format(path)
        request = (command.method, f"{links.root}/{command.uri}", command.payload, content_format)
        if not command.heard:
            return await self._ask_unheard(management.device_request(*request, accept))
        answer = await self.peer.ask(management.device_request(*request, accept))
        if chosen is not None and answer.code == Code.NOT_ACCEPTABLE and self.peer is not None:
            answer = await self.peer.ask(management.device_request(*request))  # it named what it does not take
        return answer

    async def _ask_unheard(self, message: Message) -> Message:
        """Its answer is waited for a moment only, and nobody is told. Raises NoAnswer."""
        assert self.peer is not None
        message.type = Type.NON
        try:
            async with asyncio.timeout(UNHEARD_WAIT):
                return await self.peer.ask(message)
        except TimeoutError:
            raise NoAnswer from None

    async def _subscribe(self, command: Command) -> None:
        registered, path = self.registered, command.uri
        own = (registered.account_id, registered.device_id, path, command.subject_id)
        if await store.subscription(self._database, *own) is None:
            raise NotObservable  # unsubscribed before the device was asked
        if is_composite(path) and registered.version == "1.0":
            raise NotObservable
        answer = await self._observe(path)

        async def activate(tx: Transaction) -> None:
            session = self.peer.session if self.peer is not None else ""
            await store.activate(tx, *own, session, self._observed.get(path, b""))

        async def give_up(tx: Transaction) -> None:
            await store.unsubscribe(tx, *own)

        observed = path in self._observed
        status = None if observed or not is_success(answer.code) else NotObservable.status
        if answer.code == Code.METHOD_NOT_ALLOWED:  # how the vendor's client says it (wire facts section 4)
            status = NotObservable.status
        item = results.answered(command.async_id, answer, status)
        also = activate if observed else give_up
        await self._commands.finish(registered, command, item, also, outcomes.answered(answer))
        if observed and not await store.subjects_of(self._database, registered.account_id, registered.device_id, path):
            self.cancel(path)

    async def _observe(self, path: str) -> Message:
        """Observe, or refresh the observation there is under its token: either answers the current value."""
        peer = self.peer
        if peer is None:
            raise PeerGone
        token = self._observed.get(path)
        if token is None:
            token = peer.take_token()
        self._tokens[token] = path  # first: a notification may be there before we run again
        try:
            answer = await peer.ask(request_for(path, self.registered.links).add(Option.OBSERVE, 0), token)
        except NoAnswer:
            self._tokens.pop(token, None)
            self._observed.pop(path, None)
            raise
        if is_success(answer.code) and answer.observe is not None and peer is self.peer:
            self._observed[path] = token
            self._tokens[token] = path  # a registration in between has forgotten it
        else:
            self._tokens.pop(token, None)
            self._observed.pop(path, None)
        return answer

    async def _answer_known(self, command: Command) -> bool:
        """Answer a read by a value that is still of age; False: the device is to be asked."""
        if command.method != "GET" or command.expires_at <= self._clock.now():
            return False
        found = self.fresh(command.uri, command.accept)
        if found is None:
            return False
        item = results.given(command.async_id, *found)
        await self._commands.finish(self.registered, command, item)
        return True

    def fresh(self, uri: str, accept: int | None = None) -> Fresh | None:
        """The value of a resource that is still of age."""
        now = self._clock.monotonic()
        found = self._values.fresh(path_of(uri), accept, now) if "?" not in uri else None
        return (
            Fresh(found.payload, found.content_format or 0, round(found.expires - now)) if found is not None else None
        )

    def _remember(self, uri: str, message: Message) -> None:
        if "?" not in uri:
            now = self._clock.monotonic()
            self._values.put(path_of(uri), message.payload, message.content_format, message.max_age, now)

    def _outdate(self, command: Command) -> None:
        """Before it is sent: whether it arrived may never be known."""
        if command.method in ("POST", "IPATCH"):
            self._values.outdate_all()
        elif command.method in ("PUT", "DELETE"):
            self._values.outdate(path_of(command.uri.partition("?")[0]))

    async def _undelivered(self, command: Command, end: Undelivered) -> None:
        await self._fail(command, *end.value, {"why": outcomes.WHY[end], "process": command.sent_by or self._process})

    def _known_of(self, failure: NoAnswer) -> dict[str, Any]:
        """What is known of the device's side, for ``explain``."""
        registered, peer = self.registered, self.peer
        silent = round(self._clock.monotonic() - self._heard)
        return {
            "why": failure.why,
            **failure.details,
            "attempts_of_last_delivery": ATTEMPTS,
            "session": f"open, at {peer.address}"
            if peer is not None
            else "none: it ended, and the device has not come back",
            "session_stored": bool(peer is not None and peer.session),
            "last_heard_seconds_ago": silent,
            "queue_mode": registered.queue_mode,
            "binding": registered.binding,
        }

    async def _fail(
        self, command: Command, status: int, error: str | None, details: Mapping[str, Any] = NOTHING
    ) -> None:
        registered = self.registered

        async def give_up(tx: Transaction) -> None:
            if command.method == OBSERVE:
                await store.unsubscribe(
                    tx, registered.account_id, registered.device_id, command.uri, command.subject_id
                )

        item = results.failed(command.async_id, status, error)
        await self._commands.finish(registered, command, item, give_up, details)

    async def _report(self, tx: Transaction, facts: Facts) -> None:
        registered = self.registered
        with contextlib.suppress(DeviceNotFound):  # it is being deleted
            await self._directory.reported(tx, registered.account_id, registered.device_id, facts)

    def _notified(self, item: dict[str, Any], subjects: tuple[str, ...]) -> Event:
        registered = self.registered
        return events.notified(
            registered.account_id, registered.device_id, self._clock.now(), item, registered.endpoint_name, subjects
        )
