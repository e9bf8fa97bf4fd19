"""OpenSSL's own client against our server."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamplighter.dtls import CertificateIdentity, FailureReason, PskIdentity
from lamplighter.transport.dtls import PskKey
from tests.dtls.pair import KEYS
from tests.dtls.pki import authority, device
from tests.dtls.service import run, serving
from tests.interop.relay import These, relaying

PSK = ("-psk", KEYS[b"lamp-1"].hex(), "-psk_identity", "lamp-1")


def client(port: int, cipher: str, *more: str) -> tuple[str, ...]:
    return (
        *("openssl", "s_client", "-dtls1_2", "-quiet", "-connect", f"127.0.0.1:{port}"),
        *("-cipher", f"{cipher}:@SECLEVEL=0", *more),
    )


@pytest.mark.parametrize("cipher", ["PSK-AES128-CCM8", "PSK-AES128-CCM", "PSK-AES128-GCM-SHA256", "PSK-AES256-CCM8"])
@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_openssl_speaks_with_us_by_pre_shared_key(cipher: str, engine: str) -> None:
    async with serving(engine=engine) as service:
        printed = await run(*client(service.port, cipher, *PSK), say="hello lamp", until="HELLO LAMP")
        assert "HELLO LAMP" in printed
        (established,) = service.established
        assert established.identity == PskIdentity(b"lamp-1")
        assert established.extended_master_secret
        assert established.session.credential == "credential of lamp-1"


@pytest.mark.parametrize(
    "cipher",
    [
        "ECDHE-ECDSA-AES128-CCM8",
        "ECDHE-ECDSA-AES128-CCM",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ],
)
@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_openssl_speaks_with_us_by_certificate(cipher: str, engine: str, tmp_path: Path) -> None:
    async with serving(engine=engine) as service:
        lamp = device(service.authority)
        chain, key = lamp.write(tmp_path, "lamp")
        trusted, _ = service.authority.write(tmp_path, "ca")
        options = ("-cert", str(chain), "-key", str(key), "-CAfile", str(trusted), "-verify_return_error")
        printed = await run(*client(service.port, cipher, *options), say="hello lamp", until="HELLO LAMP")
        assert "HELLO LAMP" in printed
        (established,) = service.established
        assert isinstance(established.identity, CertificateIdentity)
        assert established.identity.fingerprints[-1] == service.anchor.fingerprint


async def test_openssl_gets_through_with_datagrams_of_256_bytes(tmp_path: Path) -> None:
    async with serving(mtu=256) as service:
        chain, key = device(service.authority).write(tmp_path, "lamp")
        options = ("-cert", str(chain), "-key", str(key), "-mtu", "256")
        command = client(service.port, "ECDHE-ECDSA-AES128-CCM8", *options)
        assert "HELLO LAMP" in await run(*command, say="hello lamp", until="HELLO LAMP")


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_openssl_gets_in_without_extended_master_secret(engine: str, tmp_path: Path) -> None:
    settings = tmp_path / "openssl.cnf"
    settings.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n"
    )
    async with serving(engine=engine) as service:
        command = ("env", f"OPENSSL_CONF={settings}", *client(service.port, "PSK-AES128-CCM8", *PSK))
        assert "HELLO" in await run(*command, say="hello", until="HELLO")
        assert not service.established[0].extended_master_secret


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_openssl_gets_through_where_datagrams_are_lost_both_ways(engine: str) -> None:
    async with serving(retransmission=0.2, engine=engine) as service:
        async with relaying(service.port, lose_up=These(1, 3), lose_down=These(2, 3)) as relay:
            command = client(relay.port, "PSK-AES128-CCM8", *PSK)
            assert "HELLO" in await run(*command, say="hello", until="HELLO")
        assert relay.lost == 4 and len(service.established) == 1


async def test_openssl_is_told_that_its_certificate_has_an_unknown_issuer(tmp_path: Path) -> None:
    async with serving() as service:
        chain, key = device(authority("Someone else")).write(tmp_path, "lamp")
        options = ("-cert", str(chain), "-key", str(key))
        printed = await run(*client(service.port, "ECDHE-ECDSA-AES128-CCM8", *options), say="hello")
        assert "unknown ca" in printed
        (failed,) = service.failed
        assert failed.reason is FailureReason.CERTIFICATE_REJECTED


async def test_openssl_is_refused_without_a_certificate() -> None:
    async with serving() as service:
        printed = await run(*client(service.port, "ECDHE-ECDSA-AES128-CCM8"), say="hello")
        assert "handshake failure" in printed
        (failed,) = service.failed
        assert failed.reason is FailureReason.CERTIFICATE_MISSING


async def test_openssl_resumes_a_session_without_its_key(tmp_path: Path) -> None:
    async with serving() as service:
        asked: list[bytes] = []
        answer = service.transport._psk_key

        async def counted(identity: bytes) -> PskKey | bytes | None:
            asked.append(identity)
            return await answer(identity)

        service.transport._psk_key = counted
        file = str(tmp_path / "session")
        for option in ("-sess_out", "-sess_in"):
            command = client(service.port, "PSK-AES128-CCM8", *PSK, option, file)
            assert "HELLO" in await run(*command, say="hello", until="HELLO")
        first, second = service.established
        assert first.identity == second.identity and asked == [b"lamp-1"]


async def test_openssl_may_begin_again_from_the_same_port() -> None:
    async with serving() as service:
        for _ in range(2):
            command = client(service.port, "PSK-AES128-CCM8", *PSK, "-bind", "127.0.0.1:41999")
            assert "HELLO" in await run(*command, say="hello", until="HELLO")
        assert len(service.established) == 2
        assert len(service.transport.server.sessions) == 1
