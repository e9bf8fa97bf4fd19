"""A device's new address is confirmed by an answer to what was sent there (gateway rule 2.6)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.roles import below
from lamplighter.storage.database import Database
from tests.roles.lwm2m_serving import Serving

NAME = "my-first-device-01"
BODY = b"x" * 2000
"""Four blocks."""


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
    assert (await serving.request(device.location[-1], "GET", "/1/0/1"))["status"] == 200
    assert session.fallback_address is None
    await serving.close()


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_transfer_goes_on_when_the_device_has_another_address_in_the_middle_of_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(below, "PARAMETERS", replace(below.PARAMETERS, ack_timeout=0.1))
    serving = Serving(database, tmp_path)
    await serving.start()
    device = await serving.device_with_key(NAME)
    assert (await device.register(NAME)).code == Code.CREATED
    (session,) = serving.role.ports.dtls.server.sessions
    receive, datagrams, first = device.endpoint.receive_datagram, 0, session.address

    def from_elsewhere(data: bytes, peer: object, now: float) -> None:
        nonlocal datagrams
        datagrams += 1
        if datagrams == 2:  # a block is acknowledged from there, and the next is too large to be sent there unproved
            device.go_to(serving.role.port)
        receive(data, peer, now)

    device.endpoint.receive_datagram = from_elsewhere  # type: ignore[method-assign]
    device.resources["/1/0/1"] = BODY if method == "GET" else b""
    sent = {} if method == "GET" else {"payload": BODY, "content-type": "text/plain"}
    answer = await serving.request(device.location[-1], method, "/1/0/1", **sent)
    assert answer["status"] == 200
    assert device.resources["/1/0/1"] == BODY
    assert session.address != first and datagrams > 3 and not device.closed.done()
    await serving.close()
