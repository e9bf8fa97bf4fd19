"""Load over UDP from one process: many sockets, each with a few datagrams under way, no more and no fewer."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

SOCKETS = 32
OUTSTANDING = 8
"""Requests that each socket has under way. All together fit the socket buffers that a kernel grants unasked."""
PATIENCE = 0.2
"""Seconds of silence after which what is missing counts as lost, and more is sent."""


class Flow:
    """A client socket and what it says. ``message`` makes the datagram of that number."""

    def __init__(self, port: int, message: Callable[[int], bytes], sock: socket.socket | None = None) -> None:
        self.socket = sock or connected(port)
        self.message = message
        self.sent = 0

    def send(self) -> None:
        self.sent += 1
        self.socket.send(self.message(self.sent))

    def drain(self) -> int:
        """Take every answer that has come, and send one request for each."""
        count = 0
        receive = self.socket.recv
        try:
            while True:
                receive(2048)
                count += 1
                self.send()
        except BlockingIOError:
            return count


def connected(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def ask(flows: list[Flow], seconds: float) -> int:
    """Keep all flows busy for so long; how many answers came, the last ones included."""
    poll = select.epoll()
    known = {flow.socket.fileno(): flow for flow in flows}
    for number in known:
        poll.register(number, select.EPOLLIN)
    for flow in flows:
        for _ in range(OUTSTANDING):
            flow.send()
    done = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready = poll.poll(PATIENCE)
        if not ready:
            for flow in flows:
                flow.send()
        for number, _ in ready:
            done += known[number].drain()
    # The server works off what is still under way; it belongs to this turn.
    while ready := poll.poll(PATIENCE):
        for number, _ in ready:
            try:
                while True:
                    known[number].socket.recv(2048)
                    done += 1
            except BlockingIOError:
                continue
    poll.close()
    return done
