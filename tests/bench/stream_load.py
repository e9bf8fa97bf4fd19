"""Load over TCP and TLS from one process: many connections, each with one request under way, as devices have it."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence

from OpenSSL import SSL

from lamplighter.coap.framing import FrameReader, Framing

CONNECTIONS = 32
PATIENCE = 5.0
"""Seconds of silence after which the server counts as broken."""
LIMIT = 4096
"""Bytes of an answer that are read."""


class Line:
    """A connection without security. ``opened`` once bytes can be said."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.opened = True

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """What came; empty for nothing that is meant for whoever is above."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the server closed a connection")
        return data

    def close(self) -> None:
        self.socket.close()


class TlsLine(Line):
    """The same over TLS, in OpenSSL's memory."""

    def __init__(self, port: int, context: SSL.Context) -> None:
        super().__init__(port)
        self.opened = False
        self._tls = SSL.Connection(context, None)
        self._tls.set_connect_state()
        self._shake()

    def send(self, data: bytes) -> None:
        self._tls.send(data)
        self._drain()

    def receive(self) -> bytes:
        self._tls.bio_write(super().receive())
        if not self.opened:
            self._shake()
            return b""
        read = bytearray()
        try:
            while True:
                read += self._tls.recv(1 << 14)
        except SSL.WantReadError:
            return bytes(read)

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
            self.opened = True
        except SSL.WantReadError:
            pass
        self._drain()

    def _drain(self) -> None:
        try:
            self.socket.sendall(self._tls.bio_read(1 << 16))
        except SSL.WantReadError:
            return


def shake(port: int, contexts: Sequence[SSL.Context], seconds: float) -> int:
    """Connect and shake hands without pause for so long, so many at once; how often it came to a session."""
    poll = select.epoll()
    waiting: dict[int, TlsLine] = {}
    done = started = 0
    end = time.monotonic() + seconds
    while waiting or time.monotonic() < end:
        while len(waiting) < CONNECTIONS and time.monotonic() < end:
            line = TlsLine(port, contexts[started % len(contexts)])
            started += 1
            waiting[line.socket.fileno()] = line
            poll.register(line.socket, select.EPOLLIN)
        for number, _ in _ready(poll):
            waiting[number].receive()
            if waiting[number].opened:
                line = waiting.pop(number)
                poll.unregister(number)
                line.close()
                done += 1
    poll.close()
    return done


class Asker:
    """One connection that always has one request under way. ``framing`` None: whatever comes back is the answer."""

    def __init__(
        self, line: Line, framing: Framing | None, request: Callable[[int], bytes], first: bytes = b""
    ) -> None:
        """``first``: what is said before the first request, such as a CSM."""
        self.line = line
        self._reader = FrameReader(framing, LIMIT) if framing is Framing.RFC8323 else None
        self._request = request
        self._sent = 0
        _wait_for(line)
        if first:
            line.send(first)

    def ask(self) -> None:
        self._sent += 1
        self.line.send(self._request(self._sent))

    def receive(self) -> bool:
        """Take what came; True when the answer was in it. A CSM or another signal is none."""
        data = self.line.receive()
        if self._reader is None:
            return bool(data)
        self._reader.feed(data)
        answered = False
        while (frame := self._reader.next()) is not None:
            answered = answered or frame[1] >> 5 != 7
        return answered


def ask(askers: Sequence[Asker], seconds: float) -> int:
    """Keep them all busy for so long; how many answers came."""
    poll = select.epoll()
    known = {asker.line.socket.fileno(): asker for asker in askers}
    for number, asker in known.items():
        poll.register(number, select.EPOLLIN)
        asker.ask()
    done, missing = 0, len(known)
    end = time.monotonic() + seconds
    while missing:
        for number, _ in _ready(poll):
            if known[number].receive():
                done += 1
                if time.monotonic() < end:
                    known[number].ask()
                else:
                    missing -= 1
    poll.close()
    return done


def _wait_for(line: Line) -> None:
    poll = select.epoll()
    poll.register(line.socket, select.EPOLLIN)
    while not line.opened:
        for _ in _ready(poll):
            line.receive()
    poll.close()


def _ready(poll: select.epoll) -> list[tuple[int, int]]:
    ready = poll.poll(PATIENCE)
    if not ready:
        raise RuntimeError("the server answers nothing any more")
    return ready
