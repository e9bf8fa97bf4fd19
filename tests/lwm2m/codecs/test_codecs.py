from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.coap.numbers import ContentFormat as CF
from lamplighter.lwm2m.codecs import (
    CodecError,
    ObjectLink,
    UnsupportedContentFormat,
    Value,
    Values,
    decode,
    decode_records,
    encode,
    write_paths,
)
from lamplighter.lwm2m.path import ROOT, Path

DEVICE = Path(3, 0)
#: The Device object of the specification's examples (Core 1.1, section 7.4).
DEVICE_VALUES: Values = [
    (Path(3, 0, 0), "Open Mobile Alliance"),
    (Path(3, 0, 1), "Lightweight M2M Client"),
    (Path(3, 0, 2), "345000123"),
    (Path(3, 0, 3), "1.0"),
    (Path(3, 0, 6, 0), 1),
    (Path(3, 0, 6, 1), 5),
    (Path(3, 0, 7, 0), 3800),
    (Path(3, 0, 7, 1), 5000),
    (Path(3, 0, 8, 0), 125),
    (Path(3, 0, 8, 1), 900),
    (Path(3, 0, 9), 100),
    (Path(3, 0, 10), 15),
    (Path(3, 0, 11, 0), 0),
    (Path(3, 0, 13), 1367491215),
    (Path(3, 0, 14), "+02:00"),
    (Path(3, 0, 16), "U"),
]
DEVICE_TLV = (
    b"\xc8\x00\x14Open Mobile Alliance\xc8\x01\x16Lightweight M2M Client\xc8\x02\x09345000123\xc3\x031.0"
    + bytes.fromhex("860641000141010588070842000ed842011388870841007d42010384c10964c10a0f830b410000")
    + bytes.fromhex("c40d5182428f")
    + b"\xc6\x0e+02:00\xc1\x10U"
)

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LINKS = st.builds(ObjectLink, st.integers(0, 65535), st.integers(0, 65535))
INSTANCES = st.fixed_dictionaries(
    {},
    optional={
        Path(3, 0, 0): TEXTS,
        Path(3, 0, 9): INTEGERS,
        Path(3, 0, 13): INTEGERS,
        Path(3, 0, 7, 0): INTEGERS,
        Path(3, 0, 7, 300): INTEGERS,
        Path(3, 0, 22, 1): LINKS,
    },
).map(lambda values: list(values.items()))
ALL_FORMATS = [0, 40, 42, 60, 99, 110, 112, 1541, 1542, 1543, 1544, 11542, 11543]


def test_tlv_of_the_specifications_device_is_121_bytes_and_reads_back() -> None:
    assert len(DEVICE_TLV) == 121
    assert encode(CF.LWM2M_TLV, DEVICE_VALUES, DEVICE) == DEVICE_TLV
    assert decode(CF.LWM2M_TLV, DEVICE_TLV, DEVICE) == DEVICE_VALUES


def test_tlv_of_an_object_has_its_instances_around_the_resources() -> None:
    # Access Control of the specification: instances 0 and 2 of /2.
    payload = bytes.fromhex("08000ec10001c101008302417f07c1037f080212c10003c10100 8702417f0761013601 c1037f")
    values: Values = [
        (Path(2, 0, 0), 1),
        (Path(2, 0, 1), 0),
        (Path(2, 0, 2, 127), 7),
        (Path(2, 0, 3), 127),
        (Path(2, 2, 0), 3),
        (Path(2, 2, 1), 0),
        (Path(2, 2, 2, 127), 7),
        (Path(2, 2, 2, 310), 1),
        (Path(2, 2, 3), 127),
    ]
    written = encode(CF.LWM2M_TLV, values, Path(2))
    assert decode(CF.LWM2M_TLV, written, Path(2)) == values
    assert written == payload


def test_the_vendors_integers_have_eight_bytes() -> None:
    payload = bytes.fromhex("c80108000000000000012c")
    assert decode(CF.LWM2M_TLV_VENDOR, payload, Path(1, 0)) == [(Path(1, 0, 1), 300)]


