"""Which addresses requests of ours may go to."""

from __future__ import annotations

import pytest

from lamplighter.outbound.addresses import Guard

REFUSED = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "this host": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1", "fec0::1"],
    "shared by carriers": ["100.64.0.1", "100.100.100.200"],
    "link-local": ["169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0"],
    "metadata of clouds": ["168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"],
    "multicast and broadcast": ["224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "ff0e::1"],
    "documentation and tests": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1"],
    "reserved": ["240.0.0.1", "192.88.99.1", "5f00::1", "100::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"],
    "6to4": ["2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "Teredo": ["2001:0:53aa:64c::1"],
    "ISATAP": ["2600::5efe:7f00:1", "2600::200:5efe:a00:1"],
    "no address": ["", "localhost", "0x7f.1", "2130706433", "127.1", "1.2.3.4.5"],
}
PERMITTED = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", [each for group in REFUSED.values() for each in group])
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not Guard().permits(address)


@pytest.mark.parametrize("address", PERMITTED)
def test_public_addresses_are_permitted(address: str) -> None:
    assert Guard().permits(address)


def test_what_the_operator_allows_is_permitted_in_each_of_its_forms_and_nothing_beside_it() -> None:
    guard = Guard(["10.1.0.0/16", "127.0.0.1", " fd12::/16 "])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "127.0.0.1", "fd12::1"):
        assert guard.permits(address), address
    for address in ("10.2.0.1", "127.0.0.2", "::1", "fd13::1", "2002:a01:203::1"):
        assert not guard.permits(address), address


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="10.0.0.0/33"):
        Guard(["10.0.0.0/33"])
