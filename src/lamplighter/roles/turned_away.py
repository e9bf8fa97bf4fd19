"""Devices that come although they are kept out: their owner finds it among their events."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from lamplighter.errors import Error
from lamplighter.roles.tasks import Tasks
from lamplighter.services.connect.service import Connect, Identity, parse_identity

log = structlog.get_logger("lamplighter.lwm2m")

AGAIN = 3600.0
"""Seconds after which the same is told again: such a device tries for as long as it has power."""
REMEMBERED = 10_000
"""Devices of which that is remembered."""


class TurnedAway:
    """Writes the events of one process."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._told: OrderedDict[str, float] = OrderedDict()
        self._tasks = Tasks()

    def tell(self, text: str) -> None:
        """The holder of that credential (``Identity.text``) was not let in."""
        now = asyncio.get_running_loop().time()
        if now - self._told.get(text, -AGAIN) < AGAIN:
            return
        self._told[text] = now
        self._told.move_to_end(text)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._tasks.spawn(self._write(parse_identity(text)))

    async def close(self) -> None:
        await self._tasks.close()

    async def _write(self, identity: Identity) -> None:
        log.info("device turned away", account_id=identity.account_id, endpoint_name=identity.endpoint_name)
        try:
            await self._connect.denials.turned_away(identity)
        except Error as error:
            log.warning("that a device was turned away could not be written down", why=str(error))
