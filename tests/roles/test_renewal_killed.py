"""A renewal over the air whose server is killed in the middle of it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from lamplighter.roles.fleet import Conduct, Profile, Summary, developer_account, run_fleet
from tests.outbound.receivers import LOOPBACK
from tests.roles.killed import PATIENCE, Server
from tests.servers import free_port
from tests.services.issuers.authorities import HMAC_KEY, CfsslServer, Signer, ca_of, listening


async def test_a_renewal_goes_on_after_a_kill_between_the_issuer_and_the_device(
    database_url: str, tmp_path: Path
) -> None:
    bootstrap = free_port()
    server = Server(
        tmp_path / "data",
        database_url,
        OUTBOUND_CA_FILE=ca_of(tmp_path),
        OUTBOUND_ALLOWED_NETWORKS=",".join(LOOPBACK),
        BOOTSTRAP_PORT=bootstrap,
        ISSUERS_BUSY_WAIT=0,
    )
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with listening(CfsslServer(Signer()), tmp_path) as receiver:
        answers = receiver.script

        async def slowly(request: Any, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await go_on.wait()
            await answers(request, writer)

        receiver.script = slowly
        await server.start()
        stop, summaries = asyncio.Event(), list[Summary]()
        async with server.client() as client:
            made = (await client.post("/v3/developer-certificates", json={"name": "killed"})).json()
            authority = (await client.get("/v3/server-credentials/bootstrap")).json()
            account = developer_account(
                made["developer_certificate"],
                made["developer_private_key"],
                authority["server_certificate"],
                f"coaps://127.0.0.1:{bootstrap}?aid={made['account_id']}",
            )
            conduct = Conduct(profile=Profile.VENDOR, bootstraps=True)
            fleet = asyncio.create_task(
                run_fleet(
                    [account], "127.0.0.1", bootstrap, seed=0, stop=stop, report=summaries.append, conduct=conduct
                )
            )
            try:
                async with asyncio.timeout(PATIENCE):
                    while not (devices := (await client.get("/v2/endpoints")).json()):
                        pass  # each look takes its time
                device_id = devices[0]["name"]
                issuer = {
                    "issuer_type": "CFSSL_AUTH",
                    "name": "slow",
                    "issuer_attributes": {"host_url": receiver.url("localhost", "")},
                    "issuer_credentials": {"hmac_hex_key": HMAC_KEY},
                }
                made = (await client.post("/v3/certificate-issuers", json=issuer)).json()
                body = {"reference": "customer.dlms", "certificate_issuer_id": made["id"]}
                assert (await client.post("/v3/certificate-issuer-configurations", json=body)).is_success
                begun = await client.post(f"/v3/devices/{device_id}/certificates/customer.dlms/renew")
                assert begun.status_code == 201, begun.text
                await asked.wait()
                await server.stop(signal.SIGKILL)
                go_on.set()
                await server.start()
                place = f"/v3/certificate-enrollments/{begun.json()['id']}"
                async with asyncio.timeout(PATIENCE * 3):
                    while (found := (await client.get(place)).json())["enroll_status"] != "completed":
                        pass
                assert found["enroll_result"] == "success", found
            finally:
                stop.set()
                await fleet
        await server.stop(signal.SIGTERM)
        await server.close()
