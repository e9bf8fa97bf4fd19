"""Several processes on one port for devices: a supervisor that binds it, and workers that serve it (gateway rule 3).

The supervisor keeps the sockets for as long as the port is open, and hands each to one worker after the other: a worker that ends
is started again on its own socket, and the devices of the others notice nothing. Its own devices' records wait in the socket
meanwhile; their sessions are loaded when the worker is back.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from lamplighter.roles.places import CannotStart
from lamplighter.settings import Settings
from lamplighter.transport.datagram_socket import CannotBind
from lamplighter.transport.reuseport import bind_group, shards_of

log = structlog.get_logger("lamplighter.workers")

VARIABLE = "LAMPLIGHTER_WORKER"
"""Environment variable that tells a worker which one it is: ``slot/slots:file descriptor``."""
LEAST_LIFE = 5.0
"""Seconds; a worker that lived less is started again only after as many."""
DRAIN = 60.0
"""Seconds after which a worker that does not end is killed."""


class Worker(NamedTuple):
    """Which of the workers this process is, and its socket."""

    slot: int
    slots: int
    sock: socket.socket

    def shard(self) -> int:
        """A shard for its connection IDs: the kernel brings records that show it to this slot."""
        return secrets.choice(shards_of(self.slot, self.slots))


def this_worker() -> Worker | None:
    """Which worker this process was started as; None: none. To be asked once: the socket is taken over."""
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    place, _, descriptor = text.partition(":")
    slot, _, slots = place.partition("/")
    return Worker(int(slot), int(slots), socket.socket(fileno=int(descriptor)))


def check(settings: Settings) -> None:
    """Raises CannotStart where several processes have nothing to share."""
    if not settings.database.url or not settings.bus.url:
        raise CannotStart(
            f"lwm2m.workers = {settings.lwm2m.workers} needs PostgreSQL and NATS, which the processes share. "
            "Set database.url and bus.url, or lwm2m.workers = 1."
        )
    if settings.coap.insecure:
        raise CannotStart(
            "lwm2m.workers and coap.insecure do not go together: without security there is no session that could change "
            "its process. Set lwm2m.workers = 1."
        )


class Supervisor:
    """Runs a command once for each slot, until it is stopped."""

    def __init__(self, command: Sequence[str], settings: Settings) -> None:
        """Raises CannotStart."""
        check(settings)
        self._command = list(command)
        try:
            self._sockets = bind_group(settings.coap.host, settings.lwm2m.port, settings.lwm2m.workers)
        except CannotBind as error:
            raise CannotStart(
                f"{error.strerror}. Stop what uses it, or choose another port with the setting lwm2m.port."
            ) from error
        self.changed = asyncio.Event()
        """Set when a worker starts or ends."""
        self._stopping = asyncio.Event()
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    @property
    def port(self) -> int:
        """Of coaps, as bound."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers that run, by slot."""
        return [self._processes[slot].pid for slot in sorted(self._processes)]

    async def run(self) -> None:
        """Keep the workers running until ``stop``; end when all have ended."""
        try:
            await asyncio.gather(*(self._keep(slot) for slot in range(len(self._sockets))))
        finally:
            for each in self._sockets:
                each.close()

    def stop(self) -> None:
        """Let every worker finish what it has begun."""
        self._stopping.set()
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)

    async def _keep(self, slot: int) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once(slot)
            if self._stopping.is_set():
                return
            log.error("a worker ended and is started again", slot=slot, code=code)
            pause = LEAST_LIFE - (loop.time() - started)
            if pause > 0:
                try:
                    await asyncio.wait_for(self._stopping.wait(), pause)
                except TimeoutError:
                    continue

    async def _run_once(self, slot: int) -> int:
        sock = self._sockets[slot]
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**os.environ, VARIABLE: f"{slot}/{len(self._sockets)}:{sock.fileno()}"},
            pass_fds=(sock.fileno(),),
            start_new_session=True,  # Ctrl-C is for the supervisor, which then ends them in good order
        )
        self._processes[slot] = process
        self.changed.set()
        try:
            waiting = asyncio.ensure_future(process.wait())
            stopping = asyncio.ensure_future(self._stopping.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not waiting.done():
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(asyncio.shield(waiting), DRAIN)
                except TimeoutError:
                    process.kill()
            return await waiting
        finally:
            del self._processes[slot]
            self.changed.set()


def worker_command(role: str, data: os.PathLike[str], config: os.PathLike[str] | None) -> list[str]:
    """The command line of one worker."""
    command = [sys.executable, "-m", "lamplighter", "serve", role, "--data", os.fspath(data)]
    return command if config is None else [*command, "--config", os.fspath(config)]
