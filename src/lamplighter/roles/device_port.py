"""One port for devices: a CoAP endpoint, the LwM2M server on it, and the connect service behind both.

Each request is a task of its own, so that many share a commit of the database; the answer leaves after it. Above
``OPEN_REQUESTS``, and when many register at once (see ``admission``), devices are told to come back later: to a registration
storm 5.03 is the one answer that no client takes for a refusal (gateway rule 5.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import structlog

from lamplighter.coap import numbers
from lamplighter.coap.events import (
    NotificationReceived,
    RequestFailed,
    RequestReceived,
    RequestReset,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.errors import Error
from lamplighter.lwm2m.registration import BINDINGS_1_0, Registration
from lamplighter.lwm2m.server import (
    DeregisterRequested,
    Lwm2mEvent,
    Lwm2mServer,
    RegisterRequested,
    RequestDelegated,
    RequestRefused,
    SendRequested,
    UpdateRequested,
)
from lamplighter.roles import est_requests
from lamplighter.roles.admission import RegistrationLine
from lamplighter.roles.asking import Asking
from lamplighter.roles.below import Below
from lamplighter.roles.est_requests import EstRequests
from lamplighter.roles.pace import RegistrationPace
from lamplighter.roles.session_facts import facts_of
from lamplighter.roles.tasks import Tasks
from lamplighter.services.connect.service import Connect, Identity, PeerGone, SessionLost
from lamplighter.services.connect.sessions.service import DeviceSessions
from lamplighter.services.connect.turns import in_turns
from lamplighter.storage.database import Transaction

log = structlog.get_logger("lamplighter.lwm2m")

OPEN_REQUESTS = 2000
"""Requests of devices that may wait for the database at once."""
AT_ONCE = 16 * 1024
"""Bytes of a payload that is read without a pause: a millisecond or two."""
LATER = 30
"""Seconds after which a device that was not served shall try again."""
ACKNOWLEDGE = 1.0
"""Seconds after which a device is told that its certificate comes later: an issuer may take its time."""
Question = RegisterRequested | UpdateRequested | DeregisterRequested | SendRequested | RequestDelegated


class DevicePeer:
    """The session with one device, as the connect service sees it (its ``Peer``)."""

    def __init__(self, port: DevicePort, key: Any) -> None:
        self.key = key
        self._port = port

    @property
    def address(self) -> str:
        where = getattr(self.key, "address", self.key)
        return f"{where[0]} {where[1]}" if isinstance(where, tuple) else str(where)

    @property
    def facts(self) -> Mapping[str, Any]:
        return facts_of(self.key)

    @property
    def session(self) -> str:
        stored = self._port.stored
        return stored.id_of(self.key) if stored is not None else ""

    async def note(self, tx: Transaction) -> None:
        if self._port.stored is not None:
            await self._port.stored.note(tx, self.key)

    def take_token(self) -> bytes:
        return self._port.endpoint.take_token()

    async def ask(self, message: Message, token: bytes | None = None) -> Message:
        return await self._port.ask(self.key, message, token)

    def adopt(self, token: bytes, request: Message) -> None:
        self._port.endpoint.adopt_observation(self.key, token, request, self._port.now())

    def cancel(self, token: bytes, *, tell: bool) -> None:
        self._port.cancel(self.key, token, tell)

    def reset_freshness(self) -> None:
        self._port.endpoint.reset_freshness(self.key)

    def close(self) -> None:
        self._port.close_session(self.key)


class DevicePort:
    """``on_event`` takes the endpoint's events; ``flush`` is to be set to what sends what there is.

    :param identity_of: who is behind a peer of the endpoint
    :param stored: keeps the sessions below, where they can be kept
    :param lose: lets go of a session that is another process's now
    :param est: answers devices that fetch their certificates
    """

    def __init__(
        self,
        connect: Connect,
        identity_of: Callable[[Any], Identity],
        below: Below,
        *,
        stored: DeviceSessions | None = None,
        lose: Callable[[Any], None] = lambda peer: None,
        est: EstRequests | None = None,
    ) -> None:
        self.endpoint = below.endpoint(stored.first_token if stored is not None else None)
        self.stored = stored
        self.flush: Callable[[], None] = lambda: None
        self._stream = below.stream
        self._est = est
        self._server = Lwm2mServer(
            self.endpoint, delegated=frozenset() if est is None else frozenset({est_requests.FIRST_SEGMENT})
        )
        self._connect = connect
        self._identity_of = identity_of
        self._end_session = below.end_session
        self._lose = lose
        self._loop = asyncio.get_running_loop()
        self._pace = RegistrationPace()
        self._line = RegistrationLine(self.now)
        self._peers: dict[Hashable, DevicePeer] = {}
        self._asking = Asking(self.endpoint, below, lambda: self.flush())
        self._tasks = Tasks()

    def now(self) -> float:
        return self._loop.time()

    # From the network

    def on_event(self, event: Any) -> None:
        """Take an event of the endpoint."""
        match event:
            case RequestReceived():
                self._take(event)
            case NotificationReceived():
                if self._is_full:
                    self.endpoint.postpone_notification(event)
                else:
                    self._tasks.spawn(self._notified(event))
            case ResponseReceived() | RequestTimedOut() | RequestReset() | RequestFailed():
                self._asking.take(event)

    def resumed(self, key: Hashable) -> DevicePeer:
        """A session below was loaded: the device behind it is known before its first message is."""
        peer = self._peers[key] = DevicePeer(self, key)
        return peer

    def is_registered(self, key: Hashable) -> bool:
        """Whether a registration was made through that session."""
        peer = self._peers.get(key)
        return peer is not None and self._connect.is_attached(peer)

    def disconnected(self, key: Hashable) -> None:
        """The session below ended."""
        self.endpoint.forget(key, self.now())
        peer = self._peers.pop(key, None)
        if peer is not None:
            self._connect.disconnected(peer)

    async def close(self) -> None:
        """Stop: nothing more is answered, and who waits for a device is told that it is gone."""
        await self._tasks.close()
        self._asking.close()

    # To the network

    async def ask(self, key: Hashable, message: Message, token: bytes | None) -> Message:
        """Raises NoAnswer, PeerGone, AnswerTooLarge."""
        if key not in self._peers:
            raise PeerGone
        return await self._asking.ask(key, message, token)

    def cancel(self, key: Hashable, token: bytes, tell: bool) -> None:
        """End an observation, telling the device or not."""
        self.endpoint.cancel_observation(key, token, self.now(), tell=tell)
        self.flush()

    def close_session(self, key: Hashable) -> None:
        """End the session with a device. It is told where there is a session to end."""
        if self._end_session is not None:
            self._end_session(key)
        self.disconnected(key)
        self.flush()

    # Requests

    def _take(self, request: RequestReceived) -> None:
        # To read what a device registers takes longer than to put it off.
        if self._line.is_full and _registers(request.message):
            later = Message(Code.SERVICE_UNAVAILABLE).add(Option.MAX_AGE, self._line.seconds_until_turn())
            self.endpoint.respond(request, later, self.now())
            return
        peer = self._peers.get(request.peer) or DevicePeer(self, request.peer)
        version = self._connect.version_of(peer) or _version_spoken(request.message)
        if len(request.message.payload) > AT_ONCE:
            self._tasks.spawn(self._take_long(request, peer, version))
        else:
            self._decide(self._server.handle(request, self.now(), version=version), peer)

    async def _take_long(self, request: RequestReceived, peer: DevicePeer, version: str) -> None:
        """A gateway's list of links is read in turns with what the other devices send."""
        self._decide(await in_turns(self._server.steps(request, self.now(), version=version)), peer)
        self.flush()

    def _decide(self, asked: Lwm2mEvent, peer: DevicePeer) -> None:
        match asked:
            case RequestRefused(_, code, faults):
                log.info("device refused", peer=peer.address, code=numbers.format_code(code), faults=faults)
            case _ if self._is_full:
                self._server.reject(asked, Code.SERVICE_UNAVAILABLE, self.now(), max_age=LATER)
            case RegisterRequested(_, registration) if wait := self._too_often(peer.key, registration):
                self._server.reject(asked, Code.SERVICE_UNAVAILABLE, self.now(), max_age=wait)
            case _:
                self._peers[peer.key] = peer
                self._tasks.spawn(self._serve(asked, peer))

    @property
    def _is_full(self) -> bool:
        """Whether too many requests wait for the database; those in line for a registration are none of them."""
        return len(self._tasks) - len(self._line) >= OPEN_REQUESTS

    def _too_often(self, key: Hashable, registration: Registration) -> int:
        """Seconds for which a device that registers in a loop has to wait."""
        identity = self._identity_of(key)
        name = identity.endpoint_name or registration.endpoint_name
        return self._pace.wait(f"{identity.text} {name}", self.now())

    async def _serve(self, asked: Question, peer: DevicePeer) -> None:
        try:
            await self._answer(asked, peer)
        except Error as error:
            code = numbers.code(error.coap or ("5.03" if error.status == 503 else "5.00"))
            identity = self._identity_of(peer.key)
            log.info(
                "device refused",
                peer=peer.address,
                account_id=identity.account_id,
                endpoint_name=identity.endpoint_name,
                code=numbers.format_code(code),
                error=error.name,
                why=error.text,
            )
            later = LATER if code == Code.SERVICE_UNAVAILABLE else None
            self._server.reject(asked, code, self.now(), max_age=later, diagnostic=error.text)
        except SessionLost:
            self._lose(peer.key)
            return
        except Exception:
            log.exception("a device's request could not be served", peer=peer.address)
            self._server.reject(asked, Code.INTERNAL_SERVER_ERROR, self.now())
        if not self._connect.is_attached(peer) and self._end_session is None:
            self._peers.pop(peer.key, None)  # nobody tells when a peer without a session has gone
        self.flush()
        self._connect.contacted(peer)

    async def _answer(self, asked: Question, peer: DevicePeer) -> None:
        identity = self._identity_of(peer.key)
        match asked:
            case RegisterRequested(request, registration):
                async with self._line.place():
                    registered = await self._connect.register(identity, registration, peer, _exchange(request, peer))
                self._peers[peer.key] = peer
                granted = registered.lifetime if registered.lifetime < registration.lifetime else None
                self._server.accept_registration(
                    asked, registered.location, self.now(), lifetime=granted, tell_when_sent=False
                )
            case UpdateRequested(_, location, changes):
                await self._connect.update(identity, location, changes, peer)
                self._peers[peer.key] = peer
                self._server.accept_update(asked, self.now(), tell_when_sent=False)
            case DeregisterRequested(_, location):
                await self._connect.deregister(identity, location, peer)
                self._server.accept_deregistration(asked, self.now(), tell_when_sent=False)
            case SendRequested(request, records):
                await self._connect.sent(peer, records, _exchange(request, peer))
                self._server.accept_send(asked, self.now())
            case RequestDelegated(request, path):
                await self._enrol(request, path, peer)

    async def _enrol(self, request: RequestReceived, path: tuple[str, ...], peer: DevicePeer) -> None:
        assert self._est is not None, "nothing else is delegated"
        later = self._loop.call_later(ACKNOWLEDGE, self._acknowledge, request)
        try:
            response = await self._est.answer(peer, path, request.message)
        finally:
            later.cancel()
        self.endpoint.respond(request, response, self.now())

    def _acknowledge(self, request: RequestReceived) -> None:
        if not self._stream:  # where nothing is sent twice
            self.endpoint.acknowledge(request)
            self.flush()

    async def _notified(self, event: NotificationReceived) -> None:
        peer = self._peers.get(event.peer)
        try:
            wanted = peer is not None and await self._connect.notified(peer, event.token, event.message)
        except Error as error:
            log.warning("a notification is not acknowledged", why=str(error))
            self.endpoint.postpone_notification(event)
            return
        except SessionLost:
            self._lose(event.peer)
            return
        if wanted:
            self.endpoint.accept_notification(event)
        else:
            self.endpoint.reject_notification(event)
        self.flush()
        if peer is not None:
            self._connect.contacted(peer)


def _exchange(request: RequestReceived, peer: DevicePeer) -> str:
    """Tells a request from all others, where its session outlives this process; else empty."""
    message = request.message
    return f"{peer.session} {message.mid} {message.token.hex()}" if peer.session else ""


def _registers(message: Message) -> bool:
    """Whether a request is a Register."""
    return message.code == Code.POST and message.all(Option.URI_PATH) == [b"rd"]


def _version_spoken(message: Message) -> str:
    """What an Update must be of, when its registration is not at hand: a binding that 1.0 does not have says 1.1."""
    bindings = [
        argument[2:].decode(errors="replace") for argument in message.all(Option.URI_QUERY) if argument[:2] == b"b="
    ]
    return "1.0" if all(binding in BINDINGS_1_0 for binding in bindings) else "1.1"
