"""Paths, links, media types and statuses: the pure part of connect."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import ContentFormat, Option
from lamplighter.lwm2m.link import parse_links
from lamplighter.services.connect.formats import content_format_of, media_type_of
from lamplighter.services.connect.resources import (
    dump_links,
    facts_of,
    has,
    is_path,
    load_links,
    path_of,
    value_in,
)
from lamplighter.services.connect.results import answered

STANDARD = tuple(parse_links("</1/0>,</3>,</5/0/1>,</5/0/1/0>"))
VENDOR = tuple(parse_links("</3>,</3/0>,</3/0/1>,</3/0/11>,</3/0/11/0>,</d/lamp/3303/0/5700>"))


@pytest.mark.parametrize(
    ("path", "standard", "vendor"),
    [
        ("/1/0/1", True, False),
        ("/3/0/1", True, True),
        ("/3", True, True),
        ("/3/0", True, True),
        ("/3/0/99", True, False),
        ("/3/1", True, False),
        ("/3/0/11/7", True, True),
        ("/5", True, False),
        ("/5/0/2", False, False),
        ("/5/0/1/3", True, False),
        ("/d/lamp/3303", False, True),
        ("/d/other/3303/0/5700", False, False),
        ("/30", False, False),
        ("/", False, False),
    ],
)
def test_a_path_is_registered_when_it_is_listed_or_when_its_object_is_listed_without_more(
    path: str, standard: bool, vendor: bool
) -> None:
    assert has(STANDARD, path) is standard
    assert has(VENDOR, path) is vendor


@pytest.mark.parametrize(
    ("path", "possible"),
    [
        ("/3/0/1", True),
        ("/d/lamp/3/0/1", True),
        ("/d/lamp", False),
        ("/", False),
        ("/3/0/1/2/3", False),
        ("/65535", False),
        ("/well-known/core", False),
        ("/3" * 200, False),
    ],
)
def test_a_path_of_other_form_can_be_no_devices(path: str, possible: bool) -> None:
    assert is_path(path) is possible


def test_slashes_at_the_ends_and_doubled_ones_do_not_matter() -> None:
    assert {path_of(text) for text in ("3/0", "/3/0", "//3//0/")} == {"/3/0"}


def test_links_are_kept_as_they_came() -> None:
    links = tuple(parse_links('</3/0/1>;v="a"b,c\x00";aobs="3";obs;title="x\\"y"'))
    assert load_links(dump_links(links)) == links


def test_values_in_links_are_given_as_the_device_would_answer_them() -> None:
    links = tuple(parse_links('</3/0/1>;v="model",</3/0/9>;v="high",</0/0/3>;v="AAEC"'))
    assert value_in(links, "/3/0/1") == (b"model", ContentFormat.TEXT)
    assert value_in(links, "/3/0/9") == (b"high", ContentFormat.TEXT)
    assert value_in(links, "/0/0/3") == (b"\x00\x01\x02", ContentFormat.OCTET_STREAM)
    assert value_in(links, "/3/0/2") is None


def test_a_slip_in_one_value_does_not_lose_the_others() -> None:
    facts = facts_of("lamp", tuple(parse_links('</10255/0/4>;v="not base64!",</3/0/2>;v="4711"')))
    assert (facts.device_class, facts.serial_number, facts.endpoint_type) == (None, "4711", "lamp")
    assert facts.component_attributes is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("text/plain", 0),
        ("Text/Plain; charset=utf-8", 0),
        ("application/vnd.oma.lwm2m+tlv", 11542),
        ("application/vnd.oma.lwm2m+json", 11543),
        ("application/octet-stream", 42),
        ("11542", 11542),
        ("", None),
        ("*/*", None),
    ],
)
def test_a_media_type_or_a_number_names_a_content_format(text: str, number: int | None) -> None:
    assert content_format_of(text) == number


@pytest.mark.parametrize("text", ["image/png", "70000", "-1", "١"])
def test_another_media_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="media type"):
        content_format_of(text)


def test_old_numbers_of_tlv_are_told_as_tlv() -> None:
    for number in (99, 1542, 11542):
        assert "tlv" in media_type_of(number)
    assert (media_type_of(None), media_type_of(65000)) == ("text/plain", "65000")


def test_a_result_is_cached_three_days_at_most() -> None:
    message = Message(0x45, payload=b"x").add(Option.MAX_AGE, 10_000_000)
    assert answered("one", message)["max-age"] == "259200"


def test_a_diagnostic_text_is_no_payload() -> None:
    assert answered("one", Message(0x84, payload=b"no such resource"))["payload"] == ""
