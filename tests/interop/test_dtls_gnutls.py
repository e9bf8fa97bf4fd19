"""GnuTLS's own client against our server."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamplighter.dtls import CertificateIdentity, PskIdentity
from tests.dtls.pair import KEYS
from tests.dtls.pki import device
from tests.dtls.service import run, serving
from tests.interop.relay import These, relaying


def client(port: int, priority: str, *more: str) -> tuple[str, ...]:
    return ("gnutls-cli", "--udp", "--port", str(port), "--priority", priority, *more, "127.0.0.1")


@pytest.mark.parametrize("cipher", ["AES-128-CCM-8", "AES-128-CCM", "AES-128-GCM", "AES-256-CCM-8"])
async def test_gnutls_speaks_with_us_by_pre_shared_key(cipher: str) -> None:
    priority = f"NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+{cipher}:%PROFILE_LOW"
    options = ("--pskusername", "lamp-1", "--pskkey", KEYS[b"lamp-1"].hex())
    async with serving() as service:
        printed = await run(*client(service.port, priority, *options), say="hello lamp", until="HELLO LAMP")
        assert "HELLO LAMP" in printed
        (established,) = service.established
        assert established.identity == PskIdentity(b"lamp-1")


@pytest.mark.parametrize("cipher", ["AES-128-CCM-8", "AES-128-CCM", "AES-128-GCM", "AES-256-GCM"])
async def test_gnutls_speaks_with_us_by_certificate(cipher: str, tmp_path: Path) -> None:
    priority = f"NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+ECDHE-ECDSA:-CIPHER-ALL:+{cipher}:%PROFILE_LOW"
    async with serving() as service:
        chain, key = device(service.authority).write(tmp_path, "lamp")
        trusted, _ = service.authority.write(tmp_path, "ca")
        options = ("--x509certfile", str(chain), "--x509keyfile", str(key), "--x509cafile", str(trusted))
        command = client(service.port, priority, *options, "--verify-hostname", "localhost")
        assert "HELLO LAMP" in await run(*command, say="hello lamp", until="HELLO LAMP")
        (established,) = service.established
        assert isinstance(established.identity, CertificateIdentity)


def by_key(*more: str) -> tuple[str, tuple[str, ...]]:
    priority = ":".join(("NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CCM-8:%PROFILE_LOW", *more))
    return priority, ("--pskusername", "lamp-1", "--pskkey", KEYS[b"lamp-1"].hex())


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_gnutls_gets_in_without_extended_master_secret(engine: str) -> None:
    priority, options = by_key("%NO_SESSION_HASH")
    async with serving(engine=engine) as service:
        assert "HELLO" in await run(*client(service.port, priority, *options), say="hello", until="HELLO")
        assert not service.established[0].extended_master_secret


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_gnutls_gets_through_where_datagrams_are_lost_both_ways(engine: str) -> None:
    priority, options = by_key()
    async with serving(retransmission=0.2, engine=engine) as service:
        async with relaying(service.port, lose_up=These(1, 3), lose_down=These(2, 3)) as relay:
            assert "HELLO" in await run(*client(relay.port, priority, *options), say="hello", until="HELLO")
        assert relay.lost == 4 and len(service.established) == 1


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_gnutls_gets_through_with_datagrams_of_300_bytes(engine: str, tmp_path: Path) -> None:
    priority = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+ECDHE-ECDSA:-CIPHER-ALL:+AES-128-CCM-8:%PROFILE_LOW"
    async with serving(mtu=300, engine=engine) as service:
        chain, key = device(service.authority).write(tmp_path, "lamp")
        trusted, _ = service.authority.write(tmp_path, "ca")
        options = ("--x509certfile", str(chain), "--x509keyfile", str(key), "--x509cafile", str(trusted))
        async with relaying(service.port) as relay:
            command = client(relay.port, priority, *options, "--verify-hostname", "localhost", "--mtu", "300")
            assert "HELLO" in await run(*command, say="hello", until="HELLO")
        assert max(map(len, relay.up + relay.down)) <= 300
