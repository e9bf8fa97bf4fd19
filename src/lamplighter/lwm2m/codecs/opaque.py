"""Raw bytes, one value: OMA LwM2M Core 1.1 section 7.4.2."""

from __future__ import annotations

from lamplighter.lwm2m.codecs.value import CodecError, Values
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import Path


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Raises CodecError."""
    if base.resource is None:
        raise CodecError("opaque is for a single resource")
    return [(base, payload)]


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """Raises CodecError unless there is exactly one value, of bytes or text."""
    if len(values) != 1 or not isinstance(values[0][1], bytes | str):
        raise CodecError("opaque holds exactly one value of bytes")
    value = values[0][1]
    return value if isinstance(value, bytes) else value.encode()
