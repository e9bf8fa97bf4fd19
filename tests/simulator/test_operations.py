from __future__ import annotations

from collections.abc import Callable

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, format_code
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import Value, decode, encode
from lamplighter.lwm2m.management import WriteMode
from lamplighter.lwm2m.path import parse_path
from tests.simulator.town import Town, town

TLV, TEXT, OPAQUE = ContentFormat.LWM2M_TLV, ContentFormat.TEXT, ContentFormat.OCTET_STREAM
SENML = (ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR)


def values(place: Town, path: str, accept: int | None = None) -> dict[str, Value]:
    answer = place.ask(management.read(path, accept))
    assert answer.code == Code.CONTENT, answer
    assert accept is None or answer.content_format == accept
    return {str(at): value for at, value in decode(answer.content_format, answer.payload, parse_path(path))}


def code(place: Town, message: Message) -> str:
    return format_code(place.ask(message).code)


@pytest.mark.parametrize("accept", [TLV, *SENML])
@pytest.mark.parametrize("path", ["/3", "/3/0", "/3/0/0", "/3/0/11", "/3303/0/5700"])
def test_every_format_tells_the_same_values_at_every_level(path: str, accept: int) -> None:
    place = town()
    assert values(place, path, accept) == values(place, path)


def test_a_single_resource_is_text_and_everything_above_it_tlv_unless_asked_otherwise() -> None:
    place = town()
    assert place.ask(management.read("/3/0/0")).content_format == TEXT
    assert place.ask(management.read("/3/0/11")).content_format == TLV
    assert place.ask(management.read("/3/0")).content_format == TLV
    assert place.ask(management.read("/3/0/0")).payload == b"Lamplighter"


def test_an_instance_shows_what_is_readable_and_nothing_else() -> None:
    shown = values(town(), "/5/0")
    assert "/5/0/3" in shown and "/5/0/0" not in shown and "/5/0/2" not in shown


