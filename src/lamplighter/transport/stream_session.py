"""A connection over TCP or TLS as the core and the role see it, and what happens to it. The counterpart of a DTLS session."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from lamplighter.dtls import Identity


class StreamSession:
    """Made by the transport; others read it and use it as a key in their own tables."""

    __slots__ = ("address", "cipher", "closed", "credential", "established_at", "identity", "valid_until")

    def __init__(self, address: Hashable, established_at: float) -> None:
        self.address = address
        """Where the peer connected from."""
        self.identity: Identity | None = None
        """Who it proved to be; None without security."""
        self.credential = ""
        """Whatever the one who accepted the peer wants to find again with the session."""
        self.cipher = ""
        """The suite's name in OpenSSL; empty without security."""
        self.established_at = established_at
        """Wall time of the handshake, seconds since 1970."""
        self.valid_until = math.inf
        """Wall time after which the session must not be used, seconds since 1970."""
        self.closed = False

    def __repr__(self) -> str:
        return f"<StreamSession {self.address!r} {self.cipher or 'without security'}>"


@dataclass(frozen=True, slots=True)
class StreamEstablished:
    """A peer is connected, and has proved who it is where there is security."""

    session: StreamSession
    resumed: bool
    """By a ticket: no new proof was asked for, but the credential was checked again."""


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The connection ended."""

    session: StreamSession
    reason: str


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """A connection that came to no session: a handshake failed, a limit was reached."""

    address: Hashable
    reason: str


StreamEvent = StreamEstablished | StreamClosed | StreamRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What connections may use. Times in seconds."""

    connections: int = 50_000
    """Connections at once. One over TLS costs 38 KB."""
    half_open: int = 2000
    """Connections at once whose peer has not proved who it is, or over TCP has not said anything."""
    half_open_network: int = 500
    """The same of one IPv4 /24 or IPv6 /56."""
    opening: float = 60.0
    """From the connection to the end of its handshake, and again to the first message."""
    idle: float = 86_400.0
    """Without a byte from the peer. The vendor's client says something every nine minutes."""
    unsent: int = 256 << 10
    """Bytes that may wait for a peer that does not read; with more it is closed."""
