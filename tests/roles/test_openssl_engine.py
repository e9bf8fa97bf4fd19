"""Devices with OpenSSL for an engine."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lamplighter.services.connect.sessions import store
from lamplighter.settings import Dtls
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.roles.house import (
    NAME,
    PATH,
    notifications,
    registered,
    subscribe,
)
from tests.roles.lwm2m_serving import SETTINGS, Serving


async def test_with_openssl_devices_come_and_go_and_nothing_is_stored(database: Database, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, dtls=Dtls(engine="openssl"))
    serving = Serving(database, tmp_path, settings)
    await serving.start()
    device = await registered(serving)
    await subscribe(serving, device)
    device.notify(PATH, b"22.0")
    await notifications(serving, 1)
    assert (await serving.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert device.dtls.session is not None and device.dtls.session.peer_cid == b""
    assert await store.sessions_of(database, f"psk {ACCOUNT} - {NAME}", 10) == []
    await serving.credentials.delete_key(ACCOUNT, NAME)
    await device.closed
    await serving.close()
