"""Every format holds every value of every type, of our own objects and of an owner's."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.coap.numbers import ContentFormat as CF
from lamplighter.lwm2m.codecs import CodecError, ObjectLink, Value, Values, decode, decode_records, encode
from lamplighter.lwm2m.codecs.value import MOST_RECORDS
from lamplighter.lwm2m.objects import ObjectDefinition, Resource, Type
from lamplighter.lwm2m.path import ROOT, Path

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
OF_TYPE: dict[Type, st.SearchStrategy[Value]] = {
    Type.STRING: TEXTS,
    Type.CORE_LINK: TEXTS,
    Type.INTEGER: st.integers(-(1 << 63), (1 << 63) - 1),
    Type.TIME: st.integers(-(1 << 63), (1 << 63) - 1),
    Type.UNSIGNED: st.integers(0, (1 << 64) - 1),
    Type.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Type.BOOLEAN: st.booleans(),
    Type.OPAQUE: st.binary(max_size=300),
    Type.OBJECT_LINK: st.builds(ObjectLink, st.integers(0, 65535), st.integers(0, 65535)),
}
#: An owner's object with a resource of each type; those with numbers from 100 on have instances.
OWN = 33000
TYPES = dict(enumerate(OF_TYPE)) | {100 + number: type_ for number, type_ in enumerate(OF_TYPE)}
DEFINITIONS = {
    OWN: ObjectDefinition(
        OWN,
        "Own",
        "1.0",
        True,
        False,
        {number: Resource(number, f"R{number}", "RW", type_, number >= 100) for number, type_ in TYPES.items()},
    )
}
PATHS = [Path(OWN, 1, number) if number < 100 else Path(OWN, 1, number, 65534) for number in TYPES]
INSTANCE = Path(OWN, 1)
ANY = st.fixed_dictionaries({}, optional={path: OF_TYPE[TYPES[path[2] or 0]] for path in PATHS}).map(
    lambda values: list(values.items())
)
OF_MANY = [CF.LWM2M_TLV, CF.LWM2M_TLV_OLD, CF.LWM2M_TLV_VENDOR, CF.LWM2M_JSON, CF.SENML_JSON, CF.SENML_CBOR]


@pytest.mark.parametrize("base", [Path(OWN), INSTANCE, ROOT])
@pytest.mark.parametrize("content_format", OF_MANY)
@given(values=ANY)
def test_values_of_every_type_survive(content_format: int, base: Path, values: Values) -> None:
    if base == ROOT and content_format in OF_MANY[:3]:
        return  # TLV has no root
    decoded = decode(content_format, encode(content_format, values, base, DEFINITIONS), base, DEFINITIONS)
    assert decoded == values
    assert [type(value) for _, value in decoded] == [type(value) for _, value in values]


@pytest.mark.parametrize("content_format", [CF.TEXT, CF.LWM2M_TEXT_OLD, CF.CBOR])
@given(number=st.sampled_from(sorted(TYPES)), data=st.data())
def test_a_value_of_any_type_survives_alone(content_format: int, number: int, data: st.DataObject) -> None:
    path, value = Path(OWN, 0, number), data.draw(OF_TYPE[TYPES[number]])
    assert decode(content_format, encode(content_format, [(path, value)], path, DEFINITIONS), path, DEFINITIONS) == [
        (path, value)
    ]


def test_an_owners_definition_goes_before_ours() -> None:
    path = Path(3, 0, 9)
    own = {3: ObjectDefinition(3, "Device", "9.9", False, True, {9: Resource(9, "Battery", "R", Type.STRING)})}
    assert decode(CF.TEXT, b"80", path) == [(path, 80)]
    assert decode(CF.TEXT, b"80", path, own) == [(path, "80")]
    assert decode(CF.LWM2M_TLV, b"\xc1\x09\x38", Path(3, 0), own) == [(path, "8")]


@pytest.mark.parametrize("tag", [0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 258, 260, 1004, 43000, 55799, 70000])
def test_cbor_tags_are_refused_but_for_the_time(tag: int) -> None:
    payload = b"\xda" + tag.to_bytes(4, "big") + b"\x61a"
    with pytest.raises(CodecError):
        decode(CF.CBOR, payload, Path(OWN, 0, 0), DEFINITIONS)


@pytest.mark.parametrize(
    "payload",
    [
        cbor2.dumps([{0: "/3/0/9", 2: 1}]) + b"\x00",
        cbor2.dumps([{0: "/3/0/9", 2: [[1]]}]),
        b"\x81\xa3\x00\x66/3/0/9\x02\x01\x02\x02",
        b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
        b"\x81\xa2\x00\x66/3/0/9\x02\x1b" + b"\xff" * 7,
    ],
)
def test_cbor_behind_its_end_too_deep_with_a_key_twice_or_cut_off_is_refused(payload: bytes) -> None:
    with pytest.raises(CodecError):
        decode(CF.SENML_CBOR, payload, ROOT)


def test_numbers_have_at_most_64_bits() -> None:
    for number in (1 << 64, -(1 << 63) - 1, int("9" * 300)):
        with pytest.raises(CodecError):
            decode(CF.SENML_JSON, f'[{{"n":"/3/0/9","v":{number}}}]'.encode(), ROOT)


def test_a_payload_has_a_largest_number_of_values() -> None:
    for content_format, payload in (
        (CF.SENML_JSON, b"[" + b"{}," * MOST_RECORDS + b"{}]"),
        (CF.LWM2M_JSON, b'{"e":[' + b'{"v":1},' * MOST_RECORDS + b'{"v":1}]}'),
    ):
        with pytest.raises(CodecError, match="more than"):
            decode(content_format, payload, ROOT)


def test_records_of_a_format_without_times_have_none() -> None:
    assert decode_records(CF.LWM2M_TLV, b"\xc1\x09\x64", Path(3, 0)) == [(0, Path(3, 0, 9), 100)]


def test_a_value_outside_the_base_is_not_written() -> None:
    for content_format in (CF.LWM2M_JSON, CF.SENML_JSON, CF.SENML_CBOR):
        with pytest.raises(CodecError, match="not in"):
            encode(content_format, [(Path(4, 0, 0), 1)], Path(3, 0))


def test_a_resource_given_twice_is_not_written_as_tlv() -> None:
    for values in ([(Path(3, 0, 6, 0), 1), (Path(3, 0, 6), 1)], [(Path(3, 0, 9), 1), (Path(3, 0, 9), 2)]):
        with pytest.raises(CodecError, match="twice"):
            encode(CF.LWM2M_TLV, values, Path(3, 0))
