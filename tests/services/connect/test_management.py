"""What reaches a device of a request: formats, alternate paths, composite operations, attributes."""

from __future__ import annotations

import base64
from typing import Any

import cbor2
import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import write_paths
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.path import Path
from lamplighter.services.connect.service import Registered
from tests.services.connect.bench import Bench, FakePeer

LINKS = (Link("/1/0"), Link("/3/0"), Link("/3303/0/5700"))


async def registered(bench: Bench, peer: FakePeer, **more: Any) -> Registered:
    return await bench.register(peer, links=LINKS, version="1.1", **more)


async def test_an_object_is_read_in_the_best_format_that_the_device_names(bench: Bench) -> None:
    peer = FakePeer()
    device = await registered(bench, peer, content_formats=(60, 110, 112, 11542))
    await bench.request(device.device_id, "one", uri="/3/0")
    asked = await peer.asked()
    assert asked.message.accept == 112
    asked.answer()
    await bench.idle()
    await bench.request(device.device_id, "two", uri="/3303/0/5700")
    asked = await peer.asked()
    assert asked.message.accept is None
    asked.answer()
    await bench.idle()
    shown = await bench.call("GET", f"/v2/endpoints/{device.device_id}", "getEndpointResources")
    assert [each["uri"] for each in shown.json()] == ["/1/0", "/3/0", "/3303/0/5700"]
    assert [each["path"] for each in (await bench.told("registrations"))[0]["resources"]] == [
        link.target for link in LINKS
    ]


async def test_what_the_device_does_not_take_after_all_is_read_in_its_own_format(bench: Bench) -> None:
    peer = FakePeer()
    device = await registered(bench, peer, content_formats=(112,))
    await bench.request(device.device_id, "one", uri="/3/0")
    (await peer.asked()).answer(code=Code.NOT_ACCEPTABLE)
    second = await peer.asked()
    assert second.message.accept is None
    second.answer(b"tlv")
    await bench.idle()
    assert await bench.ends() == {"one": (200, "tlv")}


async def test_the_callers_own_format_is_asked_for(bench: Bench) -> None:
    peer = FakePeer()
    device = await registered(bench, peer, content_formats=(112, 11542))
    path = f"/v2/device-requests/{device.device_id}?async-id=one"
    body = {"method": "GET", "uri": "/3/0", "accept": "application/vnd.oma.lwm2m+tlv"}
    assert (await bench.call("POST", path, json=body)).status_code == 202
    asked = await peer.asked()
    assert asked.message.accept == 11542
    asked.answer(code=Code.NOT_ACCEPTABLE)
    await bench.idle()
    assert (await bench.ends())["one"] == (406, "")


@pytest.mark.parametrize(
    ("method", "uri", "payload", "content_format"),
    [
        ("PUT", "/3303/0/5700", b"21", 0),
        ("POST", "/3303/0/5700", b"21", 0),
        ("PUT", "/3303/0", b"\xc1\x01\x15", 11542),
        ("POST", "/3303", b"\x08\x01\x00", 11542),
        ("POST", "/3303/0/5700", b"", None),
    ],
)
async def test_a_payload_whose_format_nobody_names_goes_as_text_or_tlv(
    bench: Bench, method: str, uri: str, payload: bytes, content_format: int | None
) -> None:
    peer = FakePeer()
    device = await registered(bench, peer, root="/lwm2m")
    body = {"method": method, "uri": uri, "payload-b64": base64.b64encode(payload).decode()}
    path = f"/v2/device-requests/{device.device_id}?async-id=one"
    assert (await bench.call("POST", path, json=body)).status_code == 202
    asked = await peer.asked()
    assert (asked.message.payload, asked.message.content_format) == (payload, content_format)
    asked.answer(code=Code.CHANGED)
    await bench.idle()


@pytest.mark.parametrize("member", ["accept", "content-type"])
async def test_the_format_of_1_2_is_not_sent_to_an_older_device(bench: Bench, member: str) -> None:
    peer = FakePeer()
    device = await registered(bench, peer)
    path = f"/v2/device-requests/{device.device_id}?async-id=one"
    body = {"method": "PUT", "uri": "/3/0", member: "11544"}
    assert (await bench.call("POST", path, json=body)).status_code == 202
    await bench.idle()
    assert await bench.ends() == {"one": (415, "")} and peer.is_left_alone


