"""CBOR, one value, content format 60: OMA LwM2M Core 1.1 section 7.4.5; and the reading of any CBOR that devices send."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NoReturn

import cbor2

from lamplighter.lwm2m.codecs.value import (
    CodecError,
    ObjectLink,
    Values,
    from_number,
    parse_object_link,
    type_at,
)
from lamplighter.lwm2m.objects import Definitions, Type
from lamplighter.lwm2m.path import Path

#: The tag of a time in seconds since 1970 (RFC 8949 section 3.4.2), which is how LwM2M writes Time here.
_EPOCH_TAG = 1
#: A SenML pack is a list of maps of values.
_DEEPEST = 3


def _refuse(*_: object) -> NoReturn:
    raise cbor2.CBORDecodeError("a tag that LwM2M does not have")


# The tags that cbor2 would make objects of: big numbers, regular expressions, references, addresses ... Devices send none.
_TAGS: dict[int, Any] = dict.fromkeys(
    (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799), _refuse
) | {_EPOCH_TAG: lambda seconds, _: seconds}


def load(payload: bytes) -> object:
    """One whole CBOR item, a time's tag left out, other tags refused. Raises CodecError."""
    stream = BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        stream, tag_hook=_refuse, semantic_decoders=_TAGS, max_depth=_DEEPEST, allow_duplicate_keys=False
    )
    try:
        item: object = decoder.decode()
    # What a hostile item may raise is the library's secret: decode, value, type, memory.
    except Exception as error:
        raise CodecError(f"not CBOR: {type(error).__name__}") from None
    if stream.tell() != len(payload):
        raise CodecError("something behind the CBOR item")
    return item


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Raises CodecError."""
    if base.resource is None:
        raise CodecError("CBOR is for a single resource")
    value = load(payload)
    type_ = type_at(base, definitions)
    match value:
        case bool() | bytes():
            return [(base, value)]
        case int() | float():
            return [(base, from_number(value, type_))]
        case str():
            return [(base, parse_object_link(value) if type_ is Type.OBJECT_LINK else value)]
        case _:
            raise CodecError(f"a CBOR {type(value).__name__} is no value of a resource")


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """Raises CodecError unless there is exactly one value."""
    if len(values) != 1:
        raise CodecError("CBOR holds exactly one value")
    path, value = values[0]
    if type_at(path, definitions) is Type.TIME:
        return cbor2.dumps(cbor2.CBORTag(_EPOCH_TAG, value))
    return cbor2.dumps(str(value) if isinstance(value, ObjectLink) else value)
