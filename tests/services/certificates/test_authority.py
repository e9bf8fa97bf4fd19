"""What the server shows devices: the names that some of them check, kept for those that trust just this certificate."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509

from lamplighter.services.certificates.service import Authority, Credential

NOW = 1_790_000_000 * 10**6


def names(credential: Credential) -> x509.SubjectAlternativeName:
    extension = credential.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value


def test_the_certificates_towards_devices_have_the_hosts_that_devices_are_sent_to(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", NOW, ["lamps.example.com", "192.0.2.7", "2001:db8::7"])
    for credential in (authority.lwm2m, authority.bootstrap):
        assert {"lamps.example.com", "localhost"} <= set(names(credential).get_values_for_type(x509.DNSName))
        addresses = names(credential).get_values_for_type(x509.IPAddress)
        assert {ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("2001:db8::7")} <= set(addresses)
        assert len(credential.certificate_der) <= 1024  # what the vendor's client has room for


def test_what_devices_judge_is_valid_whatever_their_clock_says_and_what_browsers_judge_is_not(tmp_path: Path) -> None:
    """A device without a clock begins in 1970; browsers and TLS libraries refuse such a validity (gateway rule 2.13)."""
    authority = Authority(tmp_path / "pki", NOW)
    for each in (authority.lwm2m, authority.device_ca, authority.bootstrap, authority.bootstrap_ca):
        assert each.certificate.not_valid_before_utc.timestamp() == 0
        assert each.certificate.not_valid_after_utc.year == 9999
    for each in (authority.server, authority.ca):
        assert each.certificate.not_valid_before_utc.year > 2020
    assert authority.server.certificate.issuer == authority.ca.certificate.subject


@pytest.mark.parametrize("hosts", [["lamps.example.com"], ["localhost"], []])
def test_a_certificate_that_has_the_names_stays_the_same(tmp_path: Path, hosts: list[str]) -> None:
    first = Authority(tmp_path / "pki", NOW, ["lamps.example.com"])
    assert Authority(tmp_path / "pki", NOW, hosts).lwm2m.certificate == first.lwm2m.certificate


def test_a_certificate_that_lacks_a_name_is_made_anew_for_the_same_key(tmp_path: Path) -> None:
    first = Authority(tmp_path / "pki", NOW, ["lamps.example.com"])
    moved = Authority(tmp_path / "pki", NOW, ["lights.example.com"])
    assert "lights.example.com" in names(moved.lwm2m).get_values_for_type(x509.DNSName)
    assert moved.lwm2m.key.private_numbers() == first.lwm2m.key.private_numbers()
    assert moved.device_ca.certificate == first.device_ca.certificate
