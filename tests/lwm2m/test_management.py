from __future__ import annotations

import cbor2
import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import CodecError
from lamplighter.lwm2m.management import WriteMode
from lamplighter.lwm2m.path import Path

LIFETIME = Path(1, 0, 1)


def shape(message: Message) -> tuple[int, str, tuple[str, ...], int | None, int | None, int | None, bytes]:
    path = "/".join(message.uri_path())
    return (
        message.code,
        path,
        message.uri_query(),
        message.observe,
        message.content_format,
        message.accept,
        message.payload,
    )


def test_each_operation_is_the_message_of_the_transport_binding() -> None:
    none = None
    tlv = ContentFormat.LWM2M_TLV
    expected = [
        (management.read(LIFETIME), (Code.GET, "1/0/1", (), none, none, none, b"")),
        (management.read("d/lamp/3303/0", tlv), (Code.GET, "d/lamp/3303/0", (), none, none, tlv, b"")),
        (management.write(LIFETIME, b"60", 0), (Code.PUT, "1/0/1", (), none, 0, none, b"60")),
        (management.write("/1/0", b"x", tlv, WriteMode.PARTIAL), (Code.POST, "1/0", (), none, tlv, none, b"x")),
        (management.write_values(LIFETIME, [(LIFETIME, 60)], 0), (Code.PUT, "1/0/1", (), none, 0, none, b"60")),
        (management.execute("/3/0/4", b"0='a'"), (Code.POST, "3/0/4", (), none, none, none, b"0='a'")),
        (management.create(Path(3303), b"\x00"), (Code.POST, "3303", (), none, tlv, none, b"\x00")),
        (management.delete("/3303/1"), (Code.DELETE, "3303/1", (), none, none, none, b"")),
        (management.discover("/3"), (Code.GET, "3", (), none, none, 40, b"")),
        (
            management.write_attributes("/3/0", {"pmin": 1, "gt": None}),
            (Code.PUT, "3/0", ("pmin=1", "gt"), none, none, none, b""),
        ),
        (management.observe(LIFETIME, 0), (Code.GET, "1/0/1", (), 0, none, 0, b"")),
        (management.cancel(LIFETIME), (Code.GET, "1/0/1", (), 1, none, none, b"")),
    ]
    for message, wanted in expected:
        assert shape(message) == wanted


def test_composite_operations_use_fetch_and_ipatch() -> None:
    read = management.read_composite([Path(3, 0, 9), Path(1)])
    assert (read.code, read.accept, cbor2.loads(read.payload)) == (Code.FETCH, 112, [{0: "/3/0/9"}, {0: "/1"}])
    assert management.observe_composite([Path(1)], 110).observe == 0
    write = management.write_composite([(LIFETIME, 60)], 110)
    assert (write.code, write.payload) == (Code.IPATCH, b'[{"bn":"/","n":"1/0/1","v":60}]')
    with pytest.raises(CodecError):
        management.read_composite([Path(1)], 11542)


@pytest.mark.parametrize(
    ("path", "version", "named", "accept"),
    [
        ("/3/0", "1.1", (60, 110, 112, 11542, 11544), ContentFormat.SENML_CBOR),
        ("/3", "1.1", (11542, 110), ContentFormat.SENML_JSON),
        ("3/0/", "1.1", (11542,), ContentFormat.LWM2M_TLV),
        ("/3/0", "1.0", (112, 11543, 11542), ContentFormat.LWM2M_TLV),
        ("/3/0", "1.0", (1543, 1542), ContentFormat.LWM2M_TLV_OLD),
        ("/3/0", "1.1", (), None),
        ("/3/0", "1.1", (11544, 50), None),
        ("/3/0/1", "1.1", (112,), None),
        ("/3/0/11/0", "1.1", (112,), None),
    ],
)
def test_the_best_format_that_a_client_names_is_asked_for(
    path: str, version: str, named: tuple[int, ...], accept: int | None
) -> None:
    assert management.accept_for(path, version, named) == accept


def test_a_rest_callers_request_goes_as_it_is() -> None:
    message = management.device_request("PUT", "/5/0/1?lt=10&gt=60&pmax=120")
    assert shape(message) == (Code.PUT, "5/0/1", ("lt=10", "gt=60", "pmax=120"), None, None, None, b"")
    message = management.device_request("POST", "/3303", b"\x01", 11542, 0)
    assert shape(message) == (Code.POST, "3303", (), None, 11542, 0, b"\x01")
    with pytest.raises(ValueError, match="not one of GET"):
        management.device_request("PATCH", "/3")
