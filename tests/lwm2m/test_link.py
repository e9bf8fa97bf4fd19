from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.lwm2m.link import MAX_LINKS, Link, LinkFormatError, format_links, parse_links

NAMES = st.sampled_from(["rt", "if", "obs", "v", "aobs", "ct", "ver", "title", "x-y"])
# A raw value that holds its own end cannot be told from the end: the generator leaves those to the tests below.
RAW = st.text(st.characters(exclude_characters='"<>;,', exclude_categories=["Cs"]), max_size=12)
LINKS = st.lists(
    st.builds(
        Link,
        st.text(st.characters(exclude_characters=">", exclude_categories=["Cs"]), max_size=12),
        st.lists(st.tuples(NAMES, st.one_of(st.none(), RAW)), max_size=4).map(tuple),
    ),
    max_size=6,
)


@given(LINKS)
def test_links_read_as_written(links: list[Link]) -> None:
    assert parse_links(format_links(links)) == links


@given(st.one_of(st.binary(max_size=60), st.text(st.sampled_from('<>;,="\\ va/3d'), max_size=60).map(str.encode)))
def test_any_payload_is_links_or_a_link_format_error(payload: bytes) -> None:
    try:
        parse_links(payload)
    except LinkFormatError as error:
        assert str(error)


def test_the_vendors_registration_is_read() -> None:
    links = parse_links(
        b'</3/0/2>;v="0";aobs="353",</3/0/5>,</3/0/16>;obs,</35011/0/27002>;rt="Enroll",'
        b'</14/0/2>;rt="Component Version";v="0.0.0",</10255/0/4>;rt="Class";v="QXp786TyQD6FZA73oVFAZQ==";aobs="350"'
    )
    assert [link.target for link in links] == ["/3/0/2", "/3/0/5", "/3/0/16", "/35011/0/27002", "/14/0/2", "/10255/0/4"]
    assert (links[0].get("v"), links[0].get("aobs"), links[0].observable) == ("0", "353", True)
    assert links[2].observable and links[2].get("obs") is None
    assert not links[1].observable and links[1].get("v") is None
    assert links[4].resource_types == ("Component", "Version")


@pytest.mark.parametrize("value", ['a"b', "a,b", 'a",b', "a;b", 'a\\"b', "a<b", '"', 'x";1', "back\\"])
def test_a_raw_value_of_the_vendor_may_hold_quotes_commas_and_backslashes(value: str) -> None:
    links = parse_links(f'</3/0/1>;v="{value}";aobs="1",</3/0/2>')
    assert links == [Link("/3/0/1", (("v", value), ("aobs", "1"))), Link("/3/0/2")]


def test_standard_values_are_unescaped() -> None:
    (link,) = parse_links(r'</x>;title="a \"quoted\", <b>;\\"')
    assert link.get("title") == 'a "quoted", <b>;\\'


def test_standard_links_have_bare_numbers_and_a_root() -> None:
    text = '</lwm2m>;rt="oma.lwm2m";ct=11543,</lwm2m/1>;ver=1.1,</lwm2m/1/0>'
    links = parse_links(text)
    assert (links[0].get("ct"), links[1].get("ver")) == ("11543", "1.1")
    assert format_links(links) == text


def test_a_removal_is_marked() -> None:
    removed, kept = parse_links(b"</d/lamp>;d , </3303/0>\x00")
    assert removed.removed and not kept.removed


@pytest.mark.parametrize(
    "payload",
    [
        b"3",
        b"<3",
        b"</3>x",
        b"</3>,",
        b"</3>;",
        b"</3>;=1",
        b'</3>;v="',
        b'</3>;v="a',
        b"\xff",
        b"<" + b"a" * 3000 + b">",
    ],
)
def test_what_is_no_list_of_links_is_refused(payload: bytes) -> None:
    with pytest.raises(LinkFormatError):
        parse_links(payload)


def test_an_empty_payload_has_no_links() -> None:
    assert parse_links(b"") == []


def test_there_is_an_upper_bound_of_links() -> None:
    with pytest.raises(LinkFormatError, match="more than"):
        parse_links(b"<>," * MAX_LINKS + b"<>")


@pytest.mark.parametrize("unit", ['"', '" ', "\\", '\\"', '";', " ", '",', '";"'])
def test_hostile_values_are_read_in_a_time_that_grows_with_their_length(unit: str) -> None:
    # 100 KB of each: anything quadratic would take minutes here.
    with pytest.raises(LinkFormatError):
        parse_links('</3>;title="' + unit * (100_000 // len(unit)) + "1")
