"""Transmission parameters and the times derived from them, RFC 7252 sections 4.7 and 4.8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Randomness(Protocol):
    """Where message IDs, tokens and back-off come from: ``random.Random``, or something smaller. Never keys."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Parameters:
    """Section 4.8. Times in seconds."""

    ack_timeout: float = 2.0
    """The least time to wait for the first acknowledgement, in seconds."""
    ack_random_factor: float = 1.5
    """The first wait is drawn between ``ack_timeout`` and this many times it."""
    max_retransmit: int = 4
    """How often a confirmable message is sent again; each wait is twice the one before."""
    nstart: int = 1
    """How many of our requests may be outstanding with one peer (section 4.7); the rest wait their turn."""
    probing_rate: float = 1.0
    """Bytes a second that go without acknowledgement to a peer that says nothing, on average (section 4.7)."""
    max_latency: float = 100.0
    """The longest a datagram may be under way, in seconds."""
    response_timeout: float | None = None
    """How long to wait for a separate response after its empty ACK, in seconds; None: ``exchange_lifetime``."""

    def __post_init__(self) -> None:
        if self.ack_timeout <= 0 or self.ack_random_factor < 1 or self.max_retransmit < 0 or self.nstart < 1:
            raise ValueError(
                "ack_timeout must be above 0, ack_random_factor and nstart at least 1, max_retransmit not negative"
            )

    @property
    def processing_delay(self) -> float:
        """How long a peer may take to turn a confirmable message into its acknowledgement."""
        return self.ack_timeout

    @property
    def max_transmit_span(self) -> float:
        """From the first transmission of a confirmable message to its last: 45 s."""
        return self.ack_timeout * ((1 << self.max_retransmit) - 1) * self.ack_random_factor

    @property
    def max_transmit_wait(self) -> float:
        """From the first transmission to giving up: 93 s."""
        return self.ack_timeout * ((2 << self.max_retransmit) - 1) * self.ack_random_factor

    @property
    def max_rtt(self) -> float:
        """202 s."""
        return 2 * self.max_latency + self.processing_delay

    @property
    def exchange_lifetime(self) -> float:
        """From the first transmission of a confirmable message until its ID may be used again: 247 s."""
        return self.max_transmit_span + self.max_rtt

    @property
    def non_lifetime(self) -> float:
        """The same for a non-confirmable message: 145 s."""
        return self.max_transmit_span + self.max_latency

    @property
    def separate_response_wait(self) -> float:
        return self.exchange_lifetime if self.response_timeout is None else self.response_timeout