def test_tlv_of_an_instance_may_come_at_its_object_or_wrapped() -> None:
    value = [(Path(3, 0, 9), 100)]
    assert decode(CF.LWM2M_TLV, bytes.fromhex("c10964"), Path(3)) == value
    assert decode(CF.LWM2M_TLV, bytes.fromhex("0300c10964"), Path(3, 0)) == value
    assert decode(CF.LWM2M_TLV, bytes.fromhex("c10964"), Path(3, 0, 9)) == value
    assert decode(CF.LWM2M_TLV, bytes.fromhex("410001"), Path(3, 0, 6)) == [(Path(3, 0, 6, 0), 1)]


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "c10900"), (-1, "c109ff"), (127, "c1097f"), (128, "c2090080"), (32768, "c40900008000")]
)
def test_tlv_integers_take_the_fewest_of_1_2_4_and_8_bytes(number: int, expected: str) -> None:
    assert encode(CF.LWM2M_TLV, [(Path(3, 0, 9), number)], DEVICE).hex() == expected


def test_tlv_floats_booleans_links_and_unknown_bytes_are_read() -> None:
    assert decode(CF.LWM2M_TLV, bytes.fromhex("e4164441a40000"), Path(3303, 0)) == [(Path(3303, 0, 5700), 20.5)]
    assert decode(CF.LWM2M_TLV, bytes.fromhex("e116da01"), Path(3311, 0)) == [(Path(3311, 0, 5850), True)]
    assert decode(CF.LWM2M_TLV, bytes.fromhex("c40a00030000"), Path(1, 0)) == [(Path(1, 0, 10), ObjectLink(3, 0))]
    assert decode(CF.LWM2M_TLV, bytes.fromhex("c20107ff"), Path(40000, 0)) == [(Path(40000, 0, 1), b"\x07\xff")]
    assert encode(CF.LWM2M_TLV, [(Path(3303, 0, 5700), 20)], Path(3303, 0)).hex() == "e8164408" + "4034000000000000"


@pytest.mark.parametrize(
    ("payload", "base"),
    [
        ("c1", DEVICE),
        ("c309ff", DEVICE),
        ("c309000000", DEVICE),
        ("c0", DEVICE),
        ("0100", DEVICE),
        ("0103c10964", DEVICE),
        ("8606c10964000000", DEVICE),
        ("c10a0f", Path(3, 0, 9)),
        ("c10964", ROOT),
        ("e1ffff01", DEVICE),
        ("c200fffe", DEVICE),
        ("410001", DEVICE),
        ("e31644000000", Path(3303, 0)),
        ("e116da02", Path(3311, 0)),
        ("c10a00", Path(1, 0)),
    ],
)
def test_a_malformed_or_misplaced_tlv_is_a_codec_error(payload: str, base: Path) -> None:
    with pytest.raises(CodecError):
        decode(CF.LWM2M_TLV, bytes.fromhex(payload), base)


def test_senml_json_of_the_specification_reads_and_writes() -> None:
    payload = b'[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"9","v":100},{"n":"7/0","v":3800}]'
    values: Values = [(Path(3, 0, 0), "Open Mobile Alliance"), (Path(3, 0, 9), 100), (Path(3, 0, 7, 0), 3800)]
    assert decode(CF.SENML_JSON, payload, DEVICE) == values
    assert encode(CF.SENML_JSON, values, DEVICE) == payload


def test_senml_base_fields_hold_until_they_change() -> None:
    payload = (
        b'[{"bn":"/3303/0/","bt":1600000000,"n":"5700","v":1,"t":5},{"n":"5700","v":2,"t":-5},'
        b'{"bn":"/3303/1/","bv":10,"n":"5700","v":1}]'
    )
    records = decode_records(CF.SENML_JSON, payload, ROOT)
    assert [(record.time, str(record.path), record.value) for record in records] == [
        (1600000005, "/3303/0/5700", 1.0),
        (1599999995, "/3303/0/5700", 2.0),
        (1600000000, "/3303/1/5700", 11.0),
    ]


