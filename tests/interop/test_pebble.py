"""A real ACME server as certificate issuer: Pebble, which finds by HTTP and a name server of its own that names are ours."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.outbound.receivers import LOOPBACK
from tests.roles.serving import Serving, settings_for
from tests.servers import free_port
from tests.services.issuers.authorities import authority_of, ca_of

EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
PATIENCE = 20.0
PATH = "/v3/certificate-issuers"


@asynccontextmanager
async def running(ready: bytes, *command: str, **environment: str) -> AsyncIterator[None]:
    """A program that says on standard output when it is ready."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while ready not in (line := await process.stdout.readline()):
                assert line, f"{command[0]} ended"
        drained = asyncio.create_task(process.stdout.read())
        yield
    finally:
        process.kill()
        await process.wait()
    await drained


@asynccontextmanager
async def pebble(folder: Path, http_port: int) -> AsyncIterator[str]:
    """Pebble over TLS, which wants an external account and refuses a nonce now and then: the URL of its directory.

    :param http_port: where it looks for challenges, whatever the name
    """
    for program in ("pebble", "pebble-challtestsrv"):
        if shutil.which(program) is None:
            pytest.skip(f"NOT RUN: no {program}: pebble is not installed")
    certificate, key = authority_of(folder).server_files
    names, management, port = (f"127.0.0.1:{free_port()}" for _ in range(3))
    config = {
        "listenAddress": port,
        "managementListenAddress": management,
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": http_port,
        "tlsPort": free_port(),
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {"lamps": EAB_KEY},
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    off = [f"-{each}=" for each in ("http01", "https01", "tlsalpn01")]
    away = ["-defaultIPv6", "", "-management", f"127.0.0.1:{free_port()}"]
    command = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", names]
    async with AsyncExitStack() as programs:
        server = running(b"Starting management server", "pebble-challtestsrv", "-dns01", names, *off, *away)
        await programs.enter_async_context(server)
        await programs.enter_async_context(
            running(b"ACME directory available", *command, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="30")
        )
        yield f"https://localhost:{port.rpartition(':')[2]}/dir"


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_real_acme_server_finds_that_a_name_is_ours_and_certifies_it(database_url: str, tmp_path: Path) -> None:
    plain = free_port()
    outbound = {"allowed_networks": LOOPBACK, "ca_file": ca_of(tmp_path)}
    settings = settings_for(database_url, http={"plain_port": plain}, outbound=outbound)
    serving = Serving(tmp_path / "data", settings)
    await serving.start()
    own = (await serving.call("GET", "/v3/accounts/me")).json()["id"]
    await serving.close()
    domains = msgspec.structs.replace(settings.issuers, acme_domains=(f"lamps.test={own}",))
    serving = Serving(tmp_path / "data", msgspec.structs.replace(settings, issuers=domains))
    await serving.start()
    try:
        async with pebble(tmp_path, plain) as directory_url:
            body: dict[str, Any] = {
                "issuer_type": "ACME",
                "name": "pebble",
                "issuer_attributes": {"directory_url": directory_url, "acme_test_name": "probe.lamps.test"},
                "issuer_credentials": {"eab_key_id": "lamps", "eab_hmac_key": EAB_KEY},
            }
            place = f"{PATH}/{(await serving.call('POST', PATH, json=body)).json()['id']}"
            for _ in range(2):  # with the same account
                verified = (await serving.call("POST", f"{place}/verify")).json()
                assert verified["successful"], verified

            stranger = {"issuer_credentials": {**body["issuer_credentials"], "eab_key_id": "strangers"}}
            assert (await serving.call("PUT", place, json=stranger)).status_code == 200
            verified = (await serving.call("POST", f"{place}/verify")).json()
            assert not verified["successful"] and "key that is not known" in verified["message"], verified
    finally:
        await serving.close()
