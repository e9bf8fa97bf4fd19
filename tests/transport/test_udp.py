from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import Any

import pytest

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived, ResponseReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.transport.udp import UdpTransport
from lamplighter.transport.udp_client import open_udp_client
from tests.coap.pair import get


def lamp(endpoint: Endpoint) -> Any:
    def answer(event: Any) -> None:
        if isinstance(event, RequestReceived):
            payload = "/".join(event.message.uri_path()).encode()
            endpoint.respond(event, Message(Code.CONTENT, payload=payload), asyncio.get_running_loop().time())

    return answer


async def test_a_request_is_answered_over_a_socket() -> None:
    loop = asyncio.get_running_loop()
    server_core, client_core = Endpoint(Random(1)), Endpoint(Random(2))
    server = UdpTransport(server_core, lamp(server_core))
    server.open("127.0.0.1", 0)
    answered: asyncio.Future[Message] = loop.create_future()
    address = server.socket.address
    client = open_udp_client(
        client_core,
        lambda event: answered.set_result(event.message) if isinstance(event, ResponseReceived) else None,
        *address,
    )
    client_core.request(address, get("3/0"), loop.time())
    client.flush()
    async with asyncio.timeout(5):
        assert (await answered).payload == b"3/0"
    client.close()
    server.close()


class Ticking:
    """A core that wants to be called at a time."""

    def __init__(self, when: float) -> None:
        self.when: float | None = when
        self.events: list[str] = []
        self.outgoing: list[tuple[bytes, Any]] = []

    def receive_datagram(self, data: bytes, peer: Any, now: float) -> None:
        self.events.append(data.decode())

    def handle_timer(self, now: float) -> None:
        assert self.when is not None and now >= self.when - 0.001
        self.when = None
        self.events.append("tick")

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Any]]:
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    def get_timer(self) -> float | None:
        return self.when

    def next_event(self) -> str | None:
        return self.events.pop(0) if self.events else None


async def test_the_core_is_called_when_its_time_has_come() -> None:
    happened: asyncio.Queue[str] = asyncio.Queue()
    transport = UdpTransport(Ticking(asyncio.get_running_loop().time() + 0.01), happened.put_nowait)
    transport.open("127.0.0.1", 0)
    transport.flush()
    async with asyncio.timeout(5):
        assert await happened.get() == "tick"
    transport.close()


async def test_a_handler_that_fails_is_reported_and_stops_nothing() -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context))
    happened: asyncio.Queue[str] = asyncio.Queue()

    def handle(event: str) -> None:
        if event == "bad":
            raise RuntimeError("no")
        happened.put_nowait(event)

    core = Ticking(loop.time() + 1000)
    transport = UdpTransport(core, handle)
    transport.open("127.0.0.1", 0)
    core.events += ["bad", "good"]
    transport.flush()
    loop.set_exception_handler(None)
    assert happened.get_nowait() == "good"
    assert isinstance(reported[0]["exception"], RuntimeError)
    transport.close()
    transport.flush()


async def test_what_is_no_coap_is_logged_once_for_many(caplog: pytest.LogCaptureFixture) -> None:
    core = Endpoint(Random(1))
    server = UdpTransport(core, lambda event: None)
    server.open("127.0.0.1", 0)
    with caplog.at_level(logging.INFO, "lamplighter.transport.udp"):
        for _ in range(5):
            core.receive_datagram(b"\xff", ("192.0.2.1", 5683), 0.0)
            server.flush()
    server.close()
    (record,) = caplog.records
    assert (
        record.getMessage()
        == "messages refused: 1, the last from ('192.0.2.1', 5683): malformed, shorter than a header"
    )