@pytest.mark.parametrize(
    ("version", "message", "expected"),
    [
        ("1.1", management.read("/9/0/1"), "4.04"),
        ("1.1", management.read("/3/1/0"), "4.04"),
        ("1.1", management.read("/3/0/999"), "4.04"),
        ("1.1", management.read("/3/0/11/7"), "4.04"),
        ("1.1", management.read("/lamp/0"), "4.04"),
        ("1.1", management.read("/"), "4.04"),
        ("1.1", management.read("/0"), "4.04"),
        ("1.1", management.read("/0/0/0"), "4.04"),
        ("1.1", management.write("/0/0/0", b"coaps://elsewhere", None), "4.04"),
        ("1.1", management.read("/3/0/4"), "4.05"),
        ("1.1", management.read("/5/0/0"), "4.05"),
        ("1.1", management.read("/3/0", TEXT), "4.06"),
        ("1.1", management.read("/3/0/11", TEXT), "4.06"),
        ("1.1", management.read("/3/0/0", OPAQUE), "4.06"),
        ("1.1", management.read("/3/0/0", 9999), "4.06"),
        ("1.1", management.read("/3/0", ContentFormat.LWM2M_JSON), "4.06"),
        ("1.0", management.read("/3/0", ContentFormat.SENML_JSON), "4.06"),
        ("1.0", management.write("/3311/0/5851", b"[]", ContentFormat.SENML_JSON), "4.15"),
        ("1.1", management.write("/3311/0/5851", b"50", 9999), "4.15"),
        ("1.1", management.write("/3311/0", b"50", TEXT), "4.15"),
        ("1.1", management.write("/3311/0/5851", b"bright", TEXT), "4.00"),
        ("1.1", management.write("/3311/0/5851", b"101", TEXT), "4.00"),
        ("1.1", management.write("/3311/0/5850", b"\xff", TEXT), "4.00"),
        ("1.1", management.write("/3311/0", b"\xc8", TLV), "4.00"),
        ("1.1", management.write("/3311/0/5851", b'[{"bn":"/3311/0/5851","vs":"x"}]', SENML[0]), "4.00"),
        ("1.1", management.write("/3303/0/5700", b"1", TEXT), "4.05"),
        ("1.1", management.write("/3303/0/5700", b"warm", TEXT), "4.05"),
        ("1.1", management.write("/3/0/11/0", b"1", TEXT), "4.05"),
        ("1.1", management.write("/3311/0/9999", b"1", TEXT), "4.04"),
        ("1.1", management.write("/3311", b"1", TLV), "4.05"),
        ("1.1", management.execute("/3303/0/5700"), "4.05"),
        ("1.1", management.execute("/3303/0/9999"), "4.04"),
        ("1.1", management.execute("/5/0/2"), "4.05"),
        ("1.1", management.execute("/3303/0/5605", b"0='a',x"), "4.00"),
        ("1.1", management.write("/3303/0/5605", b"", TLV, WriteMode.PARTIAL), "4.15"),
        ("1.1", management.create("/3303", b""), "4.05"),
        ("1.1", management.create("/77", b""), "4.04"),
        ("1.1", management.delete("/3311"), "4.05"),
        ("1.1", management.delete("/3311/0"), "4.05"),
        ("1.1", management.delete("/3311/0/5850"), "4.05"),
        ("1.1", management.delete("/3/0"), "4.05"),
        ("1.1", management.delete("/3311/7"), "4.04"),
        ("1.1", management.write_attributes("/3303/0/9999", {"pmin": 1}), "4.04"),
        ("1.1", management.write_attributes("/3303/0/5700", {"often": 1}), "4.00"),
        ("1.0", management.read_composite([parse_path("/3/0/0")]), "4.05"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_code_of_the_specification(
    version: str, message: Message, expected: str
) -> None:
    assert code(town(version), message) == expected


@pytest.mark.parametrize("content_format", [TLV, *SENML])
def test_a_partial_write_leaves_the_other_resources_alone(content_format: int) -> None:
    place = town()
    path = parse_path("/3311/0")
    changes: list[tuple[str, Value]] = [("/3311/0/5850", True), ("/3311/0/5851", 40)]
    body = [(parse_path(at), value) for at, value in changes]
    assert code(place, management.write_values(path, body, content_format, WriteMode.PARTIAL)) == "2.04"
    assert values(place, "/3311/0") == {
        "/3311/0/5706": "#ffb84d",
        "/3311/0/5750": "lamp",
        "/3311/0/5850": True,
        "/3311/0/5851": 40,
    }


def test_a_replacement_gives_what_it_leaves_out_its_first_value_again() -> None:
    place = town()
    place.ask(management.write("/3311/0/5851", b"40", None))
    path = parse_path("/3311/0")
    assert code(place, management.write_values(path, [(parse_path("/3311/0/5850"), True)], TLV)) == "2.04"
    assert values(place, "/3311/0/5851") == {"/3311/0/5851": 100}


def test_a_replacement_without_a_mandatory_resource_is_refused_and_changes_nothing() -> None:
    place = town()
    body = [(parse_path("/3311/0/5851"), 1)]
    assert code(place, management.write_values(parse_path("/3311/0"), body, TLV)) == "4.00"
    assert values(place, "/3311/0/5851") == {"/3311/0/5851": 100}


def test_one_wrong_value_keeps_all_of_a_write_out() -> None:
    place = town()
    body = [(parse_path("/3311/0/5850"), True), (parse_path("/3311/0/5851"), 101)]
    assert code(place, management.write_values(parse_path("/3311/0"), body, TLV, WriteMode.PARTIAL)) == "4.00"
    assert values(place, "/3311/0/5850") == {"/3311/0/5850": False}


def test_a_reset_of_the_extremes_sets_both_to_the_present_value() -> None:
    place = town()
    place.run(600)
    before = values(place, "/3303/0")
    assert before["/3303/0/5601"] != before["/3303/0/5602"]
    assert code(place, management.execute("/3303/0/5605", b"0='all'")) == "2.04"
    after = values(place, "/3303/0")
    assert after["/3303/0/5601"] == after["/3303/0/5602"] == after["/3303/0/5700"] == before["/3303/0/5700"]


def test_a_counter_is_reset_by_its_execution() -> None:
    place = town()
    place.run(600)
    assert values(place, "/3200/0/5501")["/3200/0/5501"] != 0
    assert code(place, management.execute("/3200/0/5505")) == "2.04"
    assert values(place, "/3200/0/5501") == {"/3200/0/5501": 0}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: management.create("/3311", encode(TLV, [(parse_path("/3311/5/5850"), True)], parse_path("/3311"))), 5),
        (
            lambda: management.create(
                "/3311", encode(TLV, [(parse_path("/3311/0/5850"), True)], parse_path("/3311/0"))
            ),
            1,
        ),
        (lambda: management.create("/3311", b'[{"bn":"/3311/3/","n":"5850","vb":true}]', SENML[0]), 3),
    ],
)
def test_an_instance_is_created_with_the_id_given_or_a_free_one(make: Callable[[], Message], expected: int) -> None:
    place = town()
    answer = place.ask(make())
    assert (answer.code, answer.location_path()) == (Code.CREATED, ("3311", str(expected)))
    assert values(place, f"/3311/{expected}/5850") == {f"/3311/{expected}/5850": True}
    place.settle()
    assert any(link.target == f"/3311/{expected}" for link in place.devices[0].lamp.tree.links("1.1"))


