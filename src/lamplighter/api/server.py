"""Listening: HTTPS that notices plain HTTP, and plain HTTP; and an end in which open requests finish."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from email.utils import formatdate
from pathlib import Path

from uvicorn.server import ServerState

from lamplighter.api.connection import HttpConnection, configuration
from lamplighter.api.http import Api

FIRST_BYTE_TIMEOUT = 10.0
"""Seconds in which a client of the TLS port must say something."""

TLS_HANDSHAKE = 0x16
"""First byte of a TLS record that carries a handshake message (RFC 8446 section 5.1)."""


class PortInUse(Exception):
    """A port cannot be listened on. Its text names the port and the setting that moves it."""


class ApiServer:
    """The listening sockets of one process and their connections."""

    def __init__(self, api: Api, timeout: float, drain_timeout: float) -> None:
        self._api = api
        self._timeout = timeout
        self._drain_timeout = drain_timeout
        self._config = configuration(api)
        self._state = ServerState()
        self._listeners: list[socket.socket] = []
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.TimerHandle | None = None

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None, setting: str) -> int:
        """Listen on a port (0: any). The port listened on.

        Raises PortInUse, which names the setting.
        """
        family = socket.AF_INET6 if (":" in host or (not host and socket.has_dualstack_ipv6())) else socket.AF_INET
        try:
            listener = socket.create_server(
                (host, port), family=family, backlog=1024, dualstack_ipv6=family == socket.AF_INET6 and not host
            )
        except OSError as error:
            raise PortInUse(
                f"TCP port {port} cannot be listened on ({error.strerror}). "
                f"Stop what uses it, or choose another port with the setting {setting}."
            ) from None
        listener.setblocking(False)
        self._listeners.append(listener)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, tls)
        if self._ticker is None:
            self._tick()
        bound: int = listener.getsockname()[1]
        return bound

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        for _ in range(64):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                return  # out of descriptors: those that wait are accepted when others have closed
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                self._serve(connection, None)
            else:
                loop = asyncio.get_running_loop()
                self._waiting[connection] = loop.call_later(FIRST_BYTE_TIMEOUT, self._give_up, connection)
                loop.add_reader(connection, self._look, connection, tls)

    def _look(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        """Look at the first byte without taking it: TLS is served as TLS, and plain HTTP gets an answer it can read."""
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        self._forget(connection)
        if not first:
            connection.close()
        else:
            self._serve(connection, tls if first[0] == TLS_HANDSHAKE else None)

    def _forget(self, connection: socket.socket) -> None:
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()
        asyncio.get_running_loop().remove_reader(connection)

    def _give_up(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _serve(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(connection, tls))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _connect(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._connection, connection, ssl=tls, ssl_handshake_timeout=FIRST_BYTE_TIMEOUT if tls else None
            )
        except (TimeoutError, OSError, ssl.SSLError):
            connection.close()  # a client that does not trust us, or left during the handshake

    def _connection(self) -> HttpConnection:
        return HttpConnection(self._api.refuse, self._timeout, self._config, self._state)

    def _tick(self) -> None:
        """The Date header, anew each second: clients read it (RFC 9110 section 6.6.1)."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._ticker = asyncio.get_running_loop().call_later(1.0, self._tick)

    async def close(self) -> None:
        """Take no more connections, let open requests finish within the drain time, close the rest.

        Answers that go on end at once.
        """
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for connection in list(self._waiting):
            self._give_up(connection)
        for each in list(self._state.connections):
            each.shutdown()
        self._api.end_streams()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=self._drain_timeout)
        for task in list(self._state.tasks):
            task.cancel()
        for each in list(self._state.connections):
            with contextlib.suppress(AttributeError):
                each.transport.close()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer with that certificate chain."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context
