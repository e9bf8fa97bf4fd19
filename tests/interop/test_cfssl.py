"""A real CFSSL server as certificate issuer."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.outbound.client import OutboundClient
from lamplighter.services.issuers import issued
from lamplighter.services.issuers.cfssl import Cfssl
from lamplighter.services.issuers.issued import Refused, certification_request
from lamplighter.services.issuers.model import Subject
from tests.outbound.receivers import outbound
from tests.services.issuers.authorities import HMAC_KEY, Signer, authority_of, ca_of

SUBJECT = Subject("street-lamp-1", "a" * 32, "d" * 32)
PROFILE = {"expiry": "720h", "usages": ["digital signature", "client auth"], "auth_key": "lamps"}
CONFIG = {
    "signing": {"default": PROFILE, "profiles": {"short": {**PROFILE, "expiry": "24h"}}},
    "auth_keys": {"lamps": {"type": "standard", "key": HMAC_KEY}},
}
PATIENCE = 20.0


@asynccontextmanager
async def closing(client: OutboundClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await client.close()


@asynccontextmanager
async def cfssl(folder: Path, signer: Signer) -> AsyncIterator[str]:
    """``cfssl serve`` over TLS with the signer's key: its address."""
    program = shutil.which("cfssl")
    if program is None:
        pytest.skip("NOT RUN: no cfssl: golang-cfssl is not installed")
    der, pem = serialization.PrivateFormat.TraditionalOpenSSL, serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(signer.certificate.public_bytes(pem))
    (folder / "ca.key").write_bytes(signer.key.private_bytes(pem, der, serialization.NoEncryption()))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    certificate, key = authority_of(folder).server_files
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        program, "serve", "-address", "127.0.0.1", "-port", str(port), "-ca", "ca.pem", "-ca-key", "ca.key",
        "-config", "config.json", "-tls-cert", str(certificate), "-tls-key", str(key),
        cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while b"Now listening" not in (line := await process.stderr.readline()):
                assert line, "it ended"
        drained = asyncio.create_task(process.stderr.read())
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        await process.wait()
    await drained


async def test_a_real_cfssl_signs_for_the_devices_identity_by_its_profiles(tmp_path: Path) -> None:
    signer = Signer()
    client = OutboundClient(outbound(ca_file=ca_of(tmp_path)))
    key = ec.generate_private_key(ec.SECP256R1())
    request = certification_request(key, Subject("somebody else", "b" * 32, "c" * 32))
    async with cfssl(tmp_path, signer) as url, closing(client):
        chain = await Cfssl(client, {"host_url": url}, {"hmac_hex_key": HMAC_KEY}).issue(SUBJECT, request, 0)
        issued.check(chain, SUBJECT, request, issued.Use.LWM2M_OF_VENDOR, 0)
        leaf, above = (x509.load_der_x509_certificate(each) for each in chain)
        assert {*leaf.subject} == {*issued.name_of(SUBJECT)} and leaf.public_key() == key.public_key()
        assert above == signer.certificate
        short = Cfssl(client, {"host_url": url, "cfssl_profile": "short"}, {"hmac_hex_key": HMAC_KEY})
        sooner = x509.load_der_x509_certificate((await short.issue(SUBJECT, request, 0))[0])
        assert sooner.not_valid_after_utc < leaf.not_valid_after_utc
        with pytest.raises(Refused, match="it says: invalid token"):
            await Cfssl(client, {"host_url": url}, {"hmac_hex_key": "77" * 16}).issue(SUBJECT, request, 0)
