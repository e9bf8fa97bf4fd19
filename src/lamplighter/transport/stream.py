"""Connections on one port, and a core above that sees each as a session. ``tcp`` and ``tls`` say what is between.

What UDP leaves to the network must be bounded here: connections in all, those that have proved nothing yet in all and by network,
the time each may take to open and may be silent, and the bytes that wait for a peer that does not read.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from lamplighter.coap.framing import Framing
from lamplighter.dtls.halfopen import HalfOpen

from .core import StreamCore, hand_on
from .datagram_socket import CannotBind
from .refusal_log import RefusalLog
from .stream_session import StreamClosed, StreamEstablished, StreamEvent, StreamLimits, StreamRefused, StreamSession
from .timer import Timer

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that the kernel may hold for us."""
KEEPALIVE = (600, 60, 5)
"""Seconds of silence until the kernel looks whether the peer is there, between its looks, and how many go without an answer."""
USER_TIMEOUT = 120_000
"""Milliseconds that what was sent may go without the peer's acknowledgement: then the connection is broken (RFC 5482)."""


class Connection(asyncio.Protocol):
    """One accepted connection. ``Tls`` puts a layer between it and the core."""

    def __init__(self, owner: StreamTransport) -> None:
        self.owner = owner
        self.session = StreamSession(None, owner.wall_time())
        self.established = False
        self.heard = 0.0
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._counts_half_open = False
        self._reason = "the peer closed the connection"

    # From asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.session.address = transport.get_extra_info("peername")
        if not self.owner.admit(self):
            self._transport.abort()
            return
        self._counts_half_open = True
        self._transport.set_write_buffer_limits(high=self.owner.limits.unsent)
        _keep_alive(transport.get_extra_info("socket"))
        self.heard = self.owner.now()
        self._expect(self.owner.limits.opening)
        self.opened()

    def data_received(self, data: bytes) -> None:
        self.heard = self.owner.now()
        self.read(data)
        self.owner.flush()

    def pause_writing(self) -> None:
        self.abort("the peer does not read what it is sent")

    def connection_lost(self, error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if error is not None:
            self._reason = f"the connection broke: {error}"
        self.no_longer_half_open()
        self.owner.lost(self, self._reason)

    # What a layer does otherwise

    def opened(self) -> None:
        """There is a connection."""
        self.establish()

    def read(self, data: bytes) -> None:
        """Take bytes from the network."""
        self.no_longer_half_open()
        self.hand_up(data)

    def write(self, data: bytes) -> None:
        """Send a piece of the core's."""
        self.send(data)

    def finish(self) -> None:
        """Say goodbye, where the protocol has a word for it."""

    # What a layer builds on

    def establish(self, *, resumed: bool = False, framing: Framing | None = None) -> None:
        """The peer is who it is: the core may know it."""
        self.established = True
        self.owner.core.connected(self.session, self.owner.now(), records=self.owner.records, framing=framing)
        self._expect(self.owner.limits.opening)
        self.owner.tell(StreamEstablished(self.session, resumed))

    def hand_up(self, data: bytes) -> None:
        self.owner.core.receive_datagram(data, self.session, self.owner.now())

    @property
    def closing(self) -> bool:
        """Nothing can be said any more."""
        return self._transport is None or self._transport.is_closing()

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self.closing:
            self._transport.write(data)

    def close(self, reason: str) -> None:
        """End it once what was written has left."""
        if self._transport is not None and not self.closing:
            self._reason = reason
            self.finish()
            self._transport.close()

    def abort(self, reason: str) -> None:
        """End it now; what was not sent is lost."""
        if self._transport is not None and not self.closing:
            self._reason = reason
            self._transport.abort()

    def pause(self, paused: bool) -> None:
        """Read no more for now, or again."""
        if self._transport is not None and not self.closing:
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def no_longer_half_open(self) -> None:
        if self._counts_half_open:
            self._counts_half_open = False
            self.owner.half_open.remove(self.session.address)

    # Time

    def _expect(self, seconds: float) -> None:
        """Look again after that time."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.owner.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        owner, limits = self.owner, self.owner.limits
        if not self.established:
            self.abort("the handshake took too long")
        elif owner.core.framing_of(self.session) is None:
            self.close("the peer said nothing")
        elif owner.wall_time() >= self.session.valid_until:
            self.close("the session's time is over")
        elif owner.now() - self.heard >= limits.idle:
            self.close("the peer was silent for too long")
        else:
            left = self.heard + limits.idle - owner.now()
            self._expect(max(1.0, min(left, self.session.valid_until - owner.wall_time())))


class StreamTransport:
    """A listening socket, its connections, and the core above them.

    ``on_event`` gets the core's events, ``on_session`` what happens to connections. Call ``flush`` after acting on the core.
    """

    records = False
    """Whether what is read keeps the sender's boundaries."""

    def __init__(
        self,
        core: StreamCore,
        on_event: Callable[[Any], None],
        *,
        on_session: Callable[[StreamEvent], None] = lambda event: None,
        limits: StreamLimits | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self.core = core
        self.limits = limits or StreamLimits()
        self.loop = asyncio.get_running_loop()
        self.wall_time = wall_time
        self.half_open = HalfOpen(self.limits.half_open, self.limits.half_open_network)
        self.connections: dict[StreamSession, Connection] = {}
        self._on_event = on_event
        self._on_session = on_session
        self._timer = Timer(self.loop, self._tick)
        self._refusals = RefusalLog(core, log)
        self._server: asyncio.Server | None = None
        self._closed = False

    async def open(self, host: str, port: int, *, shared: bool = False) -> None:
        """Listen; ``shared``: with other processes on the same port. Raises CannotBind, naming the port."""
        sock = bind(host, port, shared=shared)
        self._server = await self.loop.create_server(self.make_connection, sock=sock, backlog=BACKLOG)

    @property
    def address(self) -> Any:
        """Where it listens."""
        assert self._server is not None, "open first"
        return self._server.sockets[0].getsockname()

    def make_connection(self) -> Connection:
        return Connection(self)

    def close(self) -> None:
        """Close the port and every connection."""
        self._closed = True
        self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections.values()):
            connection.close("the server stops")

    def end_session(self, session: StreamSession, reason: str = "closed from this side") -> None:
        """End a connection; the peer is told where the protocol has a word for it."""
        connection = self.connections.get(session)
        if connection is not None:
            connection.close(reason)

    def flush(self) -> None:
        """Hand on events, write what the core has, close what it wants closed, set its timer."""
        if self._closed:
            return
        core = self.core
        while True:
            while (event := core.next_event()) is not None:
                hand_on(self.loop, event, self._on_event)
            written = core.datagrams_to_send(self.now())
            for data, session in written:
                connection = self.connections.get(session)
                if connection is not None:
                    connection.write(data)
            for session, reason in core.streams_to_close():
                self.end_session(session, reason)
            if not written:
                break
        self._timer.set(core.get_timer())
        self._refusals.look(self.now())

    def now(self) -> float:
        return self.loop.time()

    # From connections

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False when there is no room for it."""
        address = connection.session.address
        if self._closed or len(self.connections) >= self.limits.connections or not self.half_open.has_room(address):
            self.tell(StreamRefused(address, "too many connections"))
            return False
        self.half_open.add(address)
        self.connections[connection.session] = connection
        return True

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        session = connection.session
        if self.connections.pop(session, None) is None:
            return
        session.closed = True
        if self._closed:
            return
        self.tell(StreamClosed(session, reason) if connection.established else StreamRefused(session.address, reason))
        self.flush()

    def tell(self, event: StreamEvent) -> None:
        hand_on(self.loop, event, self._on_session)

    def _tick(self, when: float) -> None:
        self.core.handle_timer(self.now())
        self.flush()


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening TCP socket. ``host`` empty: every address, IPv6 and IPv4 in one socket where the machine has both.

    Raises CannotBind, which names address and port.
    """
    error: OSError | None = None
    for family, address in _places(host, port):
        try:
            return _open(family, address, dual=not host, shared=shared)
        except OSError as failure:
            error = failure
            if failure.errno in (errno.EADDRINUSE, errno.EACCES):
                break
    assert error is not None
    where = f"{host or '*'} port {port}/tcp"
    raise CannotBind(error.errno, f"cannot listen on {where}: {error.strerror or error}") from error


def _places(host: str, port: int) -> Iterator[tuple[int, Any]]:
    if not host:
        yield socket.AF_INET6, ("::", port)
        yield socket.AF_INET, ("0.0.0.0", port)
        return
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    yield family, address


def _open(family: int, address: Any, *, dual: bool, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _keep_alive(sock: socket.socket) -> None:
    """Notice a peer that has gone without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), KEEPALIVE, strict=True):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