def test_an_instance_that_exists_is_not_created_and_there_is_room_for_eight() -> None:
    place = town()
    existing = encode(TLV, [(parse_path("/3311/0/5850"), True)], parse_path("/3311"))
    assert code(place, management.create("/3311", existing)) == "4.00"
    assert [code(place, management.create("/3311", b"")) for _ in range(8)] == ["2.01"] * 7 + ["4.00"]


def test_a_created_instance_is_deleted_again() -> None:
    place = town()
    place.ask(management.create("/3311", b""))
    assert code(place, management.delete("/3311/1")) == "2.02"
    assert code(place, management.read("/3311/1")) == "4.04"


def test_discover_lists_resources_with_their_attributes_and_dimensions() -> None:
    place = town()
    place.ask(management.write_attributes("/3/0", {"pmin": 10}))
    place.ask(management.write_attributes("/3/0/9", {"pmax": 60, "gt": 50.5}))
    answer = place.ask(management.discover("/3/0"))
    assert answer.content_format == ContentFormat.LINK_FORMAT
    text = answer.payload.decode()
    assert text.startswith("</3/0>;pmin=10,</3/0/0>,")
    assert "</3/0/9>;pmax=60;gt=50.5," in text and "</3/0/11>;dim=1," in text and "</3/0/4>," in text
    assert place.ask(management.discover("/3/0/9")).payload == b"</3/0/9>;pmin=10;pmax=60;gt=50.5"
    assert place.ask(management.discover("/3")).payload.startswith(b"</3>;ver=1.1,</3/0>;pmin=10,")


def test_a_device_of_1_0_names_no_object_versions() -> None:
    assert town("1.0").ask(management.discover("/3")).payload.startswith(b"</3>,</3/0>,")


def test_the_clock_runs_and_can_be_set() -> None:
    place = town()
    assert values(place, "/3/0/13") == {"/3/0/13": 1_700_001_000}
    place.run(90)
    assert values(place, "/3/0/13") == {"/3/0/13": 1_700_001_090}
    place.ask(management.write("/3/0/13", b"1800000000", TEXT))
    place.run(10)
    assert values(place, "/3/0/13") == {"/3/0/13": 1_800_000_010}


def test_a_request_larger_than_a_datagram_arrives_block_by_block() -> None:
    place = town()
    assert code(place, management.write("/5/0/0", bytes(20_000), OPAQUE)) == "2.04"


def test_the_location_of_a_created_instance_is_two_segments() -> None:
    answer = town().ask(management.create("/3311", b""))
    assert answer.all(Option.LOCATION_PATH) == [b"3311", b"1"]
