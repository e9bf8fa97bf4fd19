"""CoAP plugtest, TD_COAP_CORE: requests, responses and what happens when messages are lost."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from tests.conformance.marks import conforms
from tests.conformance.others import (
    CLIENTS,
    AiocoapServer,
    ask_with_aiocoap,
    ask_with_libcoap,
    libcoap_server,
)
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client
from tests.conformance.plugtest_server import XML, PlugtestServer

ETAG, IF_MATCH, IF_NONE_MATCH = int(Option.ETAG), int(Option.IF_MATCH), int(Option.IF_NONE_MATCH)
by_others = pytest.mark.parametrize("asking", CLIENTS)


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
@by_others
@pytest.mark.parametrize(("method", "code", "expected"), METHODS)
async def test_a_confirmable_request_is_answered_in_the_acknowledgement(
    server: PlugtestServer, asking: str, method: str, code: Code, expected: Code
) -> None:
    payload = b"a payload" if method in ("put", "post") else b""
    shown = await CLIENTS[asking](server.port, method, "test", payload)
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
@by_others
@pytest.mark.parametrize(("method", "code", "expected"), METHODS)
async def test_a_non_confirmable_request_is_answered_so_too(
    server: PlugtestServer, asking: str, method: str, code: Code, expected: Code
) -> None:
    payload = b"a payload" if method in ("put", "post") else b""
    shown = await CLIENTS[asking](server.port, method, "test", payload, confirmable=False)
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
    client: PlugtestClient, confirmable: bool, method: str, code: Code, expected: Code
) -> None:
    payload = b"a payload" if method in ("put", "post") else b""
    answer = await client.ask(code, "test", payload, confirmable=confirmable)
    assert answer.code == expected
    assert method != "get" or answer.payload == b"a lamp"
    (request,) = client.wire.ours
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
@by_others
async def test_a_separate_response_follows_an_empty_acknowledgement(server: PlugtestServer, asking: str) -> None:
    assert await CLIENTS[asking](server.port, "get", "separate") == "a lamp"
    request, *acknowledged = server.wire.theirs
    acknowledgement, response = server.wire.ours
    assert (acknowledgement.type, acknowledgement.code, acknowledgement.mid) == (Type.ACK, Code.EMPTY, request.mid)
    assert (response.type, response.code, response.token) == (Type.CON, Code.CONTENT, request.token)
    assert 1 <= len(response.token) <= 8
    assert [(each.type, each.code, each.mid) for each in acknowledged] == [(Type.ACK, Code.EMPTY, response.mid)]


@conforms("TD_COAP_CORE_09", "TD_COAP_CORE_11", peer="aiocoap server")
async def test_a_separate_response_of_aiocoap_is_taken_and_acknowledged(
    theirs: AiocoapServer, client: PlugtestClient
) -> None:
    client.wire.listeners.append(theirs.separate.look)
    answer = await client.get("separate")
    request, acknowledgement = client.wire.ours
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


@conforms("TD_COAP_CORE_10", peer="aiocoap server, libcoap server")
@pytest.mark.parametrize("token", [b"\x01", b"12345678"])
async def test_our_token_comes_back(theirs: AiocoapServer, token: bytes) -> None:
    async with libcoap_server() as libcoap:
        for port, path in ((theirs.port, "test"), (libcoap.port, "time")):
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
async def test_our_request_without_a_token_is_answered_without(theirs: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port, path in ((theirs.port, "test"), (libcoap.port, "time")):
            async with plugtest_client(port) as client:
                answer = await client.get(path, token=b"")
                assert (answer.code, answer.token) == (Code.CONTENT, b"")


@conforms("TD_COAP_CORE_13", peer="aiocoap client, libcoap client")
@by_others
async def test_each_segment_of_a_path_is_an_option(server: PlugtestServer, asking: str) -> None:
    assert await CLIENTS[asking](server.port, "get", "seg1/seg2/seg3") == "a lamp"
    request, _ = piggybacked(server)
    assert request.all(Option.URI_PATH) == [b"seg1", b"seg2", b"seg3"]


@conforms("TD_COAP_CORE_13", peer="aiocoap server")
async def test_our_path_of_several_segments_leads_to_the_resource(client: PlugtestClient) -> None:
    assert (await client.get("seg1/seg2/seg3")).payload == b"a lamp"
    assert client.wire.ours[0].all(Option.URI_PATH) == [b"seg1", b"seg2", b"seg3"]


QUERY = "first=1&second=2&third=3"


@conforms("TD_COAP_CORE_14", peer="aiocoap client, libcoap client")
@by_others
async def test_each_argument_of_a_query_is_an_option(server: PlugtestServer, asking: str) -> None:
    assert await CLIENTS[asking](server.port, "get", f"query?{QUERY}") == QUERY
    request, _ = piggybacked(server)
    assert request.uri_query() == ("first=1", "second=2", "third=3")


@conforms("TD_COAP_CORE_14", peer="aiocoap server")
async def test_our_query_of_several_arguments_arrives(client: PlugtestClient) -> None:
    assert (await client.get(f"query?{QUERY}")).payload == QUERY.encode()


@conforms("TD_COAP_CORE_17", peer="aiocoap client, libcoap client")
@by_others
async def test_a_late_response_to_a_non_confirmable_request_is_not_announced(
    server: PlugtestServer, asking: str
) -> None:
    assert await CLIENTS[asking](server.port, "get", "separate", confirmable=False) == "a lamp"
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
@by_others
async def test_a_location_has_an_option_for_each_segment(server: PlugtestServer, asking: str) -> None:
    await CLIENTS[asking](server.port, "post", "test", b"a payload")
    _, response = piggybacked(server)
    assert (response.code, response.location_path()) == (Code.CREATED, ("location1", "location2", "location3"))


@conforms("TD_COAP_CORE_18", "TD_COAP_CORE_19", peer="aiocoap server")
async def test_a_location_told_by_aiocoap_is_read(client: PlugtestClient) -> None:
    answer = await client.ask(Code.POST, "test", b"a payload")
    assert (answer.code, answer.location_path()) == (Code.CREATED, ("location1", "location2", "location3"))
    answer = await client.ask(Code.POST, "location-query", b"a payload")
    assert (answer.code, answer.all(Option.LOCATION_QUERY)) == (Code.CREATED, [b"first=1", b"second=2"])


@conforms("TD_COAP_CORE_19", peer="aiocoap client, libcoap client")
@by_others
async def test_a_location_has_an_option_for_each_argument(server: PlugtestServer, asking: str) -> None:
    await CLIENTS[asking](server.port, "post", "location-query", b"a payload")
    _, response = piggybacked(server)
    assert (response.code, response.all(Option.LOCATION_QUERY)) == (Code.CREATED, [b"first=1", b"second=2"])


FORMATS = [(ContentFormat.TEXT, b"a lamp"), (ContentFormat.XML, XML)]


@conforms("TD_COAP_CORE_20", peer="aiocoap client, libcoap client")
@by_others
@pytest.mark.parametrize(("accept", "expected"), FORMATS)
async def test_accept_chooses_the_format(server: PlugtestServer, asking: str, accept: int, expected: bytes) -> None:
    accepting = [(int(Option.ACCEPT), bytes((accept,)) if accept else b"")]
    assert await CLIENTS[asking](server.port, "get", "multi-format", options=accepting) == expected.decode()
    request, response = piggybacked(server)
    assert request.accept == response.content_format == accept


@conforms("TD_COAP_CORE_20", peer="aiocoap server")
@pytest.mark.parametrize(("accept", "expected"), FORMATS)
async def test_our_accept_chooses_the_format(client: PlugtestClient, accept: int, expected: bytes) -> None:
    accepting = [(int(Option.ACCEPT), bytes((accept,)) if accept else b"")]
    answer = await client.get("multi-format", options=accepting)
    assert (answer.content_format, answer.payload) == (accept, expected)


@conforms("TD_COAP_CORE_21", peer="aiocoap client, libcoap client")
@by_others
async def test_a_value_with_a_known_etag_is_not_sent_again(server: PlugtestServer, asking: str) -> None:
    ask = CLIENTS[asking]
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
    client: PlugtestClient,
) -> None:
    first = await client.get("validate")
    assert first.etag
    again = await client.get("validate", options=[(ETAG, first.etag)])
    assert (again.code, again.payload, again.etag) == (Code.VALID, b"", first.etag)
    guarded = await client.ask(Code.PUT, "validate", b"a light", options=[(IF_MATCH, first.etag)])
    assert guarded.code == Code.CHANGED
    second = await client.get("validate", options=[(ETAG, first.etag)])
    assert (second.code, second.payload) == (Code.CONTENT, b"a light") and second.etag != first.etag
    assert (await client.ask(Code.PUT, "validate", b"a candle")).code == Code.CHANGED
    assert second.etag is not None
    late = await client.ask(Code.PUT, "validate", b"a torch", options=[(IF_MATCH, second.etag)])
    assert late.code == Code.PRECONDITION_FAILED
    assert (await client.get("validate")).payload == b"a candle"


@conforms("TD_COAP_CORE_23", peer="aiocoap server")
async def test_our_if_none_match_creates_once(client: PlugtestClient) -> None:
    answers = [
        await client.ask(Code.PUT, "create1", payload, options=[(IF_NONE_MATCH, b"")])
        for payload in (b"first", b"second")
    ]
    assert [answer.code for answer in answers] == [Code.CREATED, Code.PRECONDITION_FAILED]
    assert (await client.get("create1")).payload == b"first"


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
async def test_our_ping_is_answered(theirs: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port in (theirs.port, libcoap.port):
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
