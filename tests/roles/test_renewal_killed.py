"""A renewal over the air whose server is killed in the middle of it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.outbound.receivers import LOOPBACK
from tests.roles.killed import PATIENCE, Server
from tests.roles.vendor_fleet import Held, cfssl_issuer, switched_on
from tests.servers import free_port
from tests.services.issuers.authorities import CfsslServer, Signer, ca_of, listening

DLMS = "customer.dlms"


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
    async with listening(CfsslServer(Signer()), tmp_path) as receiver:
        held = Held(receiver)
        await server.start()
        async with server.client() as client:
            async with switched_on(client.request, bootstrap), asyncio.timeout(PATIENCE * 3):
                while not (devices := (await client.get("/v2/endpoints")).json()):
                    pass  # each look takes its time
                await cfssl_issuer(client.request, receiver.url("localhost", ""), DLMS)
                begun = await client.post(f"/v3/devices/{devices[0]['name']}/certificates/{DLMS}/renew")
                assert begun.status_code == 201, begun.text
                await held.asked.wait()
                await server.stop(signal.SIGKILL)
                held.go_on.set()
                await server.start()
                place = f"/v3/certificate-enrollments/{begun.json()['id']}"
                while (found := (await client.get(place)).json())["enroll_status"] != "completed":
                    pass
                assert found["enroll_result"] == "success", found
        await server.stop(signal.SIGTERM)
        await server.close()
