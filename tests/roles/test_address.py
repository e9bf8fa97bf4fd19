"""A device's new address is confirmed by an answer to what was sent there (gateway rule 2.6)."""

from __future__ import annotations

from pathlib import Path

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.storage.database import Database
from tests.roles.lwm2m_serving import Serving

NAME = "my-first-device-01"


async def test_only_an_answer_to_what_was_sent_to_a_new_address_confirms_it(database: Database, tmp_path: Path) -> None:
    serving = Serving(database, tmp_path)
    await serving.start()
    device = await serving.device_with_key(NAME)
    assert (await device.register(NAME)).code == Code.CREATED
    (session,) = serving.role.ports.dtls.server.sessions
    answer = device._answer

    def from_elsewhere(message: Message) -> Message:
        device.go_to(serving.role.port)
        return answer(message)

    device._answer = from_elsewhere  # type: ignore[method-assign]
    assert (await serving.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert session.fallback_address is not None
    device._answer = answer  # type: ignore[method-assign]
    assert (await serving.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert session.fallback_address is None
    await serving.close()
