"""CoAP plugtest, TD_COAP_DTLS: pre-shared keys in TLS_PSK_WITH_AES_128_CCM_8, with libcoap on OpenSSL and on GnuTLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lamplighter.coap.numbers import Code
from lamplighter.dtls import PskIdentity
from lamplighter.dtls.ciphers import CIPHER_SUITES
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.transport.dtls_client import DtlsClientTransport, HandshakeRefused
from tests.conformance.marks import conforms
from tests.conformance.others import LibcoapServer, libcoap_server
from tests.conformance.plugtest_client import PlugtestClient
from tests.conformance.plugtest_server import PlugtestServer
from tests.conformance.relay import Lost, relay_to
from tests.dtls.pair import KEYS
from tests.dtls.service import Service, run, serving

NAME = "TLS_PSK_WITH_AES_128_CCM_8"
SUITE = next(number for number, suite in CIPHER_SUITES.items() if suite.name == NAME)
KEY = KEYS[b"lamp-1"]
LIBRARIES = pytest.mark.parametrize("library", ["openssl", "gnutls"])


@asynccontextmanager
async def secured() -> AsyncIterator[Service]:
    """Our resources behind DTLS, in that suite only."""
    resources = PlugtestServer()
    async with serving(resources.wire, resources.take, cipher_suites=(SUITE,)) as service:
        resources.flush = service.transport.flush
        yield service


async def ask(library: str, port: int, key: bytes = KEY) -> str:
    url = f"coaps://127.0.0.1:{port}/test"
    return await run(f"coap-client-{library}", "-m", "get", "-B", "15", "-u", "lamp-1", "-k", key.decode(), url)


@asynccontextmanager
async def their_server(library: str) -> AsyncIterator[LibcoapServer]:
    async with libcoap_server("-k", KEY.decode(), program=f"coap-server-{library}") as server:
        yield server


@asynccontextmanager
async def our_client(port: int, key: bytes = KEY, patience: float = 10.0) -> AsyncIterator[PlugtestClient]:
    """In a session. Raises HandshakeRefused, after ``patience`` seconds where the server says nothing."""
    config = ClientConfig(
        wall_time=time.time,
        psk_identity=b"lamp-1",
        psk=key,
        cipher_suites=(SUITE,),
        retransmission=0.2,
        handshake_age=patience,
    )
    client = PlugtestClient()
    client.transport = DtlsClientTransport(config, client.wire, client.take)
    try:
        established = await client.transport.connect("127.0.0.1", port)
        assert established.cipher == NAME
        client.peer = established.session
        yield client
    finally:
        client.transport.close()


@conforms("TD_COAP_DTLS_01", peer="libcoap client on OpenSSL, libcoap client on GnuTLS")
@LIBRARIES
async def test_libcoap_gets_a_resource_with_a_key(library: str) -> None:
    async with secured() as service:
        assert "a lamp" in await ask(library, service.port)
        (established,) = service.established
        assert (established.identity, established.cipher) == (PskIdentity(b"lamp-1"), NAME)


@conforms("TD_COAP_DTLS_01", peer="libcoap server on OpenSSL, libcoap server on GnuTLS")
@LIBRARIES
async def test_we_get_a_resource_of_libcoap_with_a_key(library: str) -> None:
    async with their_server(library) as server, our_client(server.port + 1) as client:
        assert (await client.ask(Code.PUT, "secure", b"a lamp")).code == Code.CREATED
        assert (await client.get("secure")).payload == b"a lamp"


@conforms("TD_COAP_DTLS_02", peer="libcoap server on OpenSSL, libcoap server on GnuTLS")
@LIBRARIES
async def test_we_are_refused_by_libcoap_with_a_wrong_key(library: str) -> None:
    async with their_server(library) as server:
        with pytest.raises(HandshakeRefused):
            async with our_client(server.port + 1, b"wrong", patience=1.0):
                pass


FLIGHTS = [Lost(client, number) for number in range(3) for client in (True, False)]
"""Hello, cookie, hello, server's hello, client's Finished, server's Finished."""


@conforms("TD_COAP_DTLS_03", peer="libcoap client on OpenSSL, libcoap client on GnuTLS")
@LIBRARIES
async def test_every_lost_packet_of_the_handshake_with_libcoap_is_made_good(library: str) -> None:
    async def losing(service: Service, lost: Lost) -> None:
        async with relay_to(service.port, lost) as relay:
            assert "a lamp" in await ask(library, relay.port), lost
            assert relay.lost == [lost]

    async with secured() as service:
        await asyncio.gather(*[losing(service, lost) for lost in FLIGHTS])
        assert len(service.established) == len(FLIGHTS)


@conforms("TD_COAP_DTLS_03", peer="libcoap server on OpenSSL, libcoap server on GnuTLS")
@LIBRARIES
async def test_every_lost_packet_of_our_handshake_with_a_server_is_made_good(library: str) -> None:
    async def losing(server: LibcoapServer, lost: Lost) -> None:
        async with relay_to(server.port + 1, lost) as relay, our_client(relay.port) as client:
            assert (await client.get("time")).code == Code.CONTENT
            assert relay.lost == [lost]

    async with their_server(library) as server:
        await asyncio.gather(*[losing(server, lost) for lost in FLIGHTS])
