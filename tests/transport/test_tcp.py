"""Plain TCP over loopback."""

from __future__ import annotations

import asyncio
import logging

import pytest

from lamplighter.coap.framing import Framing
from lamplighter.transport.refusal_log import EVERY
from lamplighter.transport.stream_session import StreamClosed, StreamEstablished, StreamLimits, StreamSession
from lamplighter.transport.tcp_client import TcpClientTransport
from tests.transport.stream_service import LARGE, PATIENCE, StreamDevice, serving


@pytest.mark.parametrize("framing", [Framing.PREFIX, Framing.RFC8323])
async def test_a_device_is_answered_in_its_own_framing(framing: Framing) -> None:
    async with serving(secure=False) as service:
        lamp = StreamDevice(None, framing)
        await lamp.connect(service)
        assert await lamp.ask("3") == b": 3"
        assert await lamp.ask("large") == LARGE
        assert service.core.framing_of(service.established[0]) is framing
        assert service.transport.half_open.count == 0
        lamp.transport.close()
        await service.wait_for(StreamClosed)


async def test_a_broken_connection_is_noticed() -> None:
    async with serving(secure=False) as service:
        lamp = StreamDevice(None, Framing.PREFIX)
        await lamp.connect(service)
        await lamp.ask("3")
        assert isinstance(lamp.transport, TcpClientTransport)
        lamp.transport.abort()
        await service.wait_for(StreamClosed)
        assert service.established[0].closed
        assert not service.transport.connections


async def test_a_connection_counts_as_half_open_until_it_says_something_and_is_closed_when_it_does_not() -> None:
    async with serving(secure=False, limits=StreamLimits(opening=0.05)) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        await service.wait_for(StreamEstablished)
        assert service.transport.half_open.count == 1
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        await service.wait_for(StreamClosed)
        assert service.closed == ["the peer said nothing"]
        assert service.transport.half_open.count == 0
        writer.close()


async def test_what_is_no_coap_is_closed_counted_and_logged_once_for_many(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lamplighter.transport.stream"):
        async with serving(secure=False) as service:
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    assert await reader.read() == b""
                writer.close()
            assert [count for count in service.core.refusals.counts.values() if count] == [3]
            assert len(caplog.records) == 1
            service.transport._refusals.look(service.transport.now() + EVERY)
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [1, 2]


def test_a_session_shows_where_it_comes_from() -> None:
    assert "192.0.2.1" in repr(StreamSession(("192.0.2.1", 1), 0.0))
