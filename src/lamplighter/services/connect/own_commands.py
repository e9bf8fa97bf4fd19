"""Commands that this server gives for itself, beside those of applications: in the same queues, under names of services.

A command of an application ends with an event, which channels deliver. One of these ends with a call, in the same transaction.
They may be done twice: a process that finds one under way after a crash sends it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lamplighter.storage.database import Transaction

MARK = "@"
"""Begins the name of a service where applications have their id, which has hex digits only."""

Ended = Callable[[Transaction, str, str, Mapping[str, Any], Mapping[str, Any]], Awaitable[None]]
"""Is given the account, the device, the async response (``id``, ``status``, ``payload`` …), and what is known besides."""


class OwnCommands:
    """Who hears of the end of which."""

    def __init__(self) -> None:
        self._listeners: dict[str, Ended] = {}

    def listen(self, name: str, listener: Ended) -> None:
        """From now on the listener is told how commands of that name end; every process that has devices needs one."""
        self._listeners[MARK + name] = listener

    async def end(
        self,
        tx: Transaction,
        account_id: str,
        device_id: str,
        subject_id: str,
        item: Mapping[str, Any],
        details: Mapping[str, Any],
    ) -> bool:
        """A command has ended, in this transaction. False: it is an application's, to be told by an event."""
        if not subject_id.startswith(MARK):
            return False
        listener = self._listeners.get(subject_id)
        if listener is not None:
            await listener(tx, account_id, device_id, item, details)
        return True
