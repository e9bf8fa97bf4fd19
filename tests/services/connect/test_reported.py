"""Values that a device reports by itself: Send, what it observes itself, and what both tell of the device."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import ObjectLink, Value
from lamplighter.lwm2m.codecs.senml import Record
from lamplighter.lwm2m.link import Link, parse_links
from lamplighter.lwm2m.path import parse_path
from lamplighter.services.connect.service import Registered
from lamplighter.services.connect.store import SAME_SEND
from tests.api.toy import ACCOUNT
from tests.lwm2m.test_object_xml import XML
from tests.services.connect.bench import Bench, FakePeer

CLASS = base64.b64encode(bytes(range(16))).decode()
LINKS = tuple(
    parse_links(
        f'</3/0/2>;v="4711";aobs="1",</10255/0/4>;v="{CLASS}";aobs="2",</14/0/0>;v="MAIN",</14/0/2>;v="1.0.0";aobs="3",'
        '</14/1/0>;v="RADIO",</14/1/2>;v="0.1";aobs="4",</10252/0/5>;aobs="5",</10252/0/6>;aobs="6",</3303/0/5700>;obs'
    )
)


def record(path: str, value: Value) -> Record:
    return Record(0, parse_path(path), value)


async def report(bench: Bench, peer: FakePeer, number: int, payload: bytes, content_format: int | None = 0) -> None:
    """A notification of what the device observes under that number."""
    message = Message(Code.CONTENT, payload=payload).add(Option.OBSERVE, 2)
    if content_format is not None:
        message.add(Option.CONTENT_FORMAT, content_format)
    assert await bench.connect.notified(peer, number.to_bytes(2, "big"), message)


async def subscribed(bench: Bench, peer: FakePeer, registered: Registered, path: str) -> None:
    answer = await bench.call("PUT", f"/v2/subscriptions/{registered.device_id}{path}", "addResourceSubscription")
    assert answer.status_code == 202
    (await peer.asked()).answer(b"20", observe=2)
    await bench.idle()


async def device(bench: Bench, registered: Registered) -> Any:
    return await bench.directory.retrieve(ACCOUNT, registered.device_id)


async def test_values_sent_unasked_are_notifications_of_their_resources(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=(Link("/3303/0"), Link("/3/0"), Link("/5/0")), version="1.1")
    await subscribed(bench, peer, registered, "/3303/0/5700")
    records = [record("/3303/0/5700", 23.5), record("/3/0/9", 7), record("/5/0/0", b"\x00\xff")]
    await bench.connect.sent(peer, [*records, record("/1/0/10", ObjectLink(11, 0)), record("/3303/0/5601", True)])
    told = [(item["path"], base64.b64decode(item["payload"]), item["ct"]) for item in await bench.told("notifications")]
    assert told == [
        ("/3303/0/5700", b"23.5", "text/plain"),
        ("/3/0/9", b"7", "text/plain"),
        ("/5/0/0", b"\x00\xff", "application/octet-stream"),
        ("/1/0/10", b"11:0", "text/plain"),
        ("/3303/0/5601", b"1", "text/plain"),
    ]
    assert await bench.told_to("notifications") == [("subject",), (), (), (), ()]


async def test_values_sent_unasked_keep_the_time_that_the_device_gives_them(bench: Bench) -> None:
    peer = FakePeer()
    await bench.register(peer, links=(Link("/3303/0"),), version="1.1")
    times = (0, -90.5, 1_700_000_000.25)
    await bench.connect.sent(peer, [Record(time, parse_path("/3303/0/5700"), 20) for time in times])
    now = bench.clock.now() // 1000
    told = [item.get("measured-at") for item in await bench.told("notifications")]
    assert told == [None, now - 90_500, 1_700_000_000_250]


async def test_a_value_sent_unasked_is_told_to_who_subscribed_to_what_it_lies_in(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=(Link("/3303/0"), Link("/3/0")))
    await subscribed(bench, peer, registered, "/3303/0")
    await bench.connect.sent(peer, [record("/3303/0/5700", 1.0), record("/3303/1/5700", 2.0)])
    assert await bench.told_to("notifications") == [("subject",), ()]


async def test_a_send_that_is_repeated_to_another_process_is_told_once(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await bench.connect.sent(peer, [record("/3/0/9", 1)], "session 1 aa")
    other, later = Bench(bench.database, clock=bench.clock, bus=LocalBus(), process="other"), FakePeer()
    await other.update(later, registered)
    await other.connect.sent(later, [record("/3/0/9", 1)], "session 1 aa")
    assert len(await bench.told("notifications")) == 1
    await other.connect.sent(later, [record("/3/0/9", 2)], "session 2 aa")
    bench.clock.advance(SAME_SEND / 1e6 + 1)
    await other.connect.sent(later, [record("/3/0/9", 3)], "session 2 aa")
    assert len(await bench.told("notifications")) == 3
    await other.connect.close()


async def test_what_a_registration_tells_is_in_the_directory(bench: Bench) -> None:
    links = parse_links(f'</10252/0/5>;v="{"Ab" * 32}",</10252/0/6>;v="1483264800"')
    shown = await device(bench, await bench.register(FakePeer(), links=(*LINKS[:6], *links)))
    assert (shown.serial_number, shown.device_class) == ("4711", bytes(range(16)).hex())
    assert shown.component_attributes == {"MAIN": "1.0.0", "RADIO": "0.1"}
    assert shown.firmware_checksum == "ab" * 32
    assert shown.manifest_timestamp == "2017-01-01T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("checksum", "version"), [("", "0"), ("zz" * 32, "-1"), ("AQI=", "99999999999"), ("ab" * 31, "x")]
)
async def test_what_can_be_no_checksum_or_time_is_left_out(bench: Bench, checksum: str, version: str) -> None:
    links = parse_links(f'</10252/0/5>;v="{checksum}",</10252/0/6>;v="{version}"')
    shown = await device(bench, await bench.register(FakePeer(), links=tuple(links)))
    assert (shown.firmware_checksum, shown.manifest_timestamp) == ("", msgspec.UNSET)


async def test_what_the_device_reports_later_is_in_the_directory_too(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    await report(bench, peer, 1, b"4712")
    await report(bench, peer, 2, b"\xff" * 16, ContentFormat.OCTET_STREAM)
    await report(bench, peer, 3, b"1.1.0", None)
    await report(bench, peer, 5, b"cd" * 32)
    await report(bench, peer, 6, b"1700000000")
    await bench.connect.sent(peer, [record("/14/1/2", "0.2")])
    shown = await device(bench, registered)
    assert (shown.serial_number, shown.device_class, shown.firmware_checksum) == ("4712", "ff" * 16, "cd" * 32)
    assert shown.component_attributes == {"MAIN": "1.1.0", "RADIO": "0.2"}
    assert shown.manifest_timestamp == "2023-11-14T22:13:20.000000Z"
    assert shown.state == "registered"


async def test_a_value_that_tells_nothing_of_the_device_leaves_its_record_alone(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    before = await device(bench, registered)
    bench.clock.advance(1)
    await report(bench, peer, 1, b"4711")
    await bench.connect.sent(peer, [record("/3303/0/5700", 1.0)])
    assert await device(bench, registered) == before


async def test_a_report_of_a_device_whose_record_is_gone_is_taken(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    await bench.directory.remove(ACCOUNT, registered.device_id)
    await report(bench, peer, 1, b"4712")


async def test_a_value_in_a_registration_has_the_type_of_its_owners_definition(bench: Bench) -> None:
    await bench.connect.definitions.create(ACCOUNT, XML.encode())
    links = parse_links('</33001/0/2>;v="AQI=";aobs="1",</33002/0/2>;v="AQI=";aobs="2"')
    registered = await bench.register(FakePeer(), links=tuple(links))
    for number in (33001, 33002):
        path = f"/v2/subscriptions/{registered.device_id}/{number}/0/2"
        await bench.call("PUT", path, "addResourceSubscription")
    values = [(base64.b64decode(item["payload"]), item["ct"]) for item in await bench.told("async-responses")]
    assert values == [(b"\x01\x02", "application/octet-stream"), (b"AQI=", "text/plain")]
