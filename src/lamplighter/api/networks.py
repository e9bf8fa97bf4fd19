"""Where a request comes from: the client's address behind trusted proxies, and the networks and countries refused."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Protocol

from lamplighter.errors import access

Network = IPv4Network | IPv6Network


class Countries(Protocol):
    """Maps an address to an ISO 3166 code; None where it is not known."""

    def country_of(self, address: str) -> str | None: ...


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from settings; a bare address is a network of one. Raises ValueError."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def plain(address: str) -> str:
    """An address without zone, and IPv4 out of its IPv6 form."""
    try:
        parsed: Any = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks if network.version == parsed.version)


class Origin:
    """The rules about where requests come from."""

    def __init__(
        self,
        trusted_proxies: Iterable[str],
        restricted_networks: Iterable[str],
        restricted_countries: Iterable[str],
        countries: Countries | None,
        contact: str,
    ) -> None:
        self._trusted = parse_networks(trusted_proxies)
        self._restricted = parse_networks(restricted_networks)
        self._countries = frozenset(code.upper() for code in restricted_countries)
        self._database = countries
        self._contact = contact
        self.plain = lru_cache(maxsize=65_536)(plain)
        self._verdict = lru_cache(maxsize=65_536)(self._check)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """The client's address: the nearest one in X-Forwarded-For that is not a trusted proxy, when the peer is one."""
        address = self.plain(peer)
        if not forwarded_for or not self._trusted or not is_in(address, self._trusted):
            return address
        for hop in reversed(forwarded_for.split(",")):
            address = self.plain(hop.strip().strip("[]"))
            if not is_in(address, self._trusted):
                return address
        return address

    def trusts(self, peer: str) -> bool:
        return bool(self._trusted) and is_in(self.plain(peer), self._trusted)

    def check(self, address: str) -> None:
        """Raises NetworkRestricted or CountryRestricted."""
        if not self._restricted and not self._countries:
            return
        refusal = self._verdict(address)
        if refusal == "network":
            raise access.NetworkRestricted(address=address, contact=self._contact)
        if refusal is not None:
            raise access.CountryRestricted(address=address, country=refusal, contact=self._contact)

    def _check(self, address: str) -> str | None:
        if is_in(address, self._restricted):
            return "network"
        if self._countries and self._database is not None:
            country = self._database.country_of(address)
            if country is not None and country.upper() in self._countries:
                return country.upper()
        return None
