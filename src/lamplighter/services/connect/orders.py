"""What a process tells the one that has a device. A message may be lost: what matters is in the tables."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import msgspec

from lamplighter.bus.bus import Bus, NoResponder, RequestFailed, Subscription
from lamplighter.services.connect.value_cache import Fresh

log = logging.getLogger(__name__)

TELL_TIMEOUT = 2.0
"""Seconds to wait for another process."""


class Order(msgspec.Struct, frozen=True):
    """What is to be done about a device."""

    do: Literal["work", "cancel", "end", "value"]
    account_id: str
    device_id: str
    registration_id: str = ""
    paths: list[str] = []
    close: bool = False


class Orders:
    """Those of one process, to others and from them.

    :param process: its name
    :param do: does what it is told, here
    :param value: what is known here of the value that is asked for
    """

    def __init__(
        self, bus: Bus, process: str, do: Callable[[Order], None], value: Callable[[Order], Fresh | None]
    ) -> None:
        self._bus = bus
        self._process = process
        self._do = do
        self._value = value
        self._telling: set[asyncio.Task[None]] = set()
        self._served: Subscription | None = None

    async def start(self) -> None:
        """Take those of others."""
        self._served = await self._bus.serve(_subject(self._process), self._serve)

    async def close(self) -> None:
        if self._served is not None:
            await self._served.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)  # bounded by TELL_TIMEOUT

    def tell(self, process: str, order: Order) -> None:
        """Tell the process of that name, which may be this one."""
        if process == self._process:
            self._do(order)
            return
        task = asyncio.create_task(self._tell_other(process, order))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def ask(self, process: str, order: Order) -> Fresh | None:
        """The value that the process knows; None where it does not answer, too."""
        if process == self._process:
            return self._value(order)
        try:
            reply = await self._bus.request(_subject(process), msgspec.json.encode(order), TELL_TIMEOUT)
        except (NoResponder, RequestFailed, TimeoutError) as error:
            log.info("process %s did not tell a value: %r", process, error)
            return None
        return msgspec.json.decode(reply, type=Fresh | None)

    async def _tell_other(self, process: str, order: Order) -> None:
        try:
            await self._bus.request(_subject(process), msgspec.json.encode(order), TELL_TIMEOUT)
        except (NoResponder, RequestFailed, TimeoutError) as error:
            log.info("process %s was not told to %s: %r", process, order.do, error)
            if order.do == "work" and isinstance(error, NoResponder):
                self._do(order)  # it has ended, and its devices are whose process they speak to, or this one's

    async def _serve(self, data: bytes) -> bytes:
        order = msgspec.json.decode(data, type=Order)
        if order.do == "value":
            return msgspec.json.encode(self._value(order))
        self._do(order)
        return b""


def _subject(process: str) -> str:
    return f"lwm2m.{process}"
