"""An answer whose body goes on: written piece by piece until it is complete, the client leaves or the server stops."""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import sys
import termios
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from lamplighter.api.request import Message, Request, Send

BUFFER = 16 * 1024
"""Bytes that wait for the client above which a writer waits, and as many again in its socket (TCP_NOTSENT_LOWAT)."""
BELOW = 128 * 1024
"""Bytes that may wait in the transport below TLS, besides the last piece: twice its limit."""
ENDING = 5.0
"""Seconds that a writer gets to end by itself once its client has left or the server stops."""
LAST = 1.0
"""Seconds that the end of a body gets to find room with a client that reads slowly."""

Writer = Callable[["Outlet"], Awaitable[None]]


@dataclass(slots=True)
class Stream:
    """What an operation returns for an answer that goes on.

    Status and headers leave with the first piece: an error that the writer raises before that is answered as any other.
    One that it raises later breaks the connection off, so that nobody takes what came for everything.
    """

    write: Writer
    """Writes the body. Not called for HEAD."""
    media_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


class Outlet:
    """Where a body that goes on is written to.

    Nothing is collected for a client that does not read: ``send`` waits. HTTP frames the pieces (RFC 9112 section 7.1); for a
    client of HTTP/1.0, which knows no chunks, the end of the connection is the end of the body.

    :param head: makes the message with status and headers when the first piece leaves
    """

    def __init__(self, request: Request, send: Send, head: Callable[[], Message]) -> None:
        self.authorization = request.header(b"authorization")
        """The credential of the request, to be checked again while the answer goes on."""
        self.started = False
        self.left = False
        """Whether the client has left."""
        self.written = 0
        """Bytes of the body that were given to the connection."""
        self._request = request
        self._send = send
        self._head = head
        self._largest = 0
        self._ended = asyncio.Event()
        cycle = getattr(send, "__self__", None)
        self._cycle = cycle if isinstance(cycle, RequestResponseCycle) else None  # else: in memory, in a test

    async def send(self, piece: bytes) -> None:
        """Write a piece, once there is room for it. Raises ConnectionError when the client has left."""
        if self.left:
            raise ConnectionResetError("the client has left")
        if not self.started:
            await self._start()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self.written += len(piece)
        self._largest = max(self._largest, len(piece))

    async def ended(self) -> None:
        """Return when the client has left or the server stops: then the writer shall end."""
        await self._ended.wait()

    def end(self) -> None:
        """Have the writer end: the server stops. A client that does not read is not waited for."""
        self._ended.set()
        if self._cycle is not None and self._cycle.flow.write_paused:
            self.abort()

    def taken(self) -> int:
        """How many of the written bytes the client's system, or a proxy's before it, has acknowledged, at least."""
        if self._cycle is None:
            return self.written
        transport = self._cycle.transport
        if transport.is_closing():
            return 0
        file = transport.get_extra_info("socket").fileno()
        # Sent and not acknowledged (tcp(7), SIOCOUTQ). Framing and TLS are in it too, so no byte counts too early.
        waiting = int.from_bytes(fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        waiting += transport.get_write_buffer_size()
        if transport.get_extra_info("sslcontext") is not None and not _is_writable(file):
            waiting += BELOW + 2 * self._largest  # what waits between TLS and the socket cannot be asked for
        return max(0, self.written - waiting)

    async def run(self, write: Writer) -> None:
        """Have the body written to its end. Raises what the writer does."""
        writing = asyncio.ensure_future(write(self))
        watching = asyncio.create_task(self._watch())
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((writing, ending), return_when=asyncio.FIRST_COMPLETED)
            self._ended.set()
            if not writing.done():
                await asyncio.wait((writing,), timeout=ENDING)
        finally:
            for task in (writing, watching, ending):
                task.cancel()
            await asyncio.gather(writing, watching, ending, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()) is not None:
            if not (self.left and isinstance(error, ConnectionError)):
                raise error

    async def finish(self) -> None:
        """Say that the body is complete."""
        if self.left:
            return
        try:
            async with asyncio.timeout(LAST):
                if not self.started:
                    await self._start()
                if self._cycle is not None and self._unframed:
                    self._cycle.expected_content_length = 0
                await self._send({"type": "http.response.body"})
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Break the connection off: the body is not complete, and the client shall see that."""
        if self._cycle is not None and not self._cycle.disconnected:
            self._cycle.disconnected = True
            self._cycle.transport.abort()

    async def _start(self) -> None:
        self.started = True
        if self._cycle is not None:
            transport = self._cycle.transport
            transport.set_write_buffer_limits(BUFFER)
            own = transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, BUFFER)
            if self._unframed:
                self._cycle.chunked_encoding = False
                self._cycle.expected_content_length = sys.maxsize
        await self._send(self._head())

    @property
    def _unframed(self) -> bool:
        return bool(self._request.scope.get("http_version") == "1.0")

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._ended.set()


def _is_writable(file: int) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    return bool(poll.poll(0))
