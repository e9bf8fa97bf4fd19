"""What a transport asks of a protocol core, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lamplighter.coap.framing import Framing


class DatagramCore(Protocol):
    """A protocol over datagrams without I/O. ``peer`` is an address, or a session where there is security below."""

    def receive_datagram(self, data: bytes, peer: Any, now: float) -> None: ...

    def handle_timer(self, now: float) -> None: ...

    def datagrams_to_send(self, now: float) -> Sequence[tuple[bytes, Any]]: ...

    def get_timer(self) -> float | None: ...

    def next_event(self) -> Any | None: ...


class StreamCore(DatagramCore, Protocol):
    """The same over streams: ``receive_datagram`` takes what was read, ``datagrams_to_send`` gives what to write."""

    def connected(self, peer: Any, now: float, *, records: bool, framing: Framing | None = None) -> None: ...

    def framing_of(self, peer: Any) -> Framing | None: ...

    def streams_to_close(self) -> Sequence[tuple[Any, str]]: ...


def hand_on(loop: asyncio.AbstractEventLoop, event: Any, handler: Callable[[Any], None]) -> None:
    """Call the handler. What it raises is reported and stops neither the socket nor the timer."""
    try:
        handler(event)
    except Exception as error:
        loop.call_exception_handler({"message": f"{type(event).__name__} could not be handled", "exception": error})


def earliest(*moments: float | None) -> float | None:
    """The first of several timers; None when there is none."""
    return min((moment for moment in moments if moment is not None), default=None)
