"""How many handshakes are open, in all and by network, so that one network cannot take every place."""

from __future__ import annotations

from collections.abc import Hashable
from ipaddress import IPv6Address


def network_of(address: Hashable) -> Hashable:
    """The IPv4 /24 or IPv6 /56 of a socket address; an address of another kind is its own network."""
    if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return address
    host = address[0]
    if "." in host:  # IPv4, mapped into IPv6 or not
        return host.rsplit(".", 1)[0]
    try:
        return IPv6Address(host.partition("%")[0]).packed[:7]
    except ValueError:
        return host


class HalfOpen:
    """Counts open handshakes."""

    def __init__(self, limit: int, network_limit: int) -> None:
        self._limit = limit
        self._network_limit = network_limit
        self._networks: dict[Hashable, int] = {}
        self.count = 0

    def has_room(self, address: Hashable) -> bool:
        return self.count < self._limit and self._networks.get(network_of(address), 0) < self._network_limit

    def add(self, address: Hashable) -> None:
        network = network_of(address)
        self._networks[network] = self._networks.get(network, 0) + 1
        self.count += 1

    def remove(self, address: Hashable) -> None:
        network = network_of(address)
        left = self._networks[network] - 1
        self.count -= 1
        if left:
            self._networks[network] = left
        else:
            del self._networks[network]
