"""The face of the bus: wake-ups to everybody, and requests to the process that holds a device.

At most once, and nothing is kept: who misses a message loses nothing, because what happened is in the event log.
Subjects are exact (``device.4f2a``), of letters, digits, ``-``, ``_`` and dots.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Callback = Callable[[bytes], None]
"""Is told of a message. It returns at once; its failure is logged and hurts nobody else."""
Server = Callable[[bytes], Awaitable[bytes]]
"""Answers a request."""


class NoResponder(Exception):
    """Nobody serves that subject, or nobody can be reached."""


class RequestFailed(Exception):
    """Who serves that subject failed to answer; its own log says why."""


class Subscription(Protocol):
    """What ``subscribe`` and ``serve`` give back."""

    async def cancel(self) -> None: ...


class Bus(Protocol):
    """Messages between the parts of one process, or of many."""

    @property
    def degraded(self) -> bool:
        """Whether other processes cannot be reached at the moment."""
        ...

    def publish(self, subject: str, data: bytes) -> None:
        """Tell everybody who has subscribed, in every process. Never waits, never fails."""
        ...

    async def subscribe(self, subject: str, callback: Callback) -> Subscription: ...

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        """Ask whoever serves the subject.

        :param timeout: seconds

        Raises NoResponder, RequestFailed, TimeoutError.
        """
        ...

    async def serve(self, subject: str, server: Server) -> Subscription:
        """Answer requests on the subject, each in a task of its own. Raises ValueError if this process serves it
        already."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...
