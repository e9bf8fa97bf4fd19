"""Which addresses requests of ours may go to: public ones, and those that the operator allows.

Whoever can have the server send a request to an address of his choice could reach what only the server can: its own ports,
the private network around it, and the metadata service of a cloud, which gives out credentials.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64 = IPv6Network("64:ff9b::/96")
"""Where a name server of an IPv6-only network puts public IPv4 addresses (RFC 6052): judged by what lies inside."""

NEVER_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # IETF protocol assignments, and metadata of Oracle's cloud
        "168.63.129.16/32",  # the platform address of Azure: metadata, and globally numbered
        "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
        "::/96",  # IPv4-compatible (RFC 4291 section 2.5.5.1)
        "64:ff9b:1::/48",  # NAT64 of local use (RFC 8215)
        "2001::/32",  # Teredo (RFC 4380)
        "2002::/16",  # 6to4 (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment identifiers (RFC 9602)
        "fec0::/10",  # site-local (RFC 3879)
    )
)
"""Beside what the IANA registries call not globally reachable: ways into a tunnel, and what not every version of
Python's list has."""

ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The middle of an interface identifier that holds an IPv4 address (RFC 5214 section 6.1)."""


class Guard:
    """Says which addresses are permitted.

    :param allowed: networks that are permitted besides; a bare address is a network of one

    Raises ValueError for what is no network.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed: tuple[Network, ...] = tuple(ip_network(text.strip(), strict=False) for text in allowed)

    def permits(self, text: str) -> bool:
        """Whether a request may go to that address. What is no address is not permitted."""
        try:
            address: Address = ip_address(text)
        except ValueError:
            return False
        if any(address in network for network in self._allowed if network.version == address.version):
            return True
        inner = _inner(address)
        return self.permits(str(inner)) if inner is not None else _is_public(address)


def _inner(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address is another form of."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None


def _is_public(address: Address) -> bool:
    if any(address in network for network in NEVER_PUBLIC if network.version == address.version):
        return False
    if isinstance(address, IPv6Address) and (
        address.scope_id is not None or (int(address) >> 32) & 0xFFFFFFFF in ISATAP
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
