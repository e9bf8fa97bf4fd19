"""Webhooks where roles are processes of their own: one takes the registration, another delivers."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2

from lamplighter.bus.outbox import append
from lamplighter.clock import SystemClock
from lamplighter.roles.process import Process
from lamplighter.services.certificates.service import Authority
from lamplighter.services.connect import events
from tests.outbound.receivers import LOOPBACK, receiving
from tests.roles.serving import settings_for

CALLBACK = "/v2/notification/callback"
DEVICE = "0" * 31 + "d"


async def test_what_the_api_registers_a_worker_delivers_and_shows_its_certificate(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_for(
        database_url, outbound={"allowed_networks": LOOPBACK, "ca_file": str(tmp_path / "pki/ca.pem")}
    )
    Authority(tmp_path / "pki", SystemClock().now())  # outbound.ca_file must be there at the start
    api, worker = Process(tmp_path, settings, "api"), Process(tmp_path, settings, "worker")
    await api.start()
    await worker.start()
    key = api.folder.admin_key.read_text().strip()
    trusted = ssl.create_default_context(cafile=str(tmp_path / "pki/ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "pki/server.pem", tmp_path / "pki/server.key")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cafile=str(tmp_path / "pki/ca.pem"))
    try:
        async with (
            receiving(tls=tls) as receiver,
            httpx2.AsyncClient(base_url=f"https://localhost:{api.port}", verify=trusted, timeout=20) as client,
        ):
            headers = {"Authorization": f"Bearer {key}"}
            made = await client.put(CALLBACK, headers=headers, json={"url": receiver.url("localhost")})
            assert made.status_code == 204, made.text
            account = (await client.get("/v3/accounts/me", headers=headers)).json()["id"]
            item = {"ep": DEVICE, "original-ep": "lamp", "ept": "", "q": False, "resources": []}
            async with api.database.transaction() as transaction:
                await append(transaction, events.registered(account, DEVICE, SystemClock().now(), item, "lamp"))
            requests = await receiver.got(2)
            assert b'"registrations"' in requests[1].body
            assert len(set(receiver.certificates)) == 1
    finally:
        await worker.close()
        await api.close()
