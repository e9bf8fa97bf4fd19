"""Targets: payloads and queries of LwM2M, from bytes to values."""

from __future__ import annotations

from collections.abc import Callable

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.bootstrap import BootstrapFaults, parse_bootstrap_request
from lamplighter.lwm2m.codecs import CodecError, decode, decode_records, encode
from lamplighter.lwm2m.link import LinkFormatError, parse_links
from lamplighter.lwm2m.object_xml import ObjectXmlFaults, parse_object
from lamplighter.lwm2m.path import ROOT, Path
from lamplighter.lwm2m.registration import RegistrationFaults, parse_registration, parse_update, resource_values
from tests.fuzz.target import Target, parser

_DEVICE = Path(3, 0)
_VALUES = [
    (Path(3, 0, 0), "maker"),
    (Path(3, 0, 9), 77),
    (Path(3, 0, 6, 0), 1),
    (Path(3, 0, 6, 1), 5),
    (Path(3, 0, 13), 1_700_000_000),
]
_FORMATS = {
    "tlv": ContentFormat.LWM2M_TLV,
    "json": ContentFormat.LWM2M_JSON,
    "senml json": ContentFormat.SENML_JSON,
    "senml cbor": ContentFormat.SENML_CBOR,
}

_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<LWM2M><Object ObjectType="MODefinition"><Name>Lamp</Name><Description1>A lamp</Description1><ObjectID>33000</ObjectID>
<ObjectVersion>1.0</ObjectVersion><MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory><Resources>
<Item ID="0"><Name>Light</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
<Mandatory>Mandatory</Mandatory><Type>Float</Type><Units>lm</Units></Item></Resources></Object></LWM2M>"""


def _codec(content_format: int) -> Callable[[], Callable[[bytes], None]]:
    def run(data: bytes) -> None:
        base = (ROOT, Path(3), _DEVICE, Path(3, 0, 0))[data[0] & 3 if data else 0]
        payload = data[1:]
        try:
            values = decode(content_format, payload, base)
            decode_records(content_format, payload, base)
        except CodecError:
            return
        try:
            again = decode(content_format, encode(content_format, values, base), base)
        except CodecError:
            return  # some values fit no payload of that base, TLV at the root for instance
        assert len(again) == len(values)

    return lambda: run


def _single(content_format: int, path: Path) -> Callable[[], Callable[[bytes], None]]:
    return parser(lambda data: decode(content_format, data, path), CodecError)


def _links(data: bytes) -> None:
    resource_values(parse_links(data.decode("utf-8", "surrogateescape")))


def _query(data: bytes) -> Message:
    """The first lines are arguments of the query, the rest is the payload."""
    *arguments, payload = data.split(b"\n", 12)
    message = Message(Code.POST, payload=payload).add(Option.URI_PATH, "rd")
    for argument in arguments:
        message.add(Option.URI_QUERY, argument[:255])
    return message.add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)


def _registration(data: bytes) -> None:
    message = _query(data)
    for read in (parse_registration, parse_update, parse_bootstrap_request):
        try:
            read(message)
        except (RegistrationFaults, BootstrapFaults):
            pass


TARGETS = [
    *(
        Target(
            name,
            _codec(content_format),
            tuple(bytes((depth,)) + encode(content_format, _VALUES, _DEVICE) for depth in (2, 0, 1)),
            (
                b'"bn"',
                b'"n"',
                b'"v"',
                b'"e"',
                b'"vs"',
                b'"vd"',
                b"\x9f\xff",
                b"\xc8\x00",
                b"\xe8\xff\xfe",
                b"\x88\x06\x04",
            ),
        )
        for name, content_format in _FORMATS.items()
    ),
    Target(
        "cbor", _single(ContentFormat.CBOR, Path(3, 0, 9)), (b"\x18\x4d", b"\xc1\x1a\x60\0\0\0", b"\xfb" + bytes(8))
    ),
    Target("text", _single(ContentFormat.TEXT, Path(3303, 0, 5700)), (b"21.5", b"-1e308", b"0x1p3")),
    Target(
        "link format",
        parser(_links, LinkFormatError),
        (
            b'</>;rt="oma.lwm2m";ct=110,</1/0>;ver=1.1,</3/0>,</3303/0/5700>;obs;v="21.5";aobs="343"',
            b'</d/thing/3303/0/5700>;obs,</d/thing>;name="thing",</3/0/0>;v="a,"b",</3/0/0>;d',
        ),
        (b'";', b">;v=", b"</d/", b";aobs=", b";d", b'="'),
    ),
    Target(
        "object xml",
        parser(parse_object, ObjectXmlFaults),
        (_XML, _XML.replace(b"UTF-8", b"UTF-16")),
        (b"<Item ID=", b"</Item>", b"<!DOCTYPE a [", b"<!ENTITY a ", b"<![CDATA[", b"&#x0;", b"<Object>"),
    ),
    Target(
        "registration",
        lambda: _registration,
        (b'ep=lamp\nlt=60\nlwm2m=1.1\nb=UT\nQ\n</3/0>;v="1"', b"ep=lamp\naid=x\niep=y\nmccv=4.13.2\npct=112\n"),
        (b"ep=", b"lt=", b"lwm2m=1.0", b"b=UQ", b"aid=", b"mccv=", b"pct="),
    ),
]
