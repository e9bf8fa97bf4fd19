"""The bus of many processes: NATS core, beside function calls within the process.

What a process says to itself never leaves it, so that a lost NATS server costs only the wake-ups of other processes
(they poll) and requests to them (NoResponder, tried again by the asker).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as Remote

from lamplighter.bus.bus import Callback, NoResponder, RequestFailed, Server
from lamplighter.bus.local import LocalBus, LocalSubscription, answer

log = logging.getLogger(__name__)

FAILED = "Lamplighter-Failed"
"""The header of an answer that is none."""
ABSENT = "absent"
FIRST_CONNECT = 2.0
"""Seconds that the start waits for the server; after that it goes on without."""
WAITING = 4096
"""Messages that may wait to be sent; more are dropped."""


class NatsBus:
    """A bus over the NATS server at ``url``; it reconnects by itself, for ever."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = LocalBus()
        self._client = Client()
        self._outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(WAITING)
        self._remote: dict[str, Remote] = {}
        self._wanted: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def degraded(self) -> bool:
        return not self._client.is_connected

    async def start(self) -> None:
        connecting = self._spawn(self._connect())
        await asyncio.wait([connecting], timeout=FIRST_CONNECT)
        if self.degraded:
            log.warning("NATS cannot be reached; going on without other processes until it is")
        self._spawn(self._send())

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        with contextlib.suppress(errors.Error, OSError):
            await self._client.close()
        await self._local.close()

    def publish(self, subject: str, data: bytes) -> None:
        self._local.publish(subject, data)
        if not self.degraded and not self._outgoing.full():
            self._outgoing.put_nowait((subject, data))

    async def subscribe(self, subject: str, callback: Callback) -> LocalSubscription:
        inner = await self._local.subscribe(subject, callback)
        await self._follow(subject)

        async def cancel() -> None:
            await inner.cancel()
            await self._leave(subject)

        return LocalSubscription(cancel)

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        if self._local.server(subject) is not None:
            return await self._local.request(subject, data, timeout)
        if self.degraded:
            raise NoResponder(subject)
        try:
            reply = await self._client.request(subject, data, timeout=timeout)
        except errors.NoRespondersError:
            raise NoResponder(subject) from None
        except errors.TimeoutError:
            raise TimeoutError(f"no answer on {subject} within {timeout} s") from None
        except (errors.Error, OSError) as error:
            raise NoResponder(subject) from error
        failure = (reply.headers or {}).get(FAILED)
        if failure == ABSENT:
            raise NoResponder(subject)
        if failure is not None:
            raise RequestFailed(subject)
        return reply.data

    async def serve(self, subject: str, server: Server) -> LocalSubscription:
        inner = await self._local.serve(subject, server)
        await self._follow(subject)

        async def cancel() -> None:
            await inner.cancel()
            await self._leave(subject)

        return LocalSubscription(cancel)

    async def _connect(self) -> None:
        self._client = client = Client()
        # What this process publishes it has delivered to itself already: no_echo.
        await client.connect(
            self._url,
            no_echo=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=2,
            error_cb=self._failed,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
        )
        for subject in tuple(self._wanted):
            await self._follow(subject)

    async def _follow(self, subject: str) -> None:
        self._wanted.add(subject)
        if self.degraded or subject in self._remote:
            return

        async def arrived(message: Msg) -> None:
            self._arrived(subject, message)

        self._remote[subject] = await self._client.subscribe(subject, cb=arrived)
        await self._settle()

    async def _leave(self, subject: str) -> None:
        if self._local.subscribed(subject) or self._local.server(subject) is not None:
            return
        self._wanted.discard(subject)
        remote = self._remote.pop(subject, None)
        if remote is not None:
            with contextlib.suppress(errors.Error, OSError):
                await remote.unsubscribe()
            await self._settle()

    async def _settle(self) -> None:
        """Wait until the server knows: who asks next is heard, or told that nobody serves.

        The client writes a flush's PING past what still waits in its buffer, so the first only empties the buffer, and the
        answer to the second means something.
        """
        with contextlib.suppress(errors.Error, OSError):
            await self._client.flush(timeout=2)
            await self._client.flush(timeout=2)

    def _arrived(self, subject: str, message: Msg) -> None:
        if message.reply:
            self._spawn(self._answer(subject, message))
        else:
            self._local.deliver(subject, message.data)

    async def _answer(self, subject: str, message: Msg) -> None:
        server = self._local.server(subject)
        with contextlib.suppress(errors.Error, OSError):
            if server is None:  # it was asked before it was known to have left
                await self._client.publish(message.reply, b"", headers={FAILED: ABSENT})
                return
            try:
                await message.respond(await answer(subject, server, message.data))
            except RequestFailed:
                await self._client.publish(message.reply, b"", headers={FAILED: "yes"})

    async def _send(self) -> None:
        while True:
            subject, data = await self._outgoing.get()
            with contextlib.suppress(errors.Error, OSError):
                await self._client.publish(subject, data)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the bus failed: %s", error)

    async def _failed(self, error: Exception) -> None:
        log.debug("NATS: %s", error)

    async def _disconnected(self) -> None:
        log.warning("the connection to NATS is lost; going on without other processes until it is back")

    async def _reconnected(self) -> None:
        log.info("the connection to NATS is back")
        for subject in tuple(self._wanted):
            await self._follow(subject)
