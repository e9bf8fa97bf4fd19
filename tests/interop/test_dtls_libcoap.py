"""libcoap's clients, on OpenSSL and on GnuTLS, get a resource over coaps:// from our DTLS and CoAP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.dtls import CertificateIdentity, PskIdentity, Session
from tests.conformance.marks import conforms
from tests.dtls.pair import KEYS
from tests.dtls.pki import device
from tests.dtls.service import Service, run, serving
from tests.interop.relay import These, relaying

PROGRAMS = ["coap-client-openssl", "coap-client-gnutls"]
LARGE = "lamp " * 600


@asynccontextmanager
async def lamp_service() -> AsyncIterator[Service]:
    """GET /large answers 3,000 bytes, everything else the path it was asked for."""
    endpoint = Endpoint(Random(1))

    def answer(event: Any) -> None:
        if isinstance(event, RequestReceived):
            assert isinstance(event.peer, Session)
            path = "/".join(event.message.uri_path())
            payload = LARGE if path == "large" else f"this is {path}"
            now = asyncio.get_running_loop().time()
            endpoint.respond(event, Message(Code.CONTENT, payload=payload.encode()), now)

    async with serving(endpoint, answer) as service:
        yield service


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_a_resource_by_pre_shared_key(program: str) -> None:
    async with lamp_service() as service:
        url = f"coaps://127.0.0.1:{service.port}/3/0/1"
        printed = await run(program, "-m", "get", "-B", "5", "-u", "lamp-1", "-k", KEYS[b"lamp-1"].decode(), url)
        assert "this is 3/0/1" in printed
        assert service.established[0].identity == PskIdentity(b"lamp-1")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_a_body_of_several_blocks(program: str) -> None:
    async with lamp_service() as service:
        url = f"coaps://127.0.0.1:{service.port}/large"
        printed = await run(program, "-m", "get", "-B", "5", "-u", "lamp-1", "-k", KEYS[b"lamp-1"].decode(), url)
        assert LARGE.strip() in printed


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_a_resource_by_certificate(program: str, tmp_path: Path) -> None:
    async with lamp_service() as service:
        chain, key = device(service.authority).write(tmp_path, "lamp")
        trusted, _ = service.authority.write(tmp_path, "ca")
        url = f"coaps://127.0.0.1:{service.port}/3/0/1"
        options = ("-c", str(chain), "-j", str(key), "-C", str(trusted))
        printed = await run(program, "-m", "get", "-B", "5", *options, url)
        assert "this is 3/0/1" in printed, printed
        assert isinstance(service.established[0].identity, CertificateIdentity)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_through_where_datagrams_are_lost_both_ways(program: str) -> None:
    async with lamp_service() as service:
        async with relaying(service.port, lose_up=These(1, 3), lose_down=These(2, 3)) as relay:
            url = f"coaps://127.0.0.1:{relay.port}/3/0/1"
            key = ("-u", "lamp-1", "-k", KEYS[b"lamp-1"].decode())
            printed = await run(program, "-m", "get", "-B", "15", *key, url)
        assert "this is 3/0/1" in printed
        assert relay.lost == 4 and len(service.established) == 1


@conforms("TD_COAP_DTLS_02", peer="libcoap client on OpenSSL, libcoap client on GnuTLS")
@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_nothing_with_a_wrong_key(program: str) -> None:
    async with lamp_service() as service:
        url = f"coaps://127.0.0.1:{service.port}/3/0/1"
        printed = await run(program, "-m", "get", "-B", "2", "-u", "lamp-1", "-k", "not the key", url)
        assert "this is" not in printed
        assert not service.established
