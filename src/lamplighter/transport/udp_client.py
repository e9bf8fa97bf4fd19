"""A simulated device's end of plain UDP: the transport of ``udp``, connected to one server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .core import DatagramCore
from .udp import UdpTransport


def open_udp_client(core: DatagramCore, on_event: Callable[[Any], None], host: str, port: int) -> UdpTransport:
    """A transport that talks to that server only. Raises OSError when there is no such host."""
    transport = UdpTransport(core, on_event)
    transport.connect(host, port)
    return transport
