"""What is asked of a device, one command after another: each is sent, answered and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Type, is_success
from lamplighter.lwm2m import management
from lamplighter.services.connect import notification_attributes, outcomes, results, store
from lamplighter.services.connect.commands import NOTHING, Also
from lamplighter.services.connect.model import OBSERVE, Command
from lamplighter.services.connect.observations import Observations
from lamplighter.services.connect.peer import NoAnswer, PeerGone
from lamplighter.services.connect.reach import Reach
from lamplighter.services.connect.resources import path_of
from lamplighter.services.connect.results import Undelivered
from lamplighter.services.connect.surroundings import Services
from lamplighter.services.connect.targets import is_composite
from lamplighter.storage.database import Transaction

ATTEMPTS = 2
"""Of one delivery: the second follows the first at once (contract: one immediate retry)."""
UNHEARD_WAIT = 5.0
"""Seconds for which a request that nobody wants to hear of holds up the next one."""
FACTORY_RESET = "/3/0/5"


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


class Deliveries:
    """Those of one device."""

    __slots__ = ("_observations", "_reach", "_services")

    def __init__(self, services: Services, reach: Reach, observations: Observations) -> None:
        self._services = services
        self._reach = reach
        self._observations = observations

    async def answer_known(self, command: Command) -> bool:
        """Answer a read by a value that is still of age; False: the device is to be asked."""
        if command.method != "GET" or command.expires_at <= self._services.clock.now():
            return False
        found = self._reach.fresh(command.uri, command.accept)
        if found is None:
            return False
        item = results.given(command.async_id, *found)
        await self._services.commands.finish(self._reach.registered, command, item)
        return True

    async def write_attributes(self, uri: str) -> Message:
        """Write notification attributes again, which nobody is told of. Raises NoAnswer."""
        peer, root = self._reach.peer, self._reach.registered.links.root
        if peer is None:
            raise PeerGone
        return await peer.ask(management.device_request("PUT", f"{root}/{uri}", b"", None))

    async def deliver(self, command: Command) -> None:
        """Send a command, and end it if this was its last delivery."""
        registered = self._reach.registered
        if command.expires_at <= self._services.clock.now():
            await self._undelivered(command, Undelivered.EXPIRED)
            return
        if command.sent_by:  # it was under way when its process ended: nobody knows whether it was done
            await self._undelivered(command, Undelivered.UNKNOWN)
            return
        self._outdate(command)
        if not command.repeatable and not await self._services.commands.mark_sent(registered, command):
            return
        if self._reach.peer is None:  # it went before anything was sent
            await self._services.commands.keep(registered, command, command.deliveries)
            return
        failure = await self._try(command)
        if failure is None:
            return
        if failure.status < 500 or command.deliveries <= 1 or not command.heard:
            await self._fail(command, failure.status, failure.error, self._known_of(failure))
            self._reach.silent = self._reach.silent or registered.queue_mode and failure.status >= 500
        else:
            self._reach.silent = True
            await self._services.commands.keep(registered, command, command.deliveries - 1)

    async def _try(self, command: Command) -> NoAnswer | None:
        """One delivery; None: the command has its end."""
        failure: NoAnswer = PeerGone()
        for _ in range(ATTEMPTS if command.heard else 1):
            if self._reach.peer is None:
                break
            try:
                if command.method == OBSERVE:
                    await self._subscribe(command)
                else:
                    answer = await self._ask(command)
                    if command.method == "GET" and is_success(answer.code):
                        self._reach.remember(command.uri, answer)
                    also = self._noted_with(command) if is_success(answer.code) else None
                    item = results.answered(command.async_id, answer)
                    await self._services.commands.finish(
                        self._reach.registered, command, item, also, outcomes.answered(answer)
                    )
            except NoAnswer as fault:
                failure = fault
                if fault.status < 500:
                    break
                continue
            self._reach.hear()
            return None
        return failure

    def _noted_with(self, command: Command) -> Also | None:
        """What is to be remembered, now that the device has done it."""
        key = self._reach.key

        async def reset(tx: Transaction) -> None:
            await store.note_reset(tx, *key)

        async def attributes(tx: Transaction) -> None:
            await notification_attributes.written(tx, *key, command.uri)

        if command.method == "POST" and path_of(command.uri) == FACTORY_RESET:
            return reset
        return attributes if notification_attributes.are_written_by(command) else None

    async def _ask(self, command: Command) -> Message:
        assert self._reach.peer is not None
        links, version = self._reach.registered.links, self._reach.registered.version
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
        answer = await self._reach.peer.ask(management.device_request(*request, accept))
        if chosen is not None and answer.code == Code.NOT_ACCEPTABLE and self._reach.peer is not None:
            answer = await self._reach.peer.ask(management.device_request(*request))  # it named what it does not take
        return answer

    async def _ask_unheard(self, message: Message) -> Message:
        """Its answer is waited for a moment only, and nobody is told. Raises NoAnswer."""
        assert self._reach.peer is not None
        message.type = Type.NON
        try:
            async with asyncio.timeout(UNHEARD_WAIT):
                return await self._reach.peer.ask(message)
        except TimeoutError:
            raise NoAnswer from None

    async def _subscribe(self, command: Command) -> None:
        registered, path = self._reach.registered, command.uri
        own = (*self._reach.key, path, command.subject_id)
        if await store.subscription(self._services.database, *own) is None:
            raise NotObservable  # unsubscribed before the device was asked
        if is_composite(path) and registered.version == "1.0":
            raise NotObservable
        answer = await self._observations.observe(path)

        async def activate(tx: Transaction) -> None:
            session = self._reach.peer.session if self._reach.peer is not None else ""
            await store.activate(tx, *own, session, self._observations.token_of(path) or b"")

        async def give_up(tx: Transaction) -> None:
            await store.unsubscribe(tx, *own)

        observed = self._observations.token_of(path) is not None
        status = None if observed or not is_success(answer.code) else NotObservable.status
        if answer.code == Code.METHOD_NOT_ALLOWED:  # how the vendor's client says it (wire facts section 4)
            status = NotObservable.status
        item = results.answered(command.async_id, answer, status)
        also = activate if observed else give_up
        await self._services.commands.finish(registered, command, item, also, outcomes.answered(answer))
        if observed and not await store.subjects_of(self._services.database, *self._reach.key, path):
            self._observations.cancel(path)

    def _outdate(self, command: Command) -> None:
        """Before it is sent: whether it arrived may never be known."""
        if command.method in ("POST", "IPATCH"):
            self._reach.values.outdate_all()
        elif command.method in ("PUT", "DELETE"):
            self._reach.values.outdate(path_of(command.uri.partition("?")[0]))

    async def _undelivered(self, command: Command, end: Undelivered) -> None:
        await self._fail(
            command, *end.value, {"why": outcomes.WHY[end], "process": command.sent_by or self._services.process}
        )

    def _known_of(self, failure: NoAnswer) -> dict[str, Any]:
        """What is known of the device's side, for ``explain``."""
        registered, peer = self._reach.registered, self._reach.peer
        return {
            "why": failure.why,
            **failure.details,
            "attempts_of_last_delivery": ATTEMPTS,
            "session": f"open, at {peer.address}"
            if peer is not None
            else "none: it ended, and the device has not come back",
            **(peer.facts if peer is not None else {}),
            "session_stored": bool(peer is not None and peer.session),
            "last_heard_seconds_ago": round(self._reach.seconds_since_heard),
            "queue_mode": registered.queue_mode,
            "binding": registered.binding,
        }

    async def _fail(
        self, command: Command, status: int, error: str | None, details: Mapping[str, Any] = NOTHING
    ) -> None:
        registered = self._reach.registered

        async def give_up(tx: Transaction) -> None:
            if command.method == OBSERVE:
                await store.unsubscribe(tx, *self._reach.key, command.uri, command.subject_id)

        item = results.failed(command.async_id, status, error)
        await self._services.commands.finish(registered, command, item, give_up, details)
