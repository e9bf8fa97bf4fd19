"""mbed TLS's own client against our server, in both generations: 2.28, which the vendor's clients carry and which speaks the
draft of Connection ID, and 3.6, which speaks RFC 9146."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lamplighter.dtls import CertificateIdentity, PskIdentity
from lamplighter.transport.dtls import PskKey
from tests.dtls.pair import KEYS
from tests.dtls.pki import device
from tests.dtls.service import Service, run, serving
from tests.interop.built import mbed_tls
from tests.interop.relay import These, relaying

PSK = ("psk=" + KEYS[b"lamp-1"].hex(), "psk_identity=lamp-1")
SAID = "EXTRA-HEADER"
"""In what the client asks, said back in capital letters."""
PSK_CCM_8 = "TLS-PSK-WITH-AES-128-CCM-8"
CERTIFICATE_CCM_8 = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8"
CID_RECORD = 25


@dataclass(frozen=True)
class MbedTls:
    """One generation of it."""

    program: Path
    draft: bool
    """Whether its Connection ID is that of the draft (extension 254) and not of RFC 9146 (54)."""

    async def run(self, port: int, suite: str, *more: str) -> str:
        """What it printed until it ended by itself. Without a suite it offers all that it has."""
        common = ("dtls=1", "server_addr=127.0.0.1", "server_name=localhost", f"server_port={port}")
        waits = ("hs_timeout=300-4000", "read_timeout=2000", "max_resend=5")
        suites = [f"force_ciphersuite={suite}"] if suite else []
        return await run(str(self.program), *common, *waits, *suites, *more)


@pytest.fixture(scope="session", params=["bookworm", "trixie"], ids=["2.28", "3.6"])
def mbedtls(request: pytest.FixtureRequest) -> MbedTls:
    return MbedTls(mbed_tls(request.param), draft=request.param == "bookworm")


def certificate(service: Service, folder: Path) -> tuple[str, ...]:
    chain, key = device(service.authority).write(folder, "lamp")
    trusted, _ = service.authority.write(folder, "ca")
    return (f"crt_file={chain}", f"key_file={key}", f"ca_file={trusted}", "auth_mode=required")


@pytest.mark.parametrize("suite", ["AES-128-CCM-8", "AES-128-CCM", "AES-128-GCM-SHA256", "AES-256-CCM-8"])
@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_speaks_with_us_by_pre_shared_key(mbedtls: MbedTls, suite: str, engine: str) -> None:
    async with serving(engine=engine) as service:
        printed = await mbedtls.run(service.port, f"TLS-PSK-WITH-{suite}", *PSK)
        assert SAID in printed, printed
        (established,) = service.established
        assert established.identity == PskIdentity(b"lamp-1") and established.extended_master_secret


@pytest.mark.parametrize("suite", ["AES-128-CCM-8", "AES-128-CCM", "AES-128-GCM-SHA256"])
@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_speaks_with_us_by_certificate(
    mbedtls: MbedTls, suite: str, engine: str, tmp_path: Path
) -> None:
    async with serving(engine=engine) as service:
        printed = await mbedtls.run(
            service.port, f"TLS-ECDHE-ECDSA-WITH-{suite}", "psk=", *certificate(service, tmp_path)
        )
        assert SAID in printed, printed
        (established,) = service.established
        assert isinstance(established.identity, CertificateIdentity)


async def test_mbed_tls_that_offers_all_its_suites_gets_one_whose_hash_we_sign_with(
    mbedtls: MbedTls, tmp_path: Path
) -> None:
    async with serving() as service:
        printed = await mbedtls.run(service.port, "", *certificate(service, tmp_path))
        assert SAID in printed, printed
        assert service.established[0].session.cipher.digest == "sha256"


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_gets_in_without_extended_master_secret(mbedtls: MbedTls, engine: str) -> None:
    async with serving(engine=engine) as service:
        assert SAID in await mbedtls.run(service.port, PSK_CCM_8, *PSK, "extended_ms=0")
        assert not service.established[0].extended_master_secret


async def test_mbed_tls_is_refused_without_extended_master_secret_where_that_is_required(mbedtls: MbedTls) -> None:
    async with serving(extended_master_secret="required") as service:
        assert SAID not in await mbedtls.run(service.port, PSK_CCM_8, *PSK, "extended_ms=0")
        assert not service.established and service.failed


async def test_mbed_tls_says_its_connection_id_from_ever_new_ports_without_a_new_handshake(mbedtls: MbedTls) -> None:
    async with serving() as service:

        def speaks(datagram: bytes) -> bool:
            return bool(service.established) and datagram[0] == CID_RECORD

        async with relaying(service.port, rebind=speaks) as relay:
            printed = await mbedtls.run(relay.port, PSK_CCM_8, *PSK, "cid=1", "cid_val=c1d0", "exchanges=4")
        assert printed.count(SAID) == 4, printed
        assert relay.ports > 4
        (established,) = service.established
        assert established.cid and established.session.peer_cid == bytes.fromhex("c1d0")
        assert established.session.draft_cid == mbedtls.draft


@pytest.mark.parametrize("credential", ["key", "certificate"])
async def test_mbed_tls_takes_a_stored_session_up_from_another_port_as_the_vendors_client_does(
    mbedtls: MbedTls, credential: str, tmp_path: Path
) -> None:
    async with serving() as service:
        options = PSK if credential == "key" else ("psk=", *certificate(service, tmp_path))
        suite = PSK_CCM_8 if credential == "key" else CERTIFICATE_CCM_8

        def speaks(datagram: bytes) -> bool:
            return bool(service.established) and datagram[0] == CID_RECORD

        async with relaying(service.port, rebind=speaks) as relay:
            stored = ("serialize=2", "exchanges=2", "cid=1", "cid_val=")
            printed = await mbedtls.run(relay.port, suite, *options, *stored)
        assert "Deserializing connection... ok" in printed and printed.count(SAID) == 2, printed
        assert len(service.established) == 1


async def test_openssl_behind_us_leaves_the_connection_id_out_and_mbed_tls_gets_in(mbedtls: MbedTls) -> None:
    async with serving(engine="openssl") as service:
        printed = await mbedtls.run(service.port, PSK_CCM_8, *PSK, "cid=1", "cid_val=c1d0")
        assert SAID in printed, printed
        assert service.established[0].cid == b""


@pytest.mark.parametrize("limit", [512, 1024])
@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_gets_fragments_no_larger_than_it_takes(
    mbedtls: MbedTls, limit: int, engine: str, tmp_path: Path
) -> None:
    async with serving(engine=engine) as service:
        async with relaying(service.port) as relay:
            options = (*certificate(service, tmp_path), "psk=", f"max_frag_len={limit}")
            assert SAID in await mbedtls.run(relay.port, CERTIFICATE_CCM_8, *options)
        lengths = [int.from_bytes(datagram[11:13], "big") for datagram in relay.down]
        assert max(lengths) <= limit + 16
        assert service.established[0].session.fragment_limit <= limit


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_gets_through_with_datagrams_of_300_bytes(mbedtls: MbedTls, engine: str, tmp_path: Path) -> None:
    async with serving(mtu=300, engine=engine) as service:
        async with relaying(service.port) as relay:
            options = (*certificate(service, tmp_path), "psk=", "mtu=300")
            assert SAID in await mbedtls.run(relay.port, CERTIFICATE_CCM_8, *options)
        assert max(map(len, relay.up + relay.down)) <= 300


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_gets_through_where_datagrams_are_lost_both_ways(
    mbedtls: MbedTls, engine: str, tmp_path: Path
) -> None:
    async with serving(mtu=300, retransmission=0.2, engine=engine) as service:
        lost = {"lose_up": These(1, 3, 6), "lose_down": These(2, 4)}
        async with relaying(service.port, **lost) as relay:
            options = (*certificate(service, tmp_path), "psk=", "mtu=300")
            printed = await mbedtls.run(relay.port, CERTIFICATE_CCM_8, *options)
        assert SAID in printed, printed
        assert relay.lost == 5 and len(service.established) == 1


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_gets_our_finished_again_when_it_was_lost(mbedtls: MbedTls, engine: str) -> None:
    async with serving(engine=engine) as service:
        async with relaying(service.port, lose_down=These(3)) as relay:
            printed = await mbedtls.run(relay.port, PSK_CCM_8, *PSK)
        assert SAID in printed, printed
        assert relay.lost == 1 and len(service.established) == 1


async def test_mbed_tls_resumes_a_session_without_its_key(mbedtls: MbedTls) -> None:
    async with serving() as service:
        asked: list[bytes] = []
        answer = service.transport._psk_key

        async def counted(identity: bytes) -> PskKey | bytes | None:
            asked.append(identity)
            return await answer(identity)

        service.transport._psk_key = counted
        printed = await mbedtls.run(service.port, PSK_CCM_8, *PSK, "reconnect=1")
        assert printed.count(SAID) == 2, printed
        assert len(service.established) == 2 and asked == [b"lamp-1"]


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_mbed_tls_is_told_that_there_is_no_renegotiation(mbedtls: MbedTls, engine: str) -> None:
    async with serving(engine=engine) as service:
        options = ("renegotiation=1", "renegotiate=1", "debug_level=3")
        printed = await mbedtls.run(service.port, PSK_CCM_8, *PSK, *options)
        assert "no renegotiation" in printed, printed
        assert len(service.established) == 1


async def test_mbed_tls_gets_nothing_with_a_wrong_key(mbedtls: MbedTls) -> None:
    async with serving(handshake_age=1.0) as service:
        options = ("psk=" + b"not the key at all".hex(), "psk_identity=lamp-1", "hs_timeout=100-400")
        assert SAID not in await mbedtls.run(service.port, PSK_CCM_8, *options)
        assert not service.established
