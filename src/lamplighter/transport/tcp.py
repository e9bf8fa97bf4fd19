"""CoAP over TCP without security, for laboratories."""

from __future__ import annotations

from .stream import StreamTransport


class TcpTransport(StreamTransport):
    """Bytes go as they are; a connection counts as half open until its peer says something."""
