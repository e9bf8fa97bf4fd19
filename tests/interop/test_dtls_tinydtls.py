"""tinydtls against our server: small devices carry it, with pre-shared keys and AES-128-CCM-8 only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lamplighter.dtls import HandshakeFailed, PskIdentity
from tests.dtls.pair import KEYS
from tests.dtls.service import run, serving
from tests.interop.built import tinydtls_client
from tests.interop.relay import These, relaying


@pytest.fixture(scope="session")
def client() -> Path:
    return tinydtls_client()


def command(client: Path, port: int, key: bytes = KEYS[b"lamp-1"]) -> tuple[str, ...]:
    return (str(client), str(port), "lamp-1", key.decode(), "hello lamp")


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_tinydtls_speaks_with_us_by_pre_shared_key(client: Path, engine: str) -> None:
    async with serving(engine=engine) as service:
        assert "answered: HELLO LAMP" in await run(*command(client, service.port))
        (established,) = service.established
        assert established.identity == PskIdentity(b"lamp-1")
        assert established.cipher == "TLS_PSK_WITH_AES_128_CCM_8" and established.extended_master_secret


@pytest.mark.parametrize("engine", ["native", "openssl"])
async def test_tinydtls_gets_through_where_datagrams_are_lost_both_ways(client: Path, engine: str) -> None:
    async with serving(retransmission=0.2, engine=engine) as service:
        lost = {"lose_up": These(1, 3, 6), "lose_down": These(2, 4)}
        async with relaying(service.port, **lost) as relay:
            assert "answered: HELLO LAMP" in await run(*command(client, relay.port))
        assert relay.lost == 5 and len(service.established) == 1


async def test_tinydtls_gets_nothing_with_a_wrong_key(client: Path) -> None:
    async with serving(handshake_age=1.0) as service:
        running = asyncio.create_task(run(*command(client, service.port, b"not the key")))
        await service.wait_for(HandshakeFailed)
        assert not service.established and not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