async def test_an_alternate_path_stands_before_all_that_is_asked(bench: Bench) -> None:
    peer = FakePeer()
    device = await registered(bench, peer, root="/lwm2m")
    await bench.request(device.device_id, "one", "PUT", "/3303/0/5700?pmin=5&pmax=60")
    asked = await peer.asked()
    assert (asked.path, asked.message.uri_query()) == ("/lwm2m/3303/0/5700", ("pmin=5", "pmax=60"))
    asked.answer(code=Code.CHANGED)
    await bench.idle()
    answer = await bench.call("PUT", f"/v2/subscriptions/{device.device_id}/3303/0/5700", "addResourceSubscription")
    assert answer.status_code == 202
    asked = await peer.asked()
    assert asked.path == "/lwm2m/3303/0/5700"
    asked.answer(b"1", observe=1)
    await bench.idle()
    after, later = Bench(bench.database, clock=bench.clock, bus=LocalBus(), process="other"), FakePeer()
    await after.update(later, device, links=(Link("/3/0"), Link("/3303/0/5700")))
    assert (await later.asked()).path == "/lwm2m/3303/0/5700"
    await after.connect.close()


async def test_composite_operations_go_to_the_root_with_their_paths_in_the_payload(bench: Bench) -> None:
    peer = FakePeer()
    device = await registered(bench, peer)
    body = {
        "uri": "/",
        "content-type": "application/senml+cbor",
        "payload-b64": base64.b64encode(write_paths(112, [Path(3, 0, 0), Path(1, 0)])).decode(),
    }
    for async_id, method, code in (("read", "FETCH", Code.FETCH), ("write", "IPATCH", Code.IPATCH)):
        path = f"/v2/device-requests/{device.device_id}?async-id={async_id}"
        assert (await bench.call("POST", path, json={"method": method, **body})).status_code == 202
        asked = await peer.asked()
        assert (asked.message.code, asked.path, asked.message.content_format) == (code, "/", 112)
        assert cbor2.loads(asked.message.payload) == [{0: "/3/0/0"}, {0: "/1/0"}]
        asked.answer(b"ok")
        await bench.idle()
    assert await bench.ends() == {"read": (200, "ok"), "write": (200, "ok")}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"uri": "/3/0"}, "uri"),
        ({"content-type": "text/plain"}, "content-type"),
        ({"content-type": ""}, "content-type"),
    ],
)
async def test_a_composite_request_of_another_form_is_refused(bench: Bench, more: dict[str, str], name: str) -> None:
    device = await registered(bench, FakePeer())
    path = f"/v2/device-requests/{device.device_id}?async-id=one"
    body = {"method": "FETCH", "uri": "/", "content-type": "application/senml+json", **more}
    answer = await bench.call("POST", path, json=body)
    assert (answer.status_code, answer.text) == (400, "MALFORMED_JSON_CONTENT"), name


@pytest.mark.parametrize(
    ("method", "uri", "code", "query"),
    [
        ("POST", "/3/0/4", Code.POST, ()),
        ("POST", "/3303", Code.POST, ()),
        ("DELETE", "/3303/1", Code.DELETE, ()),
        ("PUT", "/3303/0/5700?gt=1.5&lt=-2&st=0.1", Code.PUT, ("gt=1.5", "lt=-2", "st=0.1")),
        ("PUT", "/3/0?epmin=1&epmax=9&edge=1&con=1&pmin", Code.PUT, ("epmin=1", "epmax=9", "edge=1", "con=1", "pmin")),
    ],
)
async def test_each_operation_of_the_api_is_one_of_the_device(
    bench: Bench, method: str, uri: str, code: Code, query: tuple[str, ...]
) -> None:
    peer = FakePeer()
    device = await bench.register(peer, links=(Link("/3/0"), Link("/3303")))
    await bench.request(device.device_id, "one", method, uri)
    asked = await peer.asked()
    assert (asked.message.code, asked.path, asked.message.uri_query()) == (code, uri.partition("?")[0], query)
    asked.answer(code=Code.CHANGED)
    await bench.idle()