def test_senml_cbor_has_the_labels_of_rfc_8428() -> None:
    values: Values = [
        (Path(3, 0, 9), 100),
        (Path(1, 0, 6), True),
        (Path(5, 0, 0), b"\x01"),
        (Path(1, 0, 10), ObjectLink(3, 0)),
    ]
    payload = encode(CF.SENML_CBOR, values, ROOT)
    assert cbor2.loads(payload) == [
        {-2: "/", 0: "3/0/9", 2: 100},
        {0: "1/0/6", 4: True},
        {0: "5/0/0", 8: b"\x01"},
        {0: "1/0/10", "vlo": "3:0"},
    ]
    assert decode(CF.SENML_CBOR, payload, ROOT) == values


def test_opaque_in_senml_json_is_base64_of_the_url_alphabet_without_padding() -> None:
    payload = encode(CF.SENML_JSON, [(Path(5, 0, 0), b"\xfb\xff\xfe\x00")], Path(5, 0, 0))
    assert payload == b'[{"bn":"/5/0/0","vd":"-__-AA"}]'
    assert decode(CF.SENML_JSON, payload, Path(5, 0, 0)) == [(Path(5, 0, 0), b"\xfb\xff\xfe\x00")]


def test_the_json_of_lwm2m_1_0_reads_and_writes() -> None:
    payload = b'{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"9","v":100},{"n":"7/0","v":3800}]}'
    values: Values = [(Path(3, 0, 0), "Open Mobile Alliance"), (Path(3, 0, 9), 100), (Path(3, 0, 7, 0), 3800)]
    for content_format in (CF.LWM2M_JSON, CF.LWM2M_JSON_OLD):
        assert decode(content_format, payload, DEVICE) == values
        assert encode(content_format, values, DEVICE) == payload
    assert decode(CF.LWM2M_JSON, b'{"e":[{"n":"9","v":1}]}', DEVICE) == [(Path(3, 0, 9), 1)]
    assert decode(CF.LWM2M_JSON, b'{"bn":"/3/0/9","e":[{"v":1}]}', DEVICE) == [(Path(3, 0, 9), 1)]
    # Anjay has the slash between the two in the second.
    assert decode(CF.LWM2M_JSON, b'{"bn":"/3/0","e":[{"n":"/9","v":1}]}', DEVICE) == [(Path(3, 0, 9), 1)]


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        (Path(3, 0, 0), "ARM", "ARM"),
        (Path(3, 0, 9), "-7", -7),
        (Path(3303, 0, 5700), "21.5", 21.5),
        (Path(3311, 0, 5850), "1", True),
        (Path(5, 0, 0), "AQI=", b"\x01\x02"),
        (Path(1, 0, 10), "3:0", ObjectLink(3, 0)),
        (Path(5000, 0, 2), "anything", "anything"),
    ],
)
def test_text_has_the_type_of_its_resource(path: Path, text: str, value: Value) -> None:
    assert decode(None, text.encode(), path) == [(path, value)]
    assert encode(CF.TEXT, [(path, value)], path) == text.encode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (Path(3, 0, 9), "1_0"),
        (Path(3, 0, 9), " 1"),
        (Path(3, 0, 9), "1.5"),
        (Path(3, 0, 9), ""),
        (Path(3, 0, 9), "9" * 5000),
        (Path(3303, 0, 5700), "inf"),
        (Path(3303, 0, 5700), "1e999"),
        (Path(3311, 0, 5850), "yes"),
        (Path(5, 0, 0), "A"),
        (Path(1, 0, 10), "3"),
        (Path(1, 0, 10), "65536:0"),
        (DEVICE, "x"),
    ],
)
def test_text_of_another_type_is_a_codec_error(path: Path, text: str) -> None:
    with pytest.raises(CodecError):
        decode(CF.TEXT, text.encode(), path)


def test_a_single_cbor_value_has_its_type_and_times_are_tagged() -> None:
    clock = Path(3, 0, 13)
    assert encode(CF.CBOR, [(clock, 1367491215)], clock).hex() == "c11a5182428f"
    assert decode(CF.CBOR, bytes.fromhex("c11a5182428f"), clock) == [(clock, 1367491215)]
    assert decode(CF.CBOR, b"\x18\x64", Path(3, 0, 9)) == [(Path(3, 0, 9), 100)]
    assert decode(CF.CBOR, b"\x63\x33:0", Path(1, 0, 10)) == [(Path(1, 0, 10), ObjectLink(3, 0))]


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\xf6", b"\xff", b"\x9f" * 2000, b"\xfb\x7f\xf0" + bytes(6)])
def test_cbor_that_is_no_value_is_a_codec_error(payload: bytes) -> None:
    with pytest.raises(CodecError):
        decode(CF.CBOR, payload, Path(3, 0, 9))


