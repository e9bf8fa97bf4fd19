"""One port for devices: a CoAP endpoint, the LwM2M server on it, and the connect service behind both.

Each request is a task of its own, so that many share a commit of the database; the answer leaves after it. Above
``OPEN_REQUESTS``, and when many register at once (see ``admission``), devices are told to come back later: to a registration
storm 5.03 is the one answer that no client takes for a refusal (gateway rule 5.4).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Hashable
from random import Random
from typing import Any

import structlog

from lamplighter.coap import numbers
from lamplighter.coap.endpoint import MAX_MESSAGE, Endpoint, TooManyRequests
from lamplighter.coap.events import (
    NotificationReceived,
    RequestFailed,
    RequestReceived,
    RequestReset,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.exchange import Exchange, Failure
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.dtls.halfopen import network_of
from lamplighter.errors import Error
from lamplighter.lwm2m.registration import BINDINGS_1_0, Registration
from lamplighter.lwm2m.server import (
    DeregisterRequested,
    Lwm2mServer,
    RegisterRequested,
    RequestDelegated,
    RequestRefused,
    SendRequested,
    UpdateRequested,
)
from lamplighter.roles.admission import RegistrationLine
from lamplighter.roles.pace import RegistrationPace
from lamplighter.services.connect.peer import ConnectionBroken
from lamplighter.services.connect.service import AnswerTooLarge, Connect, Identity, NoAnswer, PeerGone, SessionLost
from lamplighter.services.connect.sessions.service import DeviceSessions
from lamplighter.storage.database import Transaction

log = structlog.get_logger("lamplighter.lwm2m")

OPEN_REQUESTS = 2000
"""Requests of devices that may wait for the database at once."""
LATER = 30
"""Seconds after which a device that was not served shall try again."""
DELIVERY = 126.0
"""Seconds that a delivery takes to fail: waits of 2, 4, 8, 16, 32 and 64 (contract: device requests)."""
PARAMETERS = Parameters(max_retransmit=5, response_timeout=DELIVERY)
"""A device that acknowledges a request and never answers it holds up the others no longer than one that is gone."""
STREAM_PARAMETERS = Parameters(ack_timeout=DELIVERY, ack_random_factor=1, max_retransmit=0, response_timeout=DELIVERY)
"""Over a stream nothing is sent twice, and a delivery takes as long to fail."""

Question = RegisterRequested | UpdateRequested | DeregisterRequested | SendRequested


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
    """``open`` it round a transport: ``on_event`` takes the endpoint's events, ``flush`` sends what there is.

    :param identity_of: who is behind a peer of the endpoint
    :param end_session: ends the session below; None where there is none
    :param streams: whether devices come over TCP or TLS
    :param on_answer: told of each answer of a peer, and of the address that the request for it was sent to
    :param stored: keeps the sessions below, where they can be kept
    :param lose: lets go of a session that is another process's now
    """

    def __init__(
        self,
        connect: Connect,
        identity_of: Callable[[Any], Identity],
        *,
        end_session: Callable[[Any], None] | None = None,
        on_answer: Callable[[Any, Hashable], None] = lambda peer, address: None,
        streams: bool = False,
        stored: DeviceSessions | None = None,
        lose: Callable[[Any], None] = lambda peer: None,
    ) -> None:
        random = Random(secrets.randbits(64))
        self.endpoint: Endpoint
        if streams:
            self.endpoint = StreamEndpoint(random, STREAM_PARAMETERS)
        elif end_session is None:
            self.endpoint = Endpoint(random, PARAMETERS, verified=False, network_of=network_of)
        else:
            first_token = stored.first_token if stored is not None else None
            self.endpoint = Endpoint(random, PARAMETERS, first_token=first_token, max_message=_largest)
        self._gone = ConnectionBroken if streams else PeerGone
        self.stored = stored
        self.flush: Callable[[], None] = lambda: None
        self._server = Lwm2mServer(self.endpoint)
        self._connect = connect
        self._identity_of = identity_of
        self._end_session = end_session
        self._on_answer = on_answer
        self._lose = lose
        self._loop = asyncio.get_running_loop()
        self._pace = RegistrationPace()
        self._line = RegistrationLine(self.now)
        self._peers: dict[Hashable, DevicePeer] = {}
        self._waiting: dict[Exchange, asyncio.Future[Message]] = {}
        self._asked_at: dict[Exchange, Hashable] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        return self._loop.time()

    # From the network

    def on_event(self, event: Any) -> None:
        """Take an event of the endpoint."""
        match event:
            case RequestReceived():
                self._take(event)
            case NotificationReceived():
                if not self._is_full:  # else it is not acknowledged, and comes again
                    self._spawn(self._notified(event))
            case ResponseReceived(exchange, message):
                self._on_answer(exchange.peer, self._asked_at.get(exchange))
                self._settle(exchange, message)
            case RequestTimedOut(exchange):
                self._settle(exchange, NoAnswer())
            case RequestReset(exchange):
                self._settle(exchange, PeerGone())
            case RequestFailed(exchange, Failure.FORGOTTEN):
                self._settle(exchange, self._gone())
            case RequestFailed(exchange, reason):
                self._settle(exchange, AnswerTooLarge() if reason is Failure.BODY_TOO_LARGE else NoAnswer())

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(PeerGone())

    # To the network

    async def ask(self, key: Hashable, message: Message, token: bytes | None) -> Message:
        """Raises NoAnswer, PeerGone, AnswerTooLarge."""
        if key not in self._peers:
            raise PeerGone
        try:
            exchange = self.endpoint.request(key, message, self.now(), token=token)
        except TooManyRequests:
            raise NoAnswer from None
        future: asyncio.Future[Message] = self._loop.create_future()
        self._waiting[exchange] = future
        self._asked_at[exchange] = getattr(key, "address", None)
        self.flush()
        try:
            return await future
        finally:
            del self._asked_at[exchange]
            if self._waiting.pop(exchange, None) is not None and future.cancelled():
                self.endpoint.abandon(exchange, self.now())
                self.flush()

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
        peer = self._peers.get(request.peer) or DevicePeer(self, request.peer)
        version = self._connect.version_of(peer) or _version_spoken(request.message)
        asked = self._server.handle(request, self.now(), version=version)
        match asked:
            case RequestRefused(_, code, faults):
                log.info("device refused", peer=peer.address, code=numbers.format_code(code), faults=faults)
            case RequestDelegated():
                self._server.reject(asked, Code.NOT_FOUND, self.now())
            case RegisterRequested() if self._line.is_full:
                wait = self._line.seconds_until_turn()
                self._server.reject(asked, Code.SERVICE_UNAVAILABLE, self.now(), max_age=wait)
            case _ if self._is_full:
                self._server.reject(asked, Code.SERVICE_UNAVAILABLE, self.now(), max_age=LATER)
            case RegisterRequested(_, registration) if wait := self._too_often(request.peer, registration):
                self._server.reject(asked, Code.SERVICE_UNAVAILABLE, self.now(), max_age=wait)
            case _:
                self._peers[request.peer] = peer
                self._spawn(self._serve(asked, peer))

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

    async def _notified(self, event: NotificationReceived) -> None:
        peer = self._peers.get(event.peer)
        try:
            wanted = peer is not None and await self._connect.notified(peer, event.token, event.message)
        except Error as error:
            log.warning("a notification is not acknowledged", why=str(error))
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

    def _settle(self, exchange: Exchange, outcome: Message | NoAnswer) -> None:
        future = self._waiting.get(exchange)
        if future is None or future.done():
            return
        if isinstance(outcome, NoAnswer):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _exchange(request: RequestReceived, peer: DevicePeer) -> str:
    """Tells a request from all others, where its session outlives this process; else empty."""
    message = request.message
    return f"{peer.session} {message.mid} {message.token.hex()}" if peer.session else ""


def _version_spoken(message: Message) -> str:
    """What an Update must be of, when its registration is not at hand: a binding that 1.0 does not have says 1.1."""
    bindings = [
        argument[2:].decode(errors="replace") for argument in message.all(Option.URI_QUERY) if argument[:2] == b"b="
    ]
    return "1.0" if all(binding in BINDINGS_1_0 for binding in bindings) else "1.1"


def _largest(peer: Any) -> int:
    """Bytes of the largest message that a session takes: a device may have agreed on short records (gateway rule 2.5)."""
    return getattr(peer, "max_message_size", MAX_MESSAGE)
