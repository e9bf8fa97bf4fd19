"""Devices that take short records only: what they are sent fits (gateway rule 2.5)."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from pathlib import Path

from lamplighter.coap.blockwise import block_of
from lamplighter.coap.numbers import Code, Option
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.storage.database import Database
from tests.roles.bootstrap_client import VendorClient
from tests.roles.bootstrap_serving import VENDOR, BootstrapServing, finished
from tests.roles.lwm2m_serving import SECRET, Serving

NAME = "my-small-device-01"


async def test_a_device_with_records_of_512_bytes_is_written_and_read_in_blocks_that_fit(
    database: Database, tmp_path: Path
) -> None:
    serving = Serving(database, tmp_path)
    await serving.start()
    (await serving.device_with_key(NAME)).close()
    device = serving.new_device()
    config = ClientConfig(wall_time=time.time, psk_identity=NAME.encode(), psk=SECRET, max_fragment_length=1)
    await device.connect(config, serving.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    device_id = device.location[-1]
    body = bytes(range(256)) * 8
    written = await serving.request(device_id, "PUT", "/3303/0/5700", body, **{"content-type": "text/plain"})
    assert written["status"] == 200 and device.resources["/3303/0/5700"] == body
    read = await serving.request(device_id, "GET", "/3303/0/5700")
    assert read["status"] == 200 and base64.b64decode(read["payload"]) == body
    asked = [message for message in device.requests if message.code == Code.GET]
    assert block_of(asked[0], Option.BLOCK2) == (0, False, 4)
    await serving.close()


async def test_a_device_with_records_of_512_bytes_is_bootstrapped(database: Database, tmp_path: Path) -> None:
    serving = BootstrapServing(database, tmp_path, est=False)
    await serving.start()
    developer = await serving.developer()
    client = VendorClient(serving.changed)
    serving.devices.append(client)
    await client.connect(replace(serving.with_developer(developer), max_fragment_length=1), serving.bootstrap.port)
    assert (await client.bootstrap(**VENDOR)).code == Code.CHANGED
    await finished(client)
    certificate, secret = client.security[3], client.security[5]
    assert isinstance(certificate, bytes) and isinstance(secret, bytes) and len(certificate + secret) > 512
    await serving.close()