def test_opaque_is_the_bytes_themselves() -> None:
    path = Path(10255, 0, 3)
    assert decode(CF.OCTET_STREAM, b"\x00\xff", path) == [(path, b"\x00\xff")]
    assert encode(CF.LWM2M_OPAQUE_OLD, [(path, b"\x00\xff")], path) == b"\x00\xff"


def test_discovered_links_are_read_and_written() -> None:
    payload = b"</3>;ver=1.1,</3/0>;pmin=10,</3/0/1>"
    values = decode(CF.LINK_FORMAT, payload, Path(3))
    assert values == [(Path(3), "</3>;ver=1.1"), (Path(3, 0), "</3/0>;pmin=10"), (Path(3, 0, 1), "</3/0/1>")]
    assert encode(CF.LINK_FORMAT, values, Path(3)) == payload
    assert encode(CF.LINK_FORMAT, [(Path(3, 0, 9), 5)], Path(3)) == b"</3/0/9>"
    for wrong in (b"</4>", b"<x>", b"<"):
        with pytest.raises(CodecError):
            decode(CF.LINK_FORMAT, wrong, Path(3))


@pytest.mark.parametrize("content_format", [CF.LWM2M_CBOR, 50, 65000])
def test_other_formats_are_not_supported(content_format: int) -> None:
    with pytest.raises(UnsupportedContentFormat):
        decode(content_format, b"", DEVICE)


@pytest.mark.parametrize("content_format", [CF.TEXT, CF.OCTET_STREAM, CF.CBOR])
def test_a_format_of_one_value_refuses_more_and_none(content_format: int) -> None:
    for values in ([], [(Path(3, 0, 0), "a"), (Path(3, 0, 1), "b")]):
        with pytest.raises(CodecError):
            encode(content_format, values, DEVICE)
    if content_format != CF.TEXT:
        with pytest.raises(CodecError):
            decode(content_format, b"\x01", DEVICE)


def test_tlv_cannot_hold_every_value() -> None:
    for values, base in (
        ([(Path(3, 0, 9), 1 << 63)], DEVICE),
        ([(Path(3303, 0, 5700), 10**400)], Path(3303, 0)),
        ([(Path(3, 0, 0), "x" * (1 << 24))], DEVICE),
        ([(Path(3), 1)], Path(3)),
        ([(Path(3, 0), 1)], DEVICE),
        ([(Path(3, 0, 9), 1)], ROOT),
    ):
        with pytest.raises(CodecError):
            encode(CF.LWM2M_TLV, values, base)


def test_composite_paths_are_senml_names() -> None:
    paths = [Path(3, 0, 9), Path(1)]
    assert write_paths(CF.SENML_JSON, paths) == b'[{"n":"/3/0/9"},{"n":"/1"}]'
    assert cbor2.loads(write_paths(CF.SENML_CBOR, paths)) == [{0: "/3/0/9"}, {0: "/1"}]
    with pytest.raises(UnsupportedContentFormat):
        write_paths(CF.LWM2M_TLV, paths)


