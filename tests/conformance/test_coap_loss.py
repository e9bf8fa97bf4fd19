"""CoAP plugtest, TD_COAP_CORE: what happens when messages are lost (RFC 7252 section 4.2)."""

from __future__ import annotations

import asyncio

import pytest

from lamplighter.coap.numbers import Code, Type
from tests.conformance.marks import conforms
from tests.conformance.others import AiocoapServer, ask_with_aiocoap, ask_with_libcoap, libcoap_server
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client
from tests.conformance.plugtest_server import PlugtestServer, plugtest_server
from tests.conformance.wire import once

LOST: dict[str, tuple[bool, int]] = {
    "request": (True, Type.CON),
    "acknowledgement": (False, Type.ACK),
    "response": (False, Type.CON),
    "acknowledgement of the response": (True, Type.ACK),
}
"""Whether the client sends it, and its type; of a piggybacked response the acknowledgement is the response."""


@conforms("TD_COAP_CORE_15", peer="aiocoap client")
@pytest.mark.parametrize("lost", ["request", "acknowledgement"])
async def test_a_lost_message_is_made_good_between_aiocoap_and_us(server: PlugtestServer, lost: str) -> None:
    clients, type = LOST[lost]
    server.wire.loses = once(lambda seen: seen.ours != clients and seen.message.type == type)
    assert await ask_with_aiocoap(server.port, "get", "test") == "a lamp"
    assert len(server.wire.lost) == 1
    requests = [seen.message for seen in (*server.wire.lost, *server.wire.seen) if not seen.ours]
    assert len(requests) == 2 and len({request.mid for request in requests}) == 1


@conforms("TD_COAP_CORE_15", peer="aiocoap server")
@pytest.mark.parametrize("lost", ["request", "acknowledgement"])
async def test_a_lost_message_is_made_good_between_us_and_aiocoap(client: PlugtestClient, lost: str) -> None:
    clients, type = LOST[lost]
    client.wire.loses = once(lambda seen: seen.ours == clients and seen.message.type == type)
    assert (await client.get("test")).payload == b"a lamp"
    assert len(client.wire.lost) == 1
    requests = [seen.message for seen in (*client.wire.lost, *client.wire.seen) if seen.ours]
    assert len(requests) == 2 and len({request.mid for request in requests}) == 1


@conforms("TD_COAP_CORE_15", peer="libcoap client, libcoap server")
async def test_lost_requests_and_responses_are_made_good_between_libcoap_and_us() -> None:
    async def lose_theirs(server: PlugtestServer) -> None:
        server.wire.loses = once(lambda seen: not seen.ours)
        assert await ask_with_libcoap(server.port, "get", "test") == "a lamp"
        assert len(server.wire.lost) == 1

    async def lose_ours(server: PlugtestServer) -> None:
        server.wire.loses = once(lambda seen: seen.ours)
        assert await ask_with_libcoap(server.port, "get", "test") == "a lamp"
        assert len(server.wire.lost) == 1

    async def ask_libcoap(lose_ours: bool, port: int) -> None:
        async with plugtest_client(port) as client:
            client.wire.loses = once(lambda seen: seen.ours == lose_ours)
            assert (await client.get("time")).code == Code.CONTENT
            assert len(client.wire.lost) == 1

    async with plugtest_server() as first, plugtest_server() as second, libcoap_server() as theirs:
        await asyncio.gather(
            lose_theirs(first), lose_ours(second), ask_libcoap(True, theirs.port), ask_libcoap(False, theirs.port)
        )


@conforms("TD_COAP_CORE_16", peer="aiocoap client")
@pytest.mark.parametrize("lost", LOST)
async def test_every_lost_message_of_a_separate_response_is_made_good_between_aiocoap_and_us(
    server: PlugtestServer, lost: str
) -> None:
    clients, type = LOST[lost]
    server.wire.loses = once(lambda seen: seen.ours != clients and seen.message.type == type)
    assert await ask_with_aiocoap(server.port, "get", "separate") == "a lamp"
    assert len(server.wire.lost) == 1


@conforms("TD_COAP_CORE_16", peer="aiocoap server")
@pytest.mark.parametrize("lost", LOST)
async def test_every_lost_message_of_a_separate_response_is_made_good_between_us_and_aiocoap(
    theirs: AiocoapServer, client: PlugtestClient, lost: str
) -> None:
    clients, type = LOST[lost]
    client.wire.listeners.append(theirs.separate.look)
    client.wire.loses = once(lambda seen: seen.ours == clients and seen.message.type == type)
    assert (await client.get("separate")).payload == b"a lamp"
    wire = client.wire
    if type == Type.ACK and clients:
        # Ours was lost: theirs comes again, and is acknowledged again.
        await client.until(lambda: sum(each.type == Type.ACK for each in wire.ours) == 1)
    assert len(wire.lost) == 1
    if lost == "acknowledgement":
        # The response has stopped the repetition of the request (RFC 7252 section 5.2.2).
        requests = [each for each in wire.ours if each.type == Type.CON]
        assert len(requests) <= 2
