"""GnuTLS's own client against our server."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamplighter.dtls import CertificateIdentity, PskIdentity
from tests.dtls.pair import KEYS
from tests.dtls.pki import device
from tests.dtls.service import run, serving


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