@pytest.mark.parametrize(
    "pack",
    [
        b"{}",
        b"[1]",
        b"[",
        b'[{"n":1,"v":1}]',
        b'[{"bn":"/3/0/9","v":"1"}]',
        b'[{"bn":"/3/0/9","v":1.5}]',
        b'[{"bn":"/3/0/9","v":true}]',
        b'[{"bn":"/3/0/9","bt":"x","v":1}]',
        b'[{"bn":"/3/0/9","vs":1}]',
        b'[{"bn":"/4/0/9","v":1}]',
        b'[{"bn":"/x","v":1}]',
        b'[{"bn":"/3/0/22/0","vlo":"3"}]',
        b'[{"bn":"/5/0/0","vd":"!"}]',
        b'[{"bn":"/3/0/9","vb":1}]',
        b'[{"bn":"/3/0/9","vd":1}]',
        b'[{"bn":"/3/0/9","v":1' + b"0" * 400 + b"}]",
        b"[" * 5000,
    ],
)
def test_senml_that_makes_no_sense_is_a_codec_error(pack: bytes) -> None:
    base = Path(5, 0, 0) if b"/5/" in pack else DEVICE
    with pytest.raises(CodecError):
        values = decode(CF.SENML_JSON, pack, base)
        encode(CF.LWM2M_TLV, values, base)


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"{",
        b"{}",
        b'{"e":1}',
        b'{"e":[1]}',
        b'{"bn":1,"e":[]}',
        b'{"e":[{"n":"9"}]}',
        b'{"e":[{"n":"x","v":1}]}',
    ],
)
def test_lwm2m_json_that_makes_no_sense_is_a_codec_error(document: bytes) -> None:
    with pytest.raises(CodecError):
        decode(CF.LWM2M_JSON, document, DEVICE)


@pytest.mark.parametrize("content_format", [CF.LWM2M_TLV, CF.SENML_JSON, CF.SENML_CBOR, CF.LWM2M_JSON])
@given(values=INSTANCES)
def test_an_instance_survives_every_format_that_holds_one(content_format: int, values: Values) -> None:
    decoded = decode(content_format, encode(content_format, values, DEVICE), DEVICE)
    assert sorted(decoded, key=lambda item: str(item[0])) == sorted(values, key=lambda item: str(item[0]))


@pytest.mark.parametrize(
    "content_format", [CF.TEXT, CF.LWM2M_TLV, CF.SENML_JSON, CF.SENML_CBOR, CF.LWM2M_JSON, CF.CBOR]
)
@given(
    item=st.one_of(
        st.tuples(st.just(Path(3, 0, 0)), TEXTS),
        st.tuples(st.just(Path(3, 0, 9)), INTEGERS),
        st.tuples(st.just(Path(3303, 0, 5700)), FLOATS),
        st.tuples(st.just(Path(3311, 0, 5850)), st.booleans()),
        st.tuples(st.just(Path(1, 0, 10)), LINKS),
        st.tuples(st.just(Path(5, 0, 0)), st.binary(max_size=300)),
    )
)
def test_a_value_survives_every_format(content_format: int, item: tuple[Path, Value]) -> None:
    path, value = item
    ((_, decoded),) = decode(content_format, encode(content_format, [item], path), path)
    assert decoded == value and type(decoded) is type(value)


@pytest.mark.parametrize("content_format", ALL_FORMATS)
@given(
    payload=st.one_of(
        st.binary(max_size=60), st.text(max_size=40).map(lambda text: text.encode(errors="replace")), st.just(b"[{}]")
    ),
    base=st.sampled_from([ROOT, Path(3), DEVICE, Path(3, 0, 9), Path(3, 0, 7, 1), Path(3303, 0, 5700)]),
)
def test_any_payload_is_values_or_a_codec_error(content_format: int, payload: bytes, base: Path) -> None:
    try:
        values = decode(content_format, payload, base)
    except CodecError:
        return
    for path, _ in values:
        assert base.contains(path)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, TEXTS, st.binary(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(["bn", "n", "v", "vs", "e", "vlo", "vd", "t"]), st.integers(-6, 8)),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_cbor_is_records_or_a_codec_error(item: object) -> None:
    payload = cbor2.dumps(item)
    for content_format, base in ((CF.SENML_CBOR, ROOT), (CF.CBOR, Path(3, 0, 9))):
        try:
            decode(content_format, payload, base)
        except CodecError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (1541, CF.TEXT),
        (1542, CF.LWM2M_TLV),
        (99, CF.LWM2M_TLV),
        (1543, CF.LWM2M_JSON),
        (1544, CF.OCTET_STREAM),
    ],
)
def test_early_numbers_are_read_as_what_they_became(old: int, new: int) -> None:
    path = Path(5, 0, 0) if new == CF.OCTET_STREAM else Path(3, 0, 0)
    value = b"image" if new == CF.OCTET_STREAM else "maker"
    payload = encode(new, [(path, value)], path)
    assert list(decode(old, payload, path)) == [(path, value)]
