"""DTLS between a socket and a core: the peer that the core sees is the DTLS session."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from socket import socket as UdpSocket
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lamplighter.dtls import (
    AddressChanged,
    AlertDescription,
    CertificateReceived,
    ConfirmationNeeded,
    DataReceived,
    DtlsServer,
    Event,
    HandshakeFailed,
    PskRequested,
    ServerConfig,
    SessionClosed,
    SessionEstablished,
    SessionWanted,
    VerifiedPath,
)

from .core import DatagramCore, earliest, hand_on
from .datagram_socket import DatagramSocket, bind
from .handshake_queue import HandshakeQueue
from .refusal_log import RefusalLog
from .timer import Timer

if TYPE_CHECKING:
    from .dtls_openssl import OpensslServer

log = logging.getLogger(__name__)

LAG_LIMIT = 2.0
"""Seconds the loop may run behind its timers before new handshakes are shed, silently."""

TURN = 0.002
"""Seconds that handshakes are taken for before sessions, timers and other sockets get their turn. Each turn ends with a flush:
shorter ones would make a handshake by key a tenth dearer."""

SessionEvent = (
    SessionEstablished | SessionClosed | AddressChanged | ConfirmationNeeded | HandshakeFailed | SessionWanted
)


class PskKey(NamedTuple):
    """A pre-shared key, and what the session is to remember of it."""

    key: bytes
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The certificate is believed. The session rests on ``path`` and remembers ``credential``."""

    path: VerifiedPath
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The certificate is not believed: the alert for the peer, the reason for the operator."""

    alert: AlertDescription
    detail: str = ""


Verdict = Accepted | Rejected


def _engine(name: Literal["native", "openssl"], config: ServerConfig) -> DtlsServer | OpensslServer:
    if name == "native":
        return DtlsServer(config)
    from .dtls_openssl import OpensslServer  # only here: to import OpenSSL takes a while

    return OpensslServer(config)


class DtlsTransport:
    """Sockets below, a core above, the DTLS server between.

    ``psk_key`` and ``check_certificate`` answer for credentials; what they raise goes to the loop's exception handler, and the
    peer, who hears nothing, tries again. Call ``flush`` after acting on the core or the server from outside.
    """

    def __init__(
        self,
        config: ServerConfig,
        core: DatagramCore,
        on_event: Callable[[Any], None],
        *,
        psk_key: Callable[[bytes], Awaitable[PskKey | bytes | None]],
        check_certificate: Callable[[tuple[bytes, ...]], Awaitable[Verdict]],
        on_session: Callable[[SessionEvent], None] = lambda event: None,
        engine: Literal["native", "openssl"] = "native",
    ) -> None:
        """``on_event`` gets the core's events, ``on_session`` what happens to sessions and handshakes."""
        self.server = _engine(engine, config)
        self.core = core
        self._on_event = on_event
        self._on_session = on_session
        self._psk_key = psk_key
        self._check_certificate = check_certificate
        self._loop = asyncio.get_running_loop()
        self._timer = Timer(self._loop, self._tick)
        self._refusals = RefusalLog(core, log)
        self._socket: DatagramSocket | None = None
        self._answers: dict[Any, asyncio.Task[None]] = {}
        """By the handshake that asks."""
        self._flush_due = False
        self._handshakes = HandshakeQueue()
        self._turn_ends = 0.0
        """When those that come in this batch have to wait; 0: none has come yet. By the clock, not the loop's, which stands
        still in a batch."""
        self._shaking: asyncio.Handle | None = None

    def open(self, host: str, port: int) -> None:
        """Listen. Raises CannotBind, naming the port."""
        self.listen(bind(host, port))

    def listen(self, sock: UdpSocket) -> None:
        """Listen on a socket that is bound already."""
        self._socket = DatagramSocket(sock, self._receive, self._end_batch, self._loop)

    @property
    def socket(self) -> DatagramSocket:
        """The open socket, with its address and counters."""
        assert self._socket is not None, "open first"
        return self._socket

    def close(self) -> None:
        """Close the socket, without a word to the peers: their sessions may go on in another process."""
        self._timer.cancel()
        if self._shaking is not None:
            self._shaking.cancel()
        for task in self._answers.values():
            task.cancel()
        if self._socket is not None:
            self._socket.close()

    def flush(self) -> None:
        """Hand on events, send what there is, set the timer."""
        if self.socket.closed:
            return
        now = self._loop.time()
        server, core = self.server, self.core
        while True:
            while (below := server.next_event()) is not None:
                self._take(below, now)
            while (event := core.next_event()) is not None:
                hand_on(self._loop, event, self._on_event)
            data = core.datagrams_to_send(now)
            for message, session in data:
                try:
                    server.send(session, message, now)
                except ValueError as error:  # too large for that peer
                    self._loop.call_exception_handler({"message": f"not sent to {session!r}: {error}"})
            datagrams = server.datagrams_to_send(now)
            for datagram, address in datagrams:
                self.socket.send(datagram, address)
            if not data and not datagrams:
                break
        self._timer.set(earliest(server.get_timer(), core.get_timer()))
        self._refusals.look(now)

    def _take(self, event: Event, now: float) -> None:
        if isinstance(event, DataReceived):
            self.core.receive_datagram(event.data, event.session, now)
        elif isinstance(event, PskRequested | CertificateReceived):
            self._answers[event.handshake] = self._loop.create_task(self._answer(event))
        else:
            hand_on(self._loop, event, self._on_session)

    def _receive(self, data: bytes, address: Any) -> bool:
        """Whether the datagram was only put aside."""
        now = self._loop.time()
        if self._handshakes.wants(data, address):
            clock = time.monotonic()
            self._turn_ends = self._turn_ends or clock + TURN
            if self._handshakes or clock >= self._turn_ends:
                self._handshakes.add(data, address, now)
                return True
        self.server.receive_datagram(data, address, now)
        return False

    def _end_batch(self) -> None:
        self._turn_ends = 0.0
        self.flush()
        if self._handshakes and self._shaking is None:
            self._shaking = self._loop.call_soon(self._shake_hands)

    def _shake_hands(self) -> None:
        """Take some of the handshakes' datagrams that wait."""
        self._shaking = None
        now = self._loop.time()
        end = time.monotonic() + TURN
        while time.monotonic() < end and (waiting := self._handshakes.pop(now)) is not None:
            self.server.receive_datagram(*waiting, now)
        self._end_batch()

    def _tick(self, when: float) -> None:
        now = self._loop.time()
        if now - when > LAG_LIMIT and not self.server.shed:
            self.server.shed = True
            self._loop.call_later(LAG_LIMIT, self._stop_shedding)
        self.server.handle_timer(now)
        self.core.handle_timer(now)
        self.flush()

    def _stop_shedding(self) -> None:
        self.server.shed = False

    # Questions

    async def _answer(self, question: PskRequested | CertificateReceived) -> None:
        try:
            if isinstance(question, PskRequested):
                await self._answer_psk(question)
            else:
                await self._answer_certificate(question)
        except Exception as error:
            self.server.abandon(question.handshake, self._loop.time(), detail=repr(error))
            self._loop.call_exception_handler({"message": "a credential could not be checked", "exception": error})
        finally:
            del self._answers[question.handshake]
        if not self._flush_due:  # answers that come together leave together
            self._flush_due = True
            self._loop.call_soon(self._flush_answers)

    def _flush_answers(self) -> None:
        self._flush_due = False
        self.flush()

    async def _answer_psk(self, question: PskRequested) -> None:
        answer = await self._psk_key(question.identity)
        key, credential = answer if isinstance(answer, PskKey) else (answer, "")
        self.server.provide_psk(question.handshake, key, self._loop.time(), credential=credential)

    async def _answer_certificate(self, question: CertificateReceived) -> None:
        verdict = await self._check_certificate(question.chain)
        now = self._loop.time()
        match verdict:
            case Accepted(path, credential):
                self.server.accept_certificate(question.handshake, now, path=path, credential=credential)
            case Rejected(alert, detail):
                self.server.reject_certificate(question.handshake, alert, now, detail=detail)
