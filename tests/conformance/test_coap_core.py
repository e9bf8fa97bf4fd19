"""CoAP plugtest, TD_COAP_CORE: requests, responses and what happens when messages are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from tests.conformance.marks import conforms
from tests.conformance.others import (
    CLIENTS,
    AiocoapServer,
    Separate,
    aiocoap_server,
    ask_with_aiocoap,
    ask_with_libcoap,
    libcoap_server,
)
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client
from tests.conformance.plugtest_server import XML, PlugtestServer, plugtest_server
from tests.conformance.wire import Seen, once

ETAG, IF_MATCH, IF_NONE_MATCH = int(Option.ETAG), int(Option.IF_MATCH), int(Option.IF_NONE_MATCH)
client_of_others = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture
async def server() -> AsyncIterator[PlugtestServer]:
    async with plugtest_server(ack_timeout=0.2) as server:
        yield server


@pytest.fixture
async def aiocoap() -> AsyncIterator[AiocoapServer]:
    async with aiocoap_server() as server:
        yield server


@pytest.fixture
async def asking_aiocoap(aiocoap: AiocoapServer) -> AsyncIterator[PlugtestClient]:
    async with plugtest_client(aiocoap.port) as client:
        yield client


def piggybacked(server: PlugtestServer) -> tuple[Message, Message]:
    """The only request and its response, which came in the acknowledgement, under the same token."""
    (request,), (response,) = server.wire.theirs, server.wire.ours
    assert request.type == Type.CON
    assert (response.type, response.mid, response.token) == (Type.ACK, request.mid, request.token)
    return request, response


METHODS = [
    ("get", Code.GET, Code.CONTENT),
    ("delete", Code.DELETE, Code.DELETED),
    ("put", Code.PUT, Code.CHANGED),
    ("post", Code.POST, Code.CREATED),
]


@conforms(
    "TD_COAP_CORE_01",
    "TD_COAP_CORE_02",
    "TD_COAP_CORE_03",
    "TD_COAP_CORE_04",
    peer="aiocoap client, libcoap client",
)
@client_of_others
@pytest.mark.parametrize(("method", "code", "expected"), METHODS)
async def test_a_confirmable_request_is_answered_in_the_acknowledgement(
    server: PlugtestServer, client: str, method: str, code: Code, expected: Code
) -> None:
    payload = b"a payload" if method in ("put", "post") else b""
    shown = await CLIENTS[client](server.port, method, "test", payload)
    request, response = piggybacked(server)
    assert (request.code, request.uri_path(), request.payload) == (code, ("test",), payload)
    assert response.code == expected
    if method == "get":
        assert (shown, response.content_format) == ("a lamp", ContentFormat.TEXT)


@conforms(
    "TD_COAP_CORE_05",
    "TD_COAP_CORE_06",
    "TD_COAP_CORE_07",
    "TD_COAP_CORE_08",
    peer="aiocoap client, libcoap client",
)
@client_of_others
@pytest.mark.parametrize(("method", "code", "expected"), METHODS)
async def test_a_non_confirmable_request_is_answered_so_too(
    server: PlugtestServer, client: str, method: str, code: Code, expected: Code
) -> None:
    payload = b"a payload" if method in ("put", "post") else b""
    shown = await CLIENTS[client](server.port, method, "test", payload, confirmable=False)
    (request,), (response,) = server.wire.theirs, server.wire.ours
    assert (request.type, request.code, request.payload) == (Type.NON, code, payload)
    assert (response.type, response.code, response.token) == (Type.NON, expected, request.token)
    assert method != "get" or shown == "a lamp"


@conforms(
    "TD_COAP_CORE_01",
    "TD_COAP_CORE_02",
    "TD_COAP_CORE_03",
    "TD_COAP_CORE_04",
    "TD_COAP_CORE_05",
    "TD_COAP_CORE_06",
    "TD_COAP_CORE_07",
    "TD_COAP_CORE_08",
    peer="aiocoap server",
)
@pytest.mark.parametrize("confirmable", [True, False])
@pytest.mark.parametrize(("method", "code", "expected"), METHODS)
async def test_our_requests_are_answered_by_aiocoap(
    asking_aiocoap: PlugtestClient, confirmable: bool, method: str, code: Code, expected: Code
) -> None:
    payload = b"a payload" if method in ("put", "post") else b""
    answer = await asking_aiocoap.ask(code, "test", payload, confirmable=confirmable)
    assert answer.code == expected
    assert method != "get" or answer.payload == b"a lamp"
    (request,) = asking_aiocoap.wire.ours
    assert (request.type, answer.type) == ((Type.CON, Type.ACK) if confirmable else (Type.NON, Type.NON))


@conforms(
    "TD_COAP_CORE_01",
    "TD_COAP_CORE_02",
    "TD_COAP_CORE_03",
    "TD_COAP_CORE_05",
    "TD_COAP_CORE_06",
    "TD_COAP_CORE_07",
    peer="libcoap server",
)
@pytest.mark.parametrize("confirmable", [True, False])
async def test_our_requests_are_answered_by_libcoap(confirmable: bool) -> None:
    async with libcoap_server() as server, plugtest_client(server.port) as client:
        answers = [
            await client.ask(code, "test", payload, confirmable=confirmable)
            for code, payload in (
                (Code.PUT, b"a lamp"),
                (Code.PUT, b"a light"),
                (Code.GET, b""),
                (Code.DELETE, b""),
                (Code.GET, b""),
            )
        ]
    codes = [Code.CREATED, Code.CHANGED, Code.CONTENT, Code.DELETED, Code.NOT_FOUND]
    assert [answer.code for answer in answers] == codes
    assert answers[2].payload == b"a light"
    assert {answer.type for answer in answers} == {Type.ACK if confirmable else Type.NON}


@conforms("TD_COAP_CORE_09", "TD_COAP_CORE_11", peer="aiocoap client, libcoap client")
@client_of_others
async def test_a_separate_response_follows_an_empty_acknowledgement(server: PlugtestServer, client: str) -> None:
    assert await CLIENTS[client](server.port, "get", "separate") == "a lamp"
    request, *acknowledged = server.wire.theirs
    acknowledgement, response = server.wire.ours
    assert (acknowledgement.type, acknowledgement.code, acknowledgement.mid) == (Type.ACK, Code.EMPTY, request.mid)
    assert (response.type, response.code, response.token) == (Type.CON, Code.CONTENT, request.token)
    assert 1 <= len(response.token) <= 8
    assert [(each.type, each.code, each.mid) for each in acknowledged] == [(Type.ACK, Code.EMPTY, response.mid)]


@conforms("TD_COAP_CORE_09", "TD_COAP_CORE_11", peer="aiocoap server")
async def test_a_separate_response_of_aiocoap_is_taken_and_acknowledged(
    aiocoap: AiocoapServer, asking_aiocoap: PlugtestClient
) -> None:
    release_on_acknowledgement(aiocoap, asking_aiocoap)
    answer = await asking_aiocoap.get("separate")
    request, acknowledgement = asking_aiocoap.wire.ours
    assert (answer.type, answer.code, answer.token) == (Type.CON, Code.CONTENT, request.token)
    assert answer.payload == b"a lamp" and 1 <= len(answer.token) <= 8
    assert (acknowledgement.type, acknowledgement.code) == (Type.ACK, Code.EMPTY)


@conforms("TD_COAP_CORE_09", "TD_COAP_CORE_11", peer="libcoap server")
async def test_a_separate_response_of_libcoap_is_taken_and_acknowledged() -> None:
    async with libcoap_server() as server, plugtest_client(server.port) as client:
        answer = await client.get("async?1")
        request, acknowledgement = client.wire.ours
        assert (answer.type, answer.code, answer.payload) == (Type.CON, Code.CONTENT, b"done")
        assert answer.token == request.token and acknowledgement.type == Type.ACK


def release_on_acknowledgement(aiocoap: AiocoapServer, client: PlugtestClient) -> None:
    """The separate response is made once its request was acknowledged."""
    separate = aiocoap.resources["separate"]
    assert isinstance(separate, Separate)

    def look(seen: Seen) -> None:
        if not seen.ours and (seen.message.type, seen.message.code) == (Type.ACK, Code.EMPTY):
            separate.release.set()

    client.wire.listeners.append(look)


@conforms("TD_COAP_CORE_10", peer="aiocoap server, libcoap server")
@pytest.mark.parametrize("token", [b"\x01", b"12345678"])
async def test_our_token_comes_back(aiocoap: AiocoapServer, token: bytes) -> None:
    async with libcoap_server() as libcoap:
        for port, path in ((aiocoap.port, "test"), (libcoap.port, "time")):
            async with plugtest_client(port) as client:
                answer = await client.get(path, token=token)
                assert (answer.code, answer.token) == (Code.CONTENT, token)


@conforms("TD_COAP_CORE_10", peer="libcoap client")
@pytest.mark.parametrize("token", ["1", "12345678"])
async def test_a_token_of_libcoap_goes_back(server: PlugtestServer, token: str) -> None:
    assert await ask_with_libcoap(server.port, "get", "test", more=("-T", token)) == "a lamp"
    _, response = piggybacked(server)
    assert len(response.token) == len(token)


@conforms("TD_COAP_CORE_10", peer="aiocoap client")
async def test_a_token_of_aiocoap_goes_back(server: PlugtestServer) -> None:
    assert await ask_with_aiocoap(server.port, "get", "test") == "a lamp"
    _, response = piggybacked(server)
    assert 1 <= len(response.token) <= 8


@conforms("TD_COAP_CORE_12", peer="aiocoap server, libcoap server")
async def test_our_request_without_a_token_is_answered_without(aiocoap: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port, path in ((aiocoap.port, "test"), (libcoap.port, "time")):
            async with plugtest_client(port) as client:
                answer = await client.get(path, token=b"")
                assert (answer.code, answer.token) == (Code.CONTENT, b"")


@conforms("TD_COAP_CORE_13", peer="aiocoap client, libcoap client")
@client_of_others
async def test_each_segment_of_a_path_is_an_option(server: PlugtestServer, client: str) -> None:
    assert await CLIENTS[client](server.port, "get", "seg1/seg2/seg3") == "a lamp"
    request, _ = piggybacked(server)
    assert request.all(Option.URI_PATH) == [b"seg1", b"seg2", b"seg3"]


@conforms("TD_COAP_CORE_13", peer="aiocoap server")
async def test_our_path_of_several_segments_leads_to_the_resource(asking_aiocoap: PlugtestClient) -> None:
    assert (await asking_aiocoap.get("seg1/seg2/seg3")).payload == b"a lamp"
    assert asking_aiocoap.wire.ours[0].all(Option.URI_PATH) == [b"seg1", b"seg2", b"seg3"]


QUERY = "first=1&second=2&third=3"


@conforms("TD_COAP_CORE_14", peer="aiocoap client, libcoap client")
@client_of_others
async def test_each_argument_of_a_query_is_an_option(server: PlugtestServer, client: str) -> None:
    assert await CLIENTS[client](server.port, "get", f"query?{QUERY}") == QUERY
    request, _ = piggybacked(server)
    assert request.uri_query() == ("first=1", "second=2", "third=3")


@conforms("TD_COAP_CORE_14", peer="aiocoap server")
async def test_our_query_of_several_arguments_arrives(asking_aiocoap: PlugtestClient) -> None:
    assert (await asking_aiocoap.get(f"query?{QUERY}")).payload == QUERY.encode()


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
async def test_a_lost_message_is_made_good_between_us_and_aiocoap(asking_aiocoap: PlugtestClient, lost: str) -> None:
    clients, type = LOST[lost]
    asking_aiocoap.wire.loses = once(lambda seen: seen.ours == clients and seen.message.type == type)
    assert (await asking_aiocoap.get("test")).payload == b"a lamp"
    assert len(asking_aiocoap.wire.lost) == 1
    requests = [seen.message for seen in (*asking_aiocoap.wire.lost, *asking_aiocoap.wire.seen) if seen.ours]
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
    aiocoap: AiocoapServer, asking_aiocoap: PlugtestClient, lost: str
) -> None:
    clients, type = LOST[lost]
    release_on_acknowledgement(aiocoap, asking_aiocoap)
    asking_aiocoap.wire.loses = once(lambda seen: seen.ours == clients and seen.message.type == type)
    assert (await asking_aiocoap.get("separate")).payload == b"a lamp"
    wire = asking_aiocoap.wire
    if type == Type.ACK and clients:
        # Ours was lost: theirs comes again, and is acknowledged again.
        await asking_aiocoap.until(lambda: sum(each.type == Type.ACK for each in wire.ours) == 1)
    assert len(wire.lost) == 1
    if lost == "acknowledgement":
        # The response has stopped the repetition of the request (RFC 7252 section 5.2.2).
        requests = [each for each in wire.ours if each.type == Type.CON]
        assert len(requests) <= 2


@conforms("TD_COAP_CORE_17", peer="aiocoap client, libcoap client")
@client_of_others
async def test_a_late_response_to_a_non_confirmable_request_is_not_announced(
    server: PlugtestServer, client: str
) -> None:
    assert await CLIENTS[client](server.port, "get", "separate", confirmable=False) == "a lamp"
    (response,) = server.wire.ours
    assert (response.type, response.code) == (Type.NON, Code.CONTENT)


@conforms("TD_COAP_CORE_17", peer="libcoap server")
async def test_a_late_non_confirmable_response_of_libcoap_is_taken() -> None:
    async with libcoap_server() as server, plugtest_client(server.port) as client:
        answer = await client.get("async?1", confirmable=False)
        assert answer.payload == b"done"
        assert [each.type for each in client.wire.ours][0] == Type.NON
        assert not any(each.type == Type.ACK for each in client.wire.theirs)


@conforms("TD_COAP_CORE_18", peer="aiocoap client, libcoap client")
@client_of_others
async def test_a_location_has_an_option_for_each_segment(server: PlugtestServer, client: str) -> None:
    await CLIENTS[client](server.port, "post", "test", b"a payload")
    _, response = piggybacked(server)
    assert (response.code, response.location_path()) == (Code.CREATED, ("location1", "location2", "location3"))


@conforms("TD_COAP_CORE_18", "TD_COAP_CORE_19", peer="aiocoap server")
async def test_a_location_told_by_aiocoap_is_read(asking_aiocoap: PlugtestClient) -> None:
    answer = await asking_aiocoap.ask(Code.POST, "test", b"a payload")
    assert (answer.code, answer.location_path()) == (Code.CREATED, ("location1", "location2", "location3"))
    answer = await asking_aiocoap.ask(Code.POST, "location-query", b"a payload")
    assert (answer.code, answer.all(Option.LOCATION_QUERY)) == (Code.CREATED, [b"first=1", b"second=2"])


@conforms("TD_COAP_CORE_19", peer="aiocoap client, libcoap client")
@client_of_others
async def test_a_location_has_an_option_for_each_argument(server: PlugtestServer, client: str) -> None:
    await CLIENTS[client](server.port, "post", "location-query", b"a payload")
    _, response = piggybacked(server)
    assert (response.code, response.all(Option.LOCATION_QUERY)) == (Code.CREATED, [b"first=1", b"second=2"])


FORMATS = [(ContentFormat.TEXT, b"a lamp"), (ContentFormat.XML, XML)]


@conforms("TD_COAP_CORE_20", peer="aiocoap client, libcoap client")
@client_of_others
@pytest.mark.parametrize(("accept", "expected"), FORMATS)
async def test_accept_chooses_the_format(server: PlugtestServer, client: str, accept: int, expected: bytes) -> None:
    accepting = [(int(Option.ACCEPT), bytes((accept,)) if accept else b"")]
    assert await CLIENTS[client](server.port, "get", "multi-format", options=accepting) == expected.decode()
    request, response = piggybacked(server)
    assert request.accept == response.content_format == accept


@conforms("TD_COAP_CORE_20", peer="aiocoap server")
@pytest.mark.parametrize(("accept", "expected"), FORMATS)
async def test_our_accept_chooses_the_format(asking_aiocoap: PlugtestClient, accept: int, expected: bytes) -> None:
    accepting = [(int(Option.ACCEPT), bytes((accept,)) if accept else b"")]
    answer = await asking_aiocoap.get("multi-format", options=accepting)
    assert (answer.content_format, answer.payload) == (accept, expected)


@conforms("TD_COAP_CORE_21", peer="aiocoap client, libcoap client")
@client_of_others
async def test_a_value_with_a_known_etag_is_not_sent_again(server: PlugtestServer, client: str) -> None:
    ask = CLIENTS[client]
    assert await ask(server.port, "get", "validate") == "a lamp"
    etag = server.wire.ours[-1].etag
    assert etag
    assert await ask(server.port, "get", "validate", options=[(ETAG, etag)]) == ""
    assert (server.wire.ours[-1].code, server.wire.ours[-1].etag) == (Code.VALID, etag)
    await ask(server.port, "put", "validate", b"a light")
    assert await ask(server.port, "get", "validate", options=[(ETAG, etag)]) == "a light"
    assert server.wire.ours[-1].code == Code.CONTENT and server.wire.ours[-1].etag != etag


@conforms("TD_COAP_CORE_21", "TD_COAP_CORE_22", peer="aiocoap server")
async def test_our_etag_asks_whether_a_value_is_valid_and_our_if_match_guards_it(
    asking_aiocoap: PlugtestClient,
) -> None:
    first = await asking_aiocoap.get("validate")
    assert first.etag
    again = await asking_aiocoap.get("validate", options=[(ETAG, first.etag)])
    assert (again.code, again.payload, again.etag) == (Code.VALID, b"", first.etag)
    guarded = await asking_aiocoap.ask(Code.PUT, "validate", b"a light", options=[(IF_MATCH, first.etag)])
    assert guarded.code == Code.CHANGED
    second = await asking_aiocoap.get("validate", options=[(ETAG, first.etag)])
    assert (second.code, second.payload) == (Code.CONTENT, b"a light") and second.etag != first.etag
    assert (await asking_aiocoap.ask(Code.PUT, "validate", b"a candle")).code == Code.CHANGED
    assert second.etag is not None
    late = await asking_aiocoap.ask(Code.PUT, "validate", b"a torch", options=[(IF_MATCH, second.etag)])
    assert late.code == Code.PRECONDITION_FAILED
    assert (await asking_aiocoap.get("validate")).payload == b"a candle"


@conforms("TD_COAP_CORE_23", peer="aiocoap server")
async def test_our_if_none_match_creates_once(asking_aiocoap: PlugtestClient) -> None:
    answers = [
        await asking_aiocoap.ask(Code.PUT, "create1", payload, options=[(IF_NONE_MATCH, b"")])
        for payload in (b"first", b"second")
    ]
    assert [answer.code for answer in answers] == [Code.CREATED, Code.PRECONDITION_FAILED]
    assert (await asking_aiocoap.get("create1")).payload == b"first"


@conforms("TD_COAP_CORE_22", "TD_COAP_CORE_23", peer="libcoap client")
@pytest.mark.parametrize("condition", [(IF_MATCH, b"\x01"), (IF_NONE_MATCH, b"")])
async def test_a_condition_that_we_do_not_check_is_refused_and_nothing_changes(
    server: PlugtestServer, condition: tuple[int, bytes]
) -> None:
    await ask_with_libcoap(server.port, "put", "validate", b"a light", options=[condition])
    _, response = piggybacked(server)
    assert response.code == Code.BAD_OPTION
    assert server.resources["validate"].payload == b"a lamp"


@conforms("TD_COAP_CORE_31", peer="aiocoap server, libcoap server")
async def test_our_ping_is_answered(aiocoap: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port in (aiocoap.port, libcoap.port):
            async with plugtest_client(port) as client:
                await client.ping()
                (ping, pong) = client.wire.ours[-1], client.wire.theirs[-1]
                assert len(ping.encode()) == len(pong.encode()) == 4
                assert (ping.type, pong.type, ping.mid) == (Type.CON, Type.RST, pong.mid)


@conforms("TD_COAP_CORE_31", peer="libcoap client")
async def test_a_ping_of_libcoap_is_answered(server: PlugtestServer) -> None:
    await ask_with_libcoap(server.port, "get", "obs", more=("-K", "1", "-s", "2"))
    pings = [each.mid for each in server.wire.theirs if each.type == Type.CON and each.code == Code.EMPTY]
    assert pings and pings == [each.mid for each in server.wire.ours if each.type == Type.RST]
