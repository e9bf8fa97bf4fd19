"""CoAP plugtest, TD_COAP_LINK: what others say of their resources (RFC 6690), asked and read by us."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.link import Link, parse_links
from tests.conformance.marks import conforms
from tests.conformance.others import AiocoapServer, libcoap_server
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client


def links_of(answer: Message) -> dict[str, Link]:
    """The links of an answer, by target."""
    assert (answer.code, answer.content_format) == (Code.CONTENT, ContentFormat.LINK_FORMAT)
    return {link.target: link for link in parse_links(answer.payload.decode())}


async def discover(client: PlugtestClient, query: str = "") -> dict[str, Link]:
    return links_of(await client.get(".well-known/core" + (f"?{query}" if query else "")))


@conforms("TD_COAP_LINK_01", peer="aiocoap server")
async def test_we_read_all_links_of_aiocoap(theirs: AiocoapServer, client: PlugtestClient) -> None:
    found = await discover(client)
    assert set(found) == {f"/{path}" for path in theirs.resources} | {"/.well-known/core"}
    assert found["/link2"].attributes == (("rt", "Type2 Type3"), ("if", "If2"), ("sz", "1200"))


@conforms(
    "TD_COAP_LINK_01",
    "TD_COAP_LINK_02",
    "TD_COAP_LINK_03",
    "TD_COAP_LINK_07",
    "TD_COAP_LINK_08",
    peer="libcoap server",
)
async def test_we_read_the_links_of_libcoap_all_or_some() -> None:
    async with libcoap_server() as libcoap, plugtest_client(libcoap.port) as client:
        everything = await discover(client)
        assert {"/", "/time", "/async"} <= set(everything)
        assert everything["/time"].observable and everything["/time"].get("rt") == "ticks"
        assert set(await discover(client, "rt=ticks")) == {"/time"}
        typed = {target for target, link in everything.items() if link.has("rt")}
        assert set(await discover(client, "rt=*")) == typed < set(everything)
        assert set(await discover(client, "href=/time")) == {"/time"}
        assert set(await discover(client, "href=/ti*")) == {"/time"}


@conforms(
    "TD_COAP_LINK_02",
    "TD_COAP_LINK_04",
    "TD_COAP_LINK_05",
    "TD_COAP_LINK_06",
    "TD_COAP_LINK_07",
    "TD_COAP_LINK_08",
    peer="aiocoap server",
)
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("rt=Type1", {"/link1", "/link3"}),
        ("rt=Type2", {"/link1", "/link2"}),
        ("if=If*", {"/link1", "/link2"}),
        ("sz=*", {"/link2"}),
        ("href=/link1", {"/link1"}),
        ("href=/link*", {"/link1", "/link2", "/link3"}),
    ],
)
async def test_our_filter_limits_what_is_told(client: PlugtestClient, query: str, expected: set[str]) -> None:
    assert set(await discover(client, query)) == expected
    (request,) = client.wire.ours
    assert request.all(Option.URI_QUERY) == [query.encode()]


@conforms("TD_COAP_LINK_09", peer="aiocoap server")
async def test_links_lead_to_further_links(client: PlugtestClient) -> None:
    (path,) = (await discover(client, "href=/path")).values()
    assert (path.target, path.get("ct")) == ("/path", "40")
    (first, _) = links_of(await client.get(path.target))
    assert (await client.get(first)).payload == b"/path/sub1"
