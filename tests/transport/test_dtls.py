"""Our client against our server over loopback, CoAP above."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived, ResponseReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.dtls import (
    AddressChanged,
    AlertDescription,
    CertificateIdentity,
    CloseReason,
    FailureReason,
    HandshakeFailed,
    Session,
    SessionClosed,
    TrustAnchor,
)
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.transport.datagram_socket import CannotBind
from lamplighter.transport.dtls import Rejected, Verdict
from lamplighter.transport.dtls_client import DtlsClientTransport, HandshakeRefused
from tests.coap.pair import get
from tests.dtls.pair import psk_client
from tests.dtls.pki import device
from tests.dtls.service import Echo, Service, serving


class Device:
    """A simulated device: CoAP on DTLS on its own socket."""

    def __init__(self, config: ClientConfig, seed: int = 1) -> None:
        self.core = Endpoint(Random(seed))
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Queue[CloseReason] = asyncio.Queue()
        self.transport = DtlsClientTransport(config, self.core, self._take, on_close=self.closed.put_nowait)

    def _take(self, event: Any) -> None:
        if isinstance(event, ResponseReceived):
            self.answers.put_nowait(event.message.payload)

    async def ask(self, path: str) -> bytes:
        self.core.request(self.transport.client.session, get(path), asyncio.get_running_loop().time())
        self.transport.flush()
        async with asyncio.timeout(10):
            return await self.answers.get()


MakeDevice = Callable[..., Device]


@pytest.fixture
async def make_device() -> AsyncIterator[MakeDevice]:
    """Makes devices, and closes them at the end of the test."""
    made: list[Device] = []

    def make(*arguments: Any) -> Device:
        made.append(Device(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.transport.close()


def lamp_service(**changes: Any) -> Any:
    endpoint = Endpoint(Random(9))

    def answer(event: Any) -> None:
        if isinstance(event, RequestReceived):
            assert isinstance(event.peer, Session)
            payload = f"{event.peer.credential}: {'/'.join(event.message.uri_path())}".encode()
            endpoint.respond(event, Message(Code.CONTENT, payload=payload), asyncio.get_running_loop().time())

    return serving(endpoint, answer, **changes)


async def test_a_device_with_a_key_is_answered(make_device: MakeDevice) -> None:
    async with lamp_service() as service:
        lamp = make_device(psk_client())
        established = await lamp.transport.connect("127.0.0.1", service.port)
        assert established.cid
        assert await lamp.ask("3/0") == b"credential of lamp-1: 3/0"


async def test_a_device_with_a_certificate_is_answered(make_device: MakeDevice) -> None:
    async with lamp_service() as service:
        credential = device(service.authority)
        config = ClientConfig(
            wall_time=time.time,
            certificate_chain=credential.chain,
            private_key=credential.key,
            trust_anchors=[TrustAnchor.from_der(service.authority.der)],
        )
        lamp = make_device(config)
        await lamp.transport.connect("127.0.0.1", service.port)
        assert await lamp.ask("3/0") == b"a certificate: 3/0"
        identity = service.established[0].identity
        assert isinstance(identity, CertificateIdentity) and len(identity.fingerprints) == 2


async def test_a_rejected_certificate_is_told_and_reported(make_device: MakeDevice) -> None:
    async with lamp_service() as service:

        async def reject(chain: tuple[bytes, ...]) -> Verdict:
            return Rejected(AlertDescription.CERTIFICATE_REVOKED, "on the block-list")

        service.transport._check_certificate = reject
        credential = device(service.authority)
        lamp = make_device(
            ClientConfig(wall_time=time.time, certificate_chain=credential.chain, private_key=credential.key)
        )
        with pytest.raises(HandshakeRefused, match="certificate_revoked"):
            await lamp.transport.connect("127.0.0.1", service.port)
        assert service.failed[0].detail == "on the block-list"


async def test_a_device_keeps_its_session_on_another_socket(make_device: MakeDevice) -> None:
    async with lamp_service() as service:
        lamp = make_device(psk_client())
        await lamp.transport.connect("127.0.0.1", service.port)
        await lamp.ask("1")
        lamp.transport.open("127.0.0.1", service.port)
        assert await lamp.ask("2") == b"credential of lamp-1: 2"
        assert len(service.established) == 1
        assert [type(event) for event in service.happened][1:] == [AddressChanged]


async def test_a_key_that_cannot_be_looked_up_leaves_silence_and_a_report(make_device: MakeDevice) -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context))

    async with lamp_service() as service:

        async def away(identity: bytes) -> None:
            raise ConnectionError("the database is away")

        service.transport._psk_key = away
        lamp = make_device(psk_client())
        attempt = loop.create_task(lamp.transport.connect("127.0.0.1", service.port))
        await service.wait_for(HandshakeFailed)
        assert service.failed[0].reason is FailureReason.ABANDONED
        assert isinstance(reported[0]["exception"], ConnectionError)
        assert not attempt.done()
        lamp.transport.close()
        with pytest.raises(asyncio.CancelledError):
            await attempt
    loop.set_exception_handler(None)


async def test_a_closing_device_is_noticed(make_device: MakeDevice) -> None:
    async with lamp_service() as service:
        lamp = make_device(psk_client())
        await lamp.transport.connect("127.0.0.1", service.port)
        lamp.transport.close()
        await service.wait_for(SessionClosed)
        assert len(service.transport.server.sessions) == 0


async def test_a_session_closed_by_the_server_is_noticed_by_the_device(make_device: MakeDevice) -> None:
    async with lamp_service() as service:
        lamp = make_device(psk_client())
        await lamp.transport.connect("127.0.0.1", service.port)
        service.transport.server.close(service.established[0].session, asyncio.get_running_loop().time())
        service.transport.flush()
        async with asyncio.timeout(5):
            assert await lamp.closed.get() is CloseReason.CLOSE_NOTIFY


async def test_two_hundred_devices_share_a_process(make_device: MakeDevice) -> None:
    async with lamp_service(half_open_network=1000) as service:
        lamps = [make_device(psk_client(), seed) for seed in range(200)]
        await asyncio.gather(*(lamp.transport.connect("127.0.0.1", service.port) for lamp in lamps))
        answers = await asyncio.gather(*(lamp.ask(f"{number}") for number, lamp in enumerate(lamps)))
        assert answers == [b"credential of lamp-1: %d" % number for number in range(200)]
        assert len(service.transport.server.sessions) == 200


async def test_a_port_in_use_is_named() -> None:
    async with serving() as service:
        with pytest.raises(CannotBind, match=str(service.port)):
            service.transport.open("127.0.0.1", service.port)


async def test_a_message_too_large_for_its_peer_is_reported_and_not_sent() -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context))
    async with serving() as service:
        lamp = DtlsClientTransport(psk_client(max_fragment_length=1), Echo(), lambda event: None)
        await lamp.connect("127.0.0.1", service.port)
        assert isinstance(service, Service)
        service.core._answers.append((bytes(513), service.established[0].session))  # type: ignore[attr-defined]
        service.transport.flush()
        lamp.close()
    loop.set_exception_handler(None)
    assert "513 bytes" in reported[0]["message"]


async def test_new_handshakes_are_shed_while_the_loop_runs_behind() -> None:
    async with lamp_service() as service:
        loop = asyncio.get_running_loop()
        service.transport._tick(loop.time() - 1.0)
        assert not service.transport.server.shed
        service.transport._tick(loop.time() - 2.5)
        assert service.transport.server.shed
        service.transport._stop_shedding()
        assert not service.transport.server.shed


async def test_what_is_no_coap_is_logged_once_for_many(caplog: pytest.LogCaptureFixture) -> None:
    async with lamp_service() as service:
        core = service.transport.core
        with caplog.at_level(logging.INFO, "lamplighter.transport.dtls"):
            for _ in range(5):
                core.receive_datagram(b"\xff", ("192.0.2.1", 5683), 0.0)
                service.transport.flush()
    (record,) = caplog.records
    assert (
        record.getMessage()
        == "messages refused: 1, the last from ('192.0.2.1', 5683): malformed, shorter than a header"
    )
