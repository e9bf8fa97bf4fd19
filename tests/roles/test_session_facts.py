"""What an operator is told of a device's session, whichever way the device came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lamplighter.clock import from_rfc3339
from lamplighter.coap.numbers import Code
from lamplighter.roles.session_facts import facts_of
from lamplighter.settings import Dtls
from lamplighter.storage.database import Database
from lamplighter.transport.stream_session import StreamSession
from tests.roles.lwm2m_device import Device
from tests.roles.lwm2m_serving import SETTINGS, Serving

NAME = "my-first-device-01"
BY_OPENSSL = msgspec.structs.replace(SETTINGS, dtls=Dtls(engine="openssl"))


async def facts(serving: Serving, device: Device) -> dict[str, Any]:
    """Of the session that it registers through."""
    assert (await device.register(NAME)).code == Code.CREATED
    (peer,) = serving.connect.attached.by_peer
    return dict(peer.facts)


async def test_a_session_tells_its_suite_its_connection_id_and_its_life(serving: Serving) -> None:
    found = await facts(serving, await serving.device_with_key(NAME))
    (session,) = serving.role.ports.dtls.server.sessions
    assert from_rfc3339(found.pop("connected_at")) <= serving.clock.now()
    assert found.pop("security").startswith("DTLS 1.2, TLS_PSK_WITH_AES_128_")
    assert found == {
        "connection_id": session.cid.hex() or "none",
        "life_of_session": session.incarnation,
        "address_confirmed": True,
        "forged_records": 0,
    }


async def test_a_session_of_openssl_tells_what_is_known_of_it(database: Database, tmp_path: Path) -> None:
    serving = Serving(database, tmp_path, BY_OPENSSL)
    await serving.start()
    found = await facts(serving, await serving.device_with_key(NAME))
    assert found["security"] == "DTLS 1.2, by OpenSSL" and found.keys() == {"security", "connected_at"}
    await serving.close()


async def test_a_device_without_security_is_said_to_have_none(serving: Serving) -> None:
    assert await facts(serving, serving.plain_device()) == {"security": "none, over UDP"}


@pytest.mark.parametrize(("cipher", "security"), [("", "none, over TCP"), ("PSK-AES128-CCM8", "TLS, PSK-AES128-CCM8")])
def test_a_stream_tells_its_suite(cipher: str, security: str) -> None:
    session = StreamSession(("192.0.2.1", 5684), 1_767_225_600.0)
    session.cipher = cipher
    assert facts_of(session) == {"security": security, "connected_at": "2026-01-01T00:00:00.000000Z"}
