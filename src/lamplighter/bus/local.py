"""The bus of one process: function calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lamplighter.bus.bus import Callback, NoResponder, RequestFailed, Server

log = logging.getLogger(__name__)


class LocalBus:
    """Delivers on the event loop, in the order of publishing, after ``publish`` has returned."""

    degraded = False

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {}
        self._servers: dict[str, Server] = {}

    async def start(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        self._callbacks.clear()
        self._servers.clear()

    def publish(self, subject: str, data: bytes) -> None:
        if subject in self._callbacks:
            asyncio.get_running_loop().call_soon(self.deliver, subject, data)

    def deliver(self, subject: str, data: bytes) -> None:
        """Call everybody in this process who has subscribed."""
        for callback in tuple(self._callbacks.get(subject, ())):
            try:
                callback(data)
            except Exception:
                log.exception("a subscriber of %s failed", subject)

    async def subscribe(self, subject: str, callback: Callback) -> LocalSubscription:
        callbacks = self._callbacks.setdefault(subject, [])
        callbacks.append(callback)

        async def cancel() -> None:
            if callback in callbacks:
                callbacks.remove(callback)
            if not callbacks and self._callbacks.get(subject) is callbacks:
                del self._callbacks[subject]

        return LocalSubscription(cancel)

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        server = self._servers.get(subject)
        if server is None:
            raise NoResponder(subject)
        async with asyncio.timeout(timeout):
            return await answer(subject, server, data)

    async def serve(self, subject: str, server: Server) -> LocalSubscription:
        if subject in self._servers:
            raise ValueError(f"{subject} is served already")
        self._servers[subject] = server

        async def cancel() -> None:
            self._servers.pop(subject, None)

        return LocalSubscription(cancel)

    def server(self, subject: str) -> Server | None:
        """Who in this process answers requests on the subject."""
        return self._servers.get(subject)

    def subscribed(self, subject: str) -> bool:
        """Whether anybody in this process has subscribed to the subject."""
        return subject in self._callbacks


class LocalSubscription:
    """Ends what it stands for."""

    def __init__(self, cancel: Callable[[], Awaitable[None]]) -> None:
        self._cancel = cancel

    async def cancel(self) -> None:
        await self._cancel()


async def answer(subject: str, server: Server, data: bytes) -> bytes:
    """The server's answer. Raises RequestFailed for whatever it raises."""
    try:
        return await server(data)
    except Exception as error:
        log.exception("who serves %s failed", subject)
        raise RequestFailed(subject) from error
