"""libcoap's clients, on OpenSSL and on GnuTLS, over coap+tcp:// and coaps+tcp:// (RFC 8323)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamplighter.dtls import CertificateIdentity, PskIdentity
from lamplighter.storage.database import Database
from tests.dtls.pair import KEYS
from tests.dtls.pki import device
from tests.dtls.service import run
from tests.roles.lwm2m_serving import SECRET, Serving
from tests.transport.stream_service import LARGE, serving

PROGRAMS = ["coap-client-openssl", "coap-client-gnutls"]
KEY = ("-u", "lamp-1", "-k", KEYS[b"lamp-1"].decode())


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_a_resource_over_tcp(program: str) -> None:
    async with serving(secure=False) as service:
        printed = await run(program, "-m", "get", "-B", "5", f"coap+tcp://127.0.0.1:{service.port}/3/0/1")
        assert ": 3/0/1" in printed
        assert service.core.refusals.total == 0


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_a_resource_over_tls_by_pre_shared_key(program: str) -> None:
    async with serving() as service:
        printed = await run(program, "-m", "get", "-B", "5", *KEY, f"coaps+tcp://127.0.0.1:{service.port}/3/0/1")
        assert "credential of lamp-1: 3/0/1" in printed, (printed, service.refused)
        assert service.established[0].identity == PskIdentity(b"lamp-1")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_a_resource_over_tls_by_certificate(program: str, tmp_path: Path) -> None:
    async with serving() as service:
        chain, key = device(service.authority).write(tmp_path, "lamp")
        trusted, _ = service.authority.write(tmp_path, "ca")
        options = ("-c", str(chain), "-j", str(key), "-C", str(trusted))
        printed = await run(program, "-m", "get", "-B", "5", *options, f"coaps+tcp://127.0.0.1:{service.port}/3/0/1")
        assert "a certificate of 1: 3/0/1" in printed, (printed, service.refused)
        assert isinstance(service.established[0].identity, CertificateIdentity)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_sends_and_gets_a_long_body_over_tls(program: str, tmp_path: Path) -> None:
    async with serving() as service:
        body, got = tmp_path / "body", tmp_path / "got"
        body.write_bytes(b"lamp " * 3000)
        url = f"coaps+tcp://127.0.0.1:{service.port}/x"
        await run(program, "-m", "put", "-B", "5", *KEY, "-f", str(body), "-o", str(got), url)
        assert got.read_bytes() == b"credential of lamp-1: " + body.read_bytes()
        await run(program, "-m", "get", "-B", "5", *KEY, "-o", str(got), f"coaps+tcp://127.0.0.1:{service.port}/large")
        assert got.read_bytes() == LARGE


@pytest.mark.parametrize("program", PROGRAMS)
async def test_libcoap_gets_nothing_over_tls_with_a_wrong_key(program: str) -> None:
    async with serving() as service:
        url = f"coaps+tcp://127.0.0.1:{service.port}/3/0/1"
        printed = await run(program, "-m", "get", "-B", "2", "-u", "lamp-1", "-k", "not the key", url)
        assert "credential" not in printed
        assert not service.established and service.refused


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("scheme", ["coaps+tcp", "coap+tcp"])
async def test_libcoap_registers_as_a_device(program: str, scheme: str, database: Database, tmp_path: Path) -> None:
    serving = Serving(database, tmp_path)
    await serving.start()
    name = "my-first-device-1"
    await serving.device_with_key(name)
    port = serving.role.tls_port if scheme == "coaps+tcp" else serving.role.tcp_port
    key = ("-u", name, "-k", SECRET.decode()) if scheme == "coaps+tcp" else ()
    url = f"{scheme}://127.0.0.1:{port}/rd?ep={name}&lt=3600&lwm2m=1.1&b=T"
    await run(program, "-m", "post", "-B", "5", "-t", "40", "-e", "</1/0>,</3/0>", *key, url)
    (delivery,) = await serving.deliveries("registrations")
    assert delivery.item["original-ep"] == name  # type: ignore[index]
    await serving.close()
