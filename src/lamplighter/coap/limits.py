"""How much is kept for peers: of one, of one network, in all. Nothing that a peer sends makes memory grow beyond these."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A network is an IPv4 /24 or IPv6 /56, as whoever makes the endpoint tells it; half of everything is the most it gets."""

    messages_per_peer: int = 16
    """Messages remembered of one peer against their repetition."""
    messages: int = 100_000
    """The same of all peers."""
    requests_per_peer: int = 64
    """Requests of ours that may wait for their turn with one peer."""
    bodies_per_peer: int = 2
    """Partial bodies that one peer sends, and answers kept for its later blocks."""
    body_bytes: int = 64 << 20
    """Bytes of such bodies of all peers, in each direction."""
    observations_per_peer: int = 1000
    """Resources of one peer that we are told about. An edge gateway brings those of many devices."""
    observations: int = 2_000_000
    """The same of all peers."""


NetworkOf = Callable[[Any], Hashable]
"""The network of a peer; None where nothing is held back for others."""


def no_network(peer: Hashable) -> Hashable:
    """All peers count alike: they have proved who they are, or there is one only."""
    return None


class Quota:
    """Something counted in all and by network, so that one network cannot take everything."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._networks: dict[Hashable, int] = {}
        self.used = 0

    @property
    def is_full(self) -> bool:
        """In all; a network may have used its half before."""
        return self.used >= self._total

    def take(self, network: Hashable, amount: int = 1) -> bool:
        """False when there is no room for that much of that network: nothing was taken then."""
        if self.used + amount > self._total:
            return False
        if network is not None:
            used = self._networks.get(network, 0) + amount
            if used * 2 > self._total:
                return False
            self._networks[network] = used
        self.used += amount
        return True

    def give_back(self, network: Hashable, amount: int = 1) -> None:
        self.used -= amount
        if network is not None and amount:
            left = self._networks[network] - amount
            if left:
                self._networks[network] = left
            else:
                del self._networks[network]
