"""A UDP socket on the event loop: reads in batches, never waits to send, reports no error twice.

``loop.add_reader`` with a drain loop costs a fifth of asyncio's own datagram transport, which maps and unmaps a buffer of
256 KiB for every datagram.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

DRAIN = 64
"""Datagrams handled per wake-up, so that timers and other sockets get their turn."""
MOST = 1024
"""Datagrams read per wake-up, where they are only put aside: in the kernel's buffer, which a storm fills, all wait alike."""
LARGEST = 65_535
"""Bytes of the largest datagram there is."""
SEND_QUEUE = 4096
"""Datagrams that wait for a full socket. Above it the oldest go: their senders repeat them anyway, and newer ones matter more."""
BUFFER = 4 * 1024 * 1024
"""Bytes asked for as receive and send buffer; the kernel may give less (net.core.rmem_max)."""


class CannotBind(OSError):
    """The address or port cannot be used: taken, privileged or not of this machine."""


class DatagramSocket:
    """One socket. ``on_batch`` is called after each batch of which every datagram went to ``on_datagram``.

    That gives True for one that it only put aside.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_datagram: Callable[[bytes, Any], object],
        on_batch: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._socket = sock
        self._on_datagram = on_datagram
        self._on_batch = on_batch
        self._loop = loop
        self._queue: deque[tuple[bytes, Any]] = deque(maxlen=SEND_QUEUE)
        self._writing = False
        self._connected = False
        self.closed = False
        self.dropped = 0
        """Datagrams given up because the socket stayed full."""
        self.errors = 0
        """Errors the network reported, such as an unreachable port."""
        try:
            sock.getpeername()
            self._connected = True
        except OSError:
            pass
        loop.add_reader(sock.fileno(), self._read)

    @property
    def address(self) -> Any:
        """Where this socket is bound."""
        return self._socket.getsockname()

    def send(self, data: bytes, address: Any) -> None:
        """Send now, or when the socket has room again. What the network refuses is lost, as datagrams are."""
        if self.closed:
            return
        if self._queue or not self._try(data, address):
            if len(self._queue) == SEND_QUEUE:
                self.dropped += 1
            self._queue.append((data, address))
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket.fileno(), self._flush)

    def close(self) -> None:
        """Close the socket; what still waits to be sent is lost."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket.fileno())
        if self._writing:
            self._loop.remove_writer(self._socket.fileno())
        self._queue.clear()
        self._socket.close()

    def _try(self, data: bytes, address: Any) -> bool:
        """False when the socket is full."""
        try:
            if self._connected:
                self._socket.send(data)
            else:
                self._socket.sendto(data, address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:  # unreachable, refused, too large: nobody to tell but the counter
            self.errors += 1
        return True

    def _flush(self) -> None:
        while self._queue:
            if not self._try(*self._queue[0]):
                return
            self._queue.popleft()
        self._writing = False
        self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        receive = self._socket.recvfrom
        received = False
        try:
            left = DRAIN
            for _ in range(MOST):
                data, address = receive(LARGEST)
                received = True
                if not self._on_datagram(data, address):
                    left -= 1
                    if self.closed:
                        return
                    if not left:
                        break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # an ICMP error of an earlier datagram; reading has cleared it
            self.errors += 1
        if self._connected and not received:
            # uvloop watches a socket no more once the network has reported an error on it, and says so by this call.
            self._loop.remove_reader(self._socket.fileno())
            self._loop.add_reader(self._socket.fileno(), self._read)
        self._on_batch()


def bind(host: str, port: int) -> socket.socket:
    """A bound UDP socket. ``host`` empty: every address, IPv6 and IPv4 in one socket where the machine has both.

    Raises CannotBind, which names address and port. Without SO_REUSEADDR: on UDP it would let a second process take half
    of the traffic.
    """
    try:
        return _bind(host, port)
    except OSError as error:
        where = f"{host or '*'} port {port}/udp"
        raise CannotBind(error.errno, f"cannot listen on {where}: {error.strerror or error}") from error


def _bind(host: str, port: int) -> socket.socket:
    if not host:
        try:
            return _open(socket.AF_INET6, ("::", port), dual=True)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise
            return _open(socket.AF_INET, ("0.0.0.0", port))
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
    return _open(family, address)


def connect(host: str, port: int, source: str = "") -> socket.socket:
    """A UDP socket that talks to one server only, from that address of this machine. Raises OSError when there is no such host.

    An address has 28,000 ports to give (net.ipv4.ip_local_port_range): whoever needs more sockets needs more addresses.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if source:
            sock.bind((source, 0))
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _open(family: int, address: Any, *, dual: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
