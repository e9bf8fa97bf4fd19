"""wolfSSL against our server, by a small client of ours on Debian's library.

By certificate only: that library is built with pre-shared keys in DHE and ECDHE suites alone, which are none of ours.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lamplighter.dtls import CertificateIdentity
from tests.dtls.pki import authority, device
from tests.dtls.service import Service, run, serving
from tests.interop.built import wolfssl_client
from tests.interop.relay import These, relaying

CCM_8 = "ECDHE-ECDSA-AES128-CCM-8"
ANSWER = "answered: HELLO LAMP"


@pytest.fixture(scope="session")
def client() -> Path:
    return wolfssl_client()


def command(client: Path, port: int, suite: str, credential: tuple[str, ...], flags: str = "-") -> tuple[str, ...]:
    return (str(client), str(port), suite, flags, "hello lamp", *credential)


def certificate(service: Service, folder: Path) -> tuple[str, ...]:
    chain, key = device(service.authority).write(folder, "lamp")
    trusted, _ = service.authority.write(folder, "ca")
    return (str(chain), str(key), str(trusted))


@pytest.mark.parametrize(
    "suite",
    [CCM_8, "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"],
)
@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_wolfssl_speaks_with_us_by_certificate(client: Path, suite: str, engine: str, tmp_path: Path) -> None:
    async with serving(engine=engine) as service:
        printed = await run(*command(client, service.port, suite, certificate(service, tmp_path)))
        assert ANSWER in printed, printed
        (established,) = service.established
        assert isinstance(established.identity, CertificateIdentity) and established.extended_master_secret


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_wolfssl_gets_in_without_extended_master_secret(client: Path, engine: str, tmp_path: Path) -> None:
    async with serving(engine=engine) as service:
        credential = certificate(service, tmp_path)
        assert ANSWER in await run(*command(client, service.port, CCM_8, credential, "e"))
        assert not service.established[0].extended_master_secret


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_wolfssl_gets_fragments_no_larger_than_it_takes(client: Path, engine: str, tmp_path: Path) -> None:
    async with serving(engine=engine) as service:
        async with relaying(service.port) as relay:
            credential = certificate(service, tmp_path)
            assert ANSWER in await run(*command(client, relay.port, CCM_8, credential, "f"))
        assert max(int.from_bytes(datagram[11:13], "big") for datagram in relay.down) <= 512 + 16
        assert service.established[0].session.fragment_limit <= 512


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_wolfssl_takes_a_handshake_in_datagrams_of_300_bytes(client: Path, engine: str, tmp_path: Path) -> None:
    async with serving(mtu=300, engine=engine) as service:
        async with relaying(service.port) as relay:
            credential = certificate(service, tmp_path)
            assert ANSWER in await run(*command(client, relay.port, CCM_8, credential))
        assert max(map(len, relay.down)) <= 300


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_wolfssl_gets_through_where_datagrams_are_lost_both_ways(
    client: Path, engine: str, tmp_path: Path
) -> None:
    async with serving(retransmission=0.2, engine=engine) as service:
        lost = {"lose_up": These(1, 3, 6), "lose_down": These(2, 4)}
        async with relaying(service.port, **lost) as relay:
            credential = certificate(service, tmp_path)
            printed = await run(*command(client, relay.port, CCM_8, credential))
        assert ANSWER in printed, printed
        assert relay.lost == 5 and len(service.established) == 1


async def test_wolfssl_is_told_that_its_certificate_has_an_unknown_issuer(client: Path, tmp_path: Path) -> None:
    async with serving() as service:
        chain, key = device(authority("Someone else")).write(tmp_path, "lamp")
        trusted, _ = service.authority.write(tmp_path, "ca")
        credential = (str(chain), str(key), str(trusted))
        printed = await run(*command(client, service.port, CCM_8, credential))
        assert "handshake failed" in printed and not service.established and service.failed
