"""CBOR, one value, content format 60: OMA LwM2M Core 1.1 section 7.4.5."""

from __future__ import annotations

import cbor2

from lamplighter.lwm2m.codecs.value import CodecError, ObjectLink, Values, from_number, parse_object_link, type_at
from lamplighter.lwm2m.objects import Type
from lamplighter.lwm2m.path import Path

#: The tag of a time in seconds since 1970 (RFC 8949 section 3.4.2), which is how LwM2M writes Time here.
_EPOCH_TAG = 1


def load(payload: bytes) -> object:
    """One whole CBOR item. Raises CodecError."""
    try:
        return cbor2.loads(payload)
    except (
        Exception
    ) as error:  # what a hostile item may raise is the library's secret: decode, value, recursion, memory
        raise CodecError(f"not CBOR: {type(error).__name__}") from None


def decode(payload: bytes, base: Path) -> Values:
    """Raises CodecError."""
    if base.resource is None:
        raise CodecError("CBOR is for a single resource")
    value = load(payload)
    kind = type_at(base)
    if callable(timestamp := getattr(value, "timestamp", None)):
        value = timestamp()
        kind = kind or Type.TIME
    match value:
        case bool() | bytes():
            return [(base, value)]
        case int() | float():
            return [(base, from_number(value, kind))]
        case str():
            return [(base, parse_object_link(value) if kind is Type.OBJECT_LINK else value)]
        case _:
            raise CodecError(f"a CBOR {type(value).__name__} is no value of a resource")


def encode(values: Values, base: Path) -> bytes:
    """Raises CodecError unless there is exactly one value."""
    if len(values) != 1:
        raise CodecError("CBOR holds exactly one value")
    path, value = values[0]
    if type_at(path) is Type.TIME:
        return cbor2.dumps(cbor2.CBORTag(_EPOCH_TAG, value))
    return cbor2.dumps(str(value) if isinstance(value, ObjectLink) else value)
